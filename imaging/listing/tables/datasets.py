"""The public data sets that are known by the header of their CSV, one entry for each kind of file.

To add one, add an entry to `DATA_SETS`, a row to docs/datasets.md (tests/unit/test_datasets.py says
which) and a header to that test.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from imaging.listing.labels import BENIGN, CELLS, MALIGNANT, word

Labels = Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class DataSet:
    """How one file of a data set is known, and what its columns and diagnoses mean.

    Attributes:
        name: what a person calls it.
        requires: the columns that must be there.
        ids: the column of image ids, or of paths.
        diagnoses: the columns of diagnoses; the first whose value is in `labels` decides. Columns
            that are not there are passed over.
        flags: for columns of 0 and 1, the columns that are the diagnoses themselves.
        neither: what a row is in which all `flags` are 0, if this means something.
        labels: what each diagnosis means for melanoma against benign; None: neither of them.
        is_whole: no other columns may be there.
        has_paths: `ids` are paths, which need no folder to be looked up in.
        note: what a person should know, for the page.
    """

    name: str
    requires: tuple[str, ...]
    ids: str
    diagnoses: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    neither: str | None = None
    labels: Labels = field(default_factory=dict)
    is_whole: bool = False
    has_paths: bool = False
    note: str = ""

    def fits(self, columns: Sequence[str]) -> bool:
        """Whether these are the columns of such a file, as `word` spells them."""
        needed = set(map(word, self.requires))
        return needed == set(columns) if self.is_whole else needed <= set(columns)


def _labels(malignant: str = "", benign: str = "", neither: str = "") -> Labels:
    """What each of these diagnoses means; they are separated by semicolons."""
    given = {MALIGNANT: malignant, BENIGN: benign, None: neither}
    return {
        word(name): label for label, names in given.items() for name in names.split(";") if name
    }


_TARGET = {**CELLS, **_labels("malignant", "benign")}
# Where a value is not here, the next column decides.
_ARCHIVE = _labels(
    "melanoma;melanoma metastasis;Malignant melanocytic proliferations (Melanoma)",
    "benign;nevus;seborrheic keratosis",
    "malignant;indeterminate;indeterminate/benign;indeterminate/malignant;basal cell carcinoma;"
    "squamous cell carcinoma;actinic keratosis;solar or actinic keratosis;AIMP",
)
_CHALLENGE = _labels("MEL", "NV;BKL;DF;VASC", "BCC;AKIEC;AK;SCC;UNK")
_FITZPATRICK = _labels(
    "malignant melanoma;melanoma;superficial spreading melanoma ssm;lentigo maligna",
    "benign;benign dermal;benign epidermal;benign melanocyte",
    "malignant;malignant dermal;malignant epidermal;malignant cutaneous lymphoma;inflammatory;"
    "genodermatoses;non-neoplastic",
)
_DERM7PT = _labels(
    "melanoma;melanoma (in situ);melanoma (less than 0.76 mm);melanoma (0.76 to 1.5 mm);"
    "melanoma (more than 1.5 mm);melanoma metastasis",
    "blue nevus;clark nevus;combined nevus;congenital nevus;dermal nevus;recurrent nevus;"
    "reed or spitz nevus;dermatofibroma;lentigo;melanosis;seborrheic keratosis;vascular lesion",
    "basal cell carcinoma;miscellaneous",
)

# The first that fits is taken.
DATA_SETS: tuple[DataSet, ...] = (
    DataSet(
        "HAM10000",
        ("lesion_id", "image_id", "dx"),
        ids="image_id",
        diagnoses=("dx",),
        labels=_labels("mel", "nv;bkl;df;vasc", "bcc;akiec"),
        note="bkl: benign keratosis-like lesions; akiec: actinic keratoses, Bowen's disease.",
    ),
    DataSet(
        "ISIC 2016",
        ("isic_id", "target"),
        ids="isic_id",
        diagnoses=("target",),
        labels=_TARGET,
        is_whole=True,
        note="The published files have no header: an id and `benign`, `malignant`, 0.0 or 1.0.",
    ),
    DataSet(
        "ISIC 2017",
        ("image_id", "melanoma", "seborrheic_keratosis"),
        ids="image_id",
        flags=("melanoma", "seborrheic_keratosis"),
        neither="nevus",
        labels=_labels("melanoma", "seborrheic_keratosis;nevus"),
        note="A row of two zeros is a nevus.",
    ),
    DataSet(
        "ISIC 2017 metadata",
        ("image_id", "age_approximate", "sex"),
        ids="image_id",
        is_whole=True,
        note="It has no diagnoses.",
    ),
    DataSet(
        "ISIC 2019",
        ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"),
        ids="image",
        flags=("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", "UNK"),
        labels=_CHALLENGE,
    ),
    DataSet(
        "ISIC 2018",
        ("image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
        ids="image",
        flags=("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"),
        labels=_CHALLENGE,
    ),
    DataSet(
        "ISIC 2020",
        ("image_name", "patient_id", "benign_malignant", "target"),
        ids="image_name",
        diagnoses=("target",),
        labels=_TARGET,
        note="`target` decides: 1 is melanoma; `diagnosis` is unknown for most of the others.",
    ),
    DataSet(
        "ISIC 2020 test metadata",
        ("image_name", "patient_id", "anatom_site_general_challenge"),
        ids="image_name",
        note="It has no diagnoses.",
    ),
    DataSet(
        "ISIC 2019 or 2020 metadata",
        ("image", "age_approx", "anatom_site_general", "sex"),
        ids="image",
        note="It has no diagnoses: for ISIC 2019 they are in the file `GroundTruth`.",
    ),
    DataSet(
        "ISIC archive",
        ("isic_id", "copyright_license", "diagnosis_1"),
        ids="isic_id",
        diagnoses=("diagnosis_3", "diagnosis_2", "diagnosis_1"),
        labels=_ARCHIVE,
        note="The export of today. Malignant without more is not decided: it may be a carcinoma.",
    ),
    DataSet(
        "ISIC archive, until 2024",
        ("isic_id", "copyright_license", "benign_malignant"),
        ids="isic_id",
        diagnoses=("diagnosis", "benign_malignant"),
        labels=_ARCHIVE,
        note="Malignant without more is not decided: it may be a carcinoma.",
    ),
    DataSet(
        "PH2",
        ("Image Name", "Common Nevus", "Atypical Nevus", "Melanoma"),
        ids="Image Name",
        flags=("Common Nevus", "Atypical Nevus", "Melanoma"),
        labels=_labels("Melanoma", "Common Nevus;Atypical Nevus"),
        note="PH2_dataset.xlsx, saved as CSV, and not PH2_dataset.txt; the rows above its header "
        "are passed over.",
    ),
    DataSet(
        "Derm7pt",
        ("diagnosis", "pigment_network", "blue_whitish_veil", "derm"),
        ids="derm",
        diagnoses=("diagnosis",),
        labels=_DERM7PT,
        has_paths=True,
        note="The dermoscopic images (`derm`); `--path-column clinic` takes the clinical ones.",
    ),
    DataSet(
        "PAD-UFES-20",
        ("patient_id", "lesion_id", "img_id", "diagnostic"),
        ids="img_id",
        diagnoses=("diagnostic",),
        labels=_labels("MEL", "NEV;SEK", "BCC;SCC;ACK"),
        note="Photographs of smartphones, not dermoscopic images.",
    ),
    DataSet(
        "Fitzpatrick17k",
        ("md5hash", "label", "three_partition_label"),
        ids="md5hash",
        diagnoses=("label", "nine_partition_label", "three_partition_label"),
        labels=_FITZPATRICK,
        note="Clinical photographs, not dermoscopic images.",
    ),
)
# Truth of ISIC 2016 as it is published: without a header.
_NO_HEADER = re.compile(r"isic_\d+", re.IGNORECASE)
HEADERLESS = ("isic_id", "target")


def known_data_set(header: Sequence[str]) -> DataSet | None:
    """The data set that has such a header."""
    columns = [word(column) for column in header]
    return next((each for each in DATA_SETS if each.fits(columns)), None)


def is_row_of_isic_2016(fields: Sequence[str]) -> bool:
    """Whether a first line is already an image of ISIC 2016."""
    if len(fields) != len(HEADERLESS):
        return False
    image, target = fields
    return _NO_HEADER.fullmatch(image.strip()) is not None and word(target) in _TARGET
