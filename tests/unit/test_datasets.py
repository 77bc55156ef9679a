"""Public data sets, known by the header of the CSV that they ship."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from forging import stub_site

from imaging.errors import SourceError
from imaging.listing.labels import LABELS, GivenLabels
from imaging.listing.sources import list_source
from imaging.listing.tables.datasets import DATA_SETS, DataSet, known_data_set
from imaging.listing.tables.manifest_options import ManifestOptions
from producer.cli import main as producer

PAGE = Path(__file__).parents[2] / "docs" / "datasets.md"
PH2 = (
    "Image Name,Histological Diagnosis,Common Nevus,Atypical Nevus,Melanoma,"
    '"Asymmetry\n(0/1/2)","Pigment Network\n(AT/T)","Dots/Globules\n(A/AT/T)","Streaks\n(A/P)",'
    '"Regression Areas\n(A/P)","Blue-Whitish Veil\n(A/P)",White,Red,Light-Brown,Dark-Brown,'
    "Blue-Gray,Black\n"
)
# Headers as the data sets ship them, each with a row for each kind of diagnosis, and the labels.
FILES: dict[str, tuple[str, list[tuple[str, int | None]]]] = {
    "HAM10000": (
        (
            "lesion_id,image_id,dx,dx_type,age,sex,localization\n"
            "HAM_1,i1,mel,histo,50.0,male,back\nHAM_2,i2,nv,histo,50.0,male,back\n"
            "HAM_3,i3,bkl,histo,50.0,male,back\nHAM_4,i4,df,histo,50.0,male,back\n"
            "HAM_5,i5,vasc,histo,50.0,male,back\nHAM_6,i6,bcc,histo,50.0,male,back\n"
            "HAM_7,i7,akiec,histo,50.0,male,back\n"
        ),
        [("i1", 1), ("i2", 0), ("i3", 0), ("i4", 0), ("i5", 0), ("i6", None), ("i7", None)],
    ),
    "ISIC 2016": (
        "ISIC_0000000,benign\nISIC_0000001,malignant\n",
        [("ISIC_0000000", 0), ("ISIC_0000001", 1)],
    ),
    "ISIC 2017": (
        "image_id,melanoma,seborrheic_keratosis\ni1,1.0,0.0\ni2,0.0,1.0\ni3,0.0,0.0\n",
        [("i1", 1), ("i2", 0), ("i3", 0)],
    ),
    "ISIC 2017 metadata": ("image_id,age_approximate,sex\ni1,55,female\n", [("i1", None)]),
    "ISIC 2018": (
        (
            "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n"
            "i1,1.0,0.0,0.0,0.0,0.0,0.0,0.0\ni2,0.0,1.0,0.0,0.0,0.0,0.0,0.0\n"
            "i3,0.0,0.0,1.0,0.0,0.0,0.0,0.0\ni4,0.0,0.0,0.0,1.0,0.0,0.0,0.0\n"
        ),
        [("i1", 1), ("i2", 0), ("i3", None), ("i4", None)],
    ),
    "ISIC 2019": (
        (
            "image,MEL,NV,BCC,AK,BKL,DF,VASC,SCC,UNK\n"
            "i1,1.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0\ni2,0.0,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0\n"
            "i3,0.0,0.0,0.0,1.0,0.0,0.0,0.0,0.0,0.0\ni4,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0,0.0\n"
            "i5,0.0,0.0,0.0,0.0,0.0,0.0,0.0,0.0,1.0\n"
        ),
        [("i1", 1), ("i2", 0), ("i3", None), ("i4", None), ("i5", None)],
    ),
    "ISIC 2020": (
        (
            "image_name,patient_id,sex,age_approx,anatom_site_general_challenge,diagnosis,"
            "benign_malignant,target\n"
            "i1,IP_1,male,45.0,torso,unknown,benign,0\ni2,IP_2,male,45.0,torso,melanoma,malignant,1\n"
        ),
        [("i1", 0), ("i2", 1)],
    ),
    "ISIC 2020 test metadata": (
        (
            "image_name,patient_id,sex,age_approx,anatom_site_general_challenge\n"
            "i1,IP_1,male,45.0,torso\n"
        ),
        [("i1", None)],
    ),
    "ISIC 2019 or 2020 metadata": (
        "image,age_approx,anatom_site_general,lesion_id,sex\ni1,55,anterior torso,,female\n",
        [("i1", None)],
    ),
    "ISIC archive": (
        (
            "isic_id,attribution,copyright_license,age_approx,anatom_site_general,diagnosis_1,"
            "diagnosis_2,diagnosis_3,diagnosis_confirm_type,image_type,melanocytic,sex\n"
            "i1,A,CC-0,50,trunk,Malignant,Malignant melanocytic proliferations (Melanoma),"
            "Melanoma Invasive,histopathology,dermoscopic,true,male\n"
            "i2,A,CC-0,50,trunk,Benign,Benign melanocytic proliferations,Nevus,,dermoscopic,,\n"
            "i3,A,CC-0,50,trunk,Malignant,Malignant adnexal epithelial proliferations - Follicular,"
            "Basal cell carcinoma,histopathology,dermoscopic,false,male\n"
            "i4,A,CC-0,50,trunk,Indeterminate,,,,dermoscopic,,male\n"
            "i5,A,CC-0,50,trunk,,,,,dermoscopic,,male\n"
            "i6,A,CC-0,50,trunk,Benign,Benign epidermal proliferations,Seborrheic keratosis,,,,\n"
        ),
        [("i1", 1), ("i2", 0), ("i3", None), ("i4", None), ("i5", None), ("i6", 0)],
    ),
    "ISIC archive, until 2024": (
        (
            "isic_id,attribution,copyright_license,age_approx,anatom_site_general,benign_malignant,"
            "diagnosis,diagnosis_confirm_type,image_type,melanocytic,sex\n"
            "i1,A,CC-0,50,trunk,malignant,melanoma,histopathology,dermoscopic,true,male\n"
            "i2,A,CC-0,50,trunk,malignant,basal cell carcinoma,histopathology,dermoscopic,,male\n"
            "i3,A,CC-0,50,trunk,benign,lichenoid keratosis,histopathology,dermoscopic,false,male\n"
            "i4,A,CC-0,50,trunk,malignant,,histopathology,dermoscopic,false,male\n"
            "i5,A,CC-0,50,trunk,indeterminate/malignant,other,,dermoscopic,false,male\n"
        ),
        [("i1", 1), ("i2", None), ("i3", 0), ("i4", None), ("i5", None)],
    ),
    "PH2": (
        (
            f"PH2 Dataset,,,,,,,,,,,,,,,,\nLegend: 0 - fully symmetric,,,,,,,,,,,,,,,,\n\n{PH2}"
            "IMD003,,X,,,0,T,A,A,A,A,,,X,X,,\nIMD002,,,X,,1,T,T,A,A,A,,,X,,,\n"
            "IMD058,Melanoma,,,X,2,AT,AT,P,P,P,X,X,X,X,X,X\n"
        ),
        [("IMD003", 0), ("IMD002", 0), ("IMD058", 1)],
    ),
    "Derm7pt": (
        (
            "case_num,diagnosis,seven_point_score,pigment_network,streaks,pigmentation,"
            "regression_structures,dots_and_globules,blue_whitish_veil,vascular_structures,"
            "level_of_diagnostic_difficulty,elevation,location,sex,clinic,derm,case_id,notes\n"
            "1,clark nevus,0,absent,absent,absent,absent,absent,absent,absent,low,flat,back,female,"
            "NEL/Nel025.jpg,NEL/Nel026.jpg,,\n"
            "2,melanoma (in situ),5,absent,absent,absent,absent,absent,absent,absent,low,flat,back,"
            "male,FBL/Fbl025.jpg,FBL/Fbl026.jpg,,\n"
            "3,basal cell carcinoma,0,absent,absent,absent,absent,absent,absent,absent,low,flat,"
            "back,male,FCL/Fcl025.jpg,FCL/Fcl026.jpg,,\n"
        ),
        [("NEL/Nel026", 0), ("FBL/Fbl026", 1), ("FCL/Fcl026", None)],
    ),
    "PAD-UFES-20": (
        (
            "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,"
            "gender,skin_cancer_history,cancer_history,has_piped_water,has_sewage_system,fitspatrick,"
            "region,diameter_1,diameter_2,diagnostic,itch,grew,hurt,changed,bleed,elevation,img_id,"
            "biopsed\n"
            "PAT_1,1,,,,,8,,,,,,,,ARM,,,NEV,FALSE,FALSE,FALSE,FALSE,FALSE,FALSE,PAT_1_1_1.jpg,FALSE\n"
            "PAT_2,2,,,,,8,,,,,,,,ARM,,,MEL,FALSE,FALSE,FALSE,FALSE,FALSE,FALSE,PAT_2_2_2.jpg,TRUE\n"
            "PAT_3,3,,,,,8,,,,,,,,ARM,,,ACK,FALSE,FALSE,FALSE,FALSE,FALSE,FALSE,PAT_3_3_3.jpg,TRUE\n"
        ),
        [("PAT_1_1_1", 0), ("PAT_2_2_2", 1), ("PAT_3_3_3", None)],
    ),
    "Fitzpatrick17k": (
        (
            "md5hash,fitzpatrick_scale,fitzpatrick_centaur,label,nine_partition_label,"
            "three_partition_label,qc,url,url_alphanum\n"
            "5e82,3,3,drug induced pigmentary changes,inflammatory,non-neoplastic,,,a.jpg\n"
            "fa29,1,1,superficial spreading melanoma ssm,malignant melanoma,malignant,,,b.jpg\n"
            "d2ba,2,3,nevocytic nevus,benign melanocyte,benign,,,c.jpg\n"
            "0a94,1,1,basal cell carcinoma,malignant epidermal,malignant,,,d.jpg\n"
        ),
        [("5e82", None), ("fa29", 1), ("d2ba", 0), ("0a94", None)],
    ),
}


@pytest.mark.parametrize("above", ["", "\ufeff", "\n  "])
def test_the_text_file_of_ph2_is_refused_with_what_to_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, above: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("PH2_dataset.txt").write_text(
        f"{above}||   Name ||   Histological Diagnosis || Clinical Diagnosis ||\n"
        "||  IMD003 ||  ||  0 ||\n"
    )
    with pytest.raises(SourceError) as caught:
        list(list_source("PH2_dataset.txt", tmp_path))
    assert caught.value.message == (
        "PH2_dataset.txt:1: its columns are separated by ||, as in PH2_dataset.txt: take "
        "PH2_dataset.xlsx instead, and save its sheet as CSV, in Excel: File, Save As, type "
        "'CSV UTF-8 (comma delimited)'"
    )


# What pandas computes the labels of the real files with.
REAL = {
    "HAM10000_metadata.csv": ("image_id", lambda f: f["dx"].map({"mel": 1, "nv": 0, "bkl": 0})),
    "ISBI2016_ISIC_Part3_Test_GroundTruth.csv": ("isic_id", lambda f: f["target"]),
    "ISIC-2017_Training_Part3_GroundTruth.csv": ("image_id", lambda f: f["melanoma"]),
    "ISIC2018_Task3_Validation_GroundTruth.csv": (
        "image",
        lambda f: f["MEL"].where(f["BCC"] + f["AKIEC"] == 0),
    ),
    "ISIC_2019_Training_GroundTruth.csv": (
        "image",
        lambda f: f["MEL"].where(f["BCC"] + f["AK"] + f["SCC"] + f["UNK"] == 0),
    ),
    "ISIC_2019_Training_Metadata.csv": ("image", lambda f: f["image"].map({})),
    "ISIC_2020_Training_GroundTruth_v2.csv": ("image_name", lambda f: f["target"]),
    "derm7pt_meta.csv": (
        "derm",
        lambda f: f["diagnosis"].map(
            lambda d: None if d in {"basal cell carcinoma", "miscellaneous"} else "melanoma" in d
        ),
    ),
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, which is the working directory too."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(root: Path, images: list[str]) -> None:
    """Files of these ids, in `images`; listing looks at names only."""
    for image in images:
        path = root / "images" / (image if image.endswith(".jpg") else f"{image}.jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def listed(source: str, root: Path, **more: int | None) -> list[tuple[str, int | None]]:
    rows = list_source(source, root, {**LABELS, **more}, ManifestOptions(images=("images",)))
    return [(row.path, row.label) for row in rows]


@pytest.mark.parametrize("data_set", DATA_SETS, ids=lambda one: one.name)
def test_a_data_set_is_known_by_its_header(
    root: Path, capsys: pytest.CaptureFixture[str], data_set: DataSet
) -> None:
    text, expected = FILES[data_set.name]
    touch(root, [image for image, _ in expected])
    (root / "m.csv").write_text(text)

    found = listed("m.csv", root)

    assert found == [(f"images/{image}.jpg", label) for image, label in expected]
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith(f"m.csv: taken for {data_set.name}: images from {data_set.ids}, ")
    for label, name in ((1, "malignant: "), (0, "benign: "), (None, "without label: ")):
        assert (name in told[1]) == any(each == label for _, each in expected)


@pytest.mark.parametrize("name", REAL)
def test_the_real_files_are_enqueued_with_the_labels_that_pandas_computes(
    root: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    site = stub_site(root)
    monkeypatch.setenv("CHECKPOINT", site.settings["CHECKPOINT"])
    shutil.copy(shared / "data" / "manifests" / name, name)
    column, label_of = REAL[name]
    frame = pd.read_csv(name)
    touch(root, list(frame[column]))

    done = CliRunner().invoke(producer, ["enqueue", name, "--images", "images"])

    assert done.exit_code == 0, done.output
    assert f"run 1: {len(frame)} images ({len(frame)} new" in done.stdout
    paths = [f"images/{image.removesuffix('.jpg')}.jpg" for image in frame[column]]
    labels = [None if pd.isna(label) else int(label) for label in label_of(frame)]
    with closing(sqlite3.connect("dermscore.db")) as ledger:
        stored = ledger.execute("SELECT path, label FROM images ORDER BY id").fetchall()
    assert stored == list(zip(paths, labels, strict=True))
    assert len(stored) >= 100


def test_most_ids_may_be_without_a_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHECKPOINT", stub_site(root).settings["CHECKPOINT"])
    text, expected = FILES["HAM10000"]
    (root / "m.csv").write_text(text)
    touch(root, [expected[0][0]])

    done = CliRunner().invoke(producer, ["enqueue", "m.csv", "--images", "images"])

    count = len(expected)
    assert done.exit_code == 0, done.output
    assert f"run 1: {count} images ({count} new" in done.stdout
    assert f"{count - 1} of {count} images have no file under images: " in done.stderr


def test_all_columns_but_the_id_stay_attributes(root: Path) -> None:
    touch(root, ["i1"])
    text, _ = FILES["HAM10000"]
    (root / "m.csv").write_text("".join(text.splitlines(keepends=True)[:2]))

    (row,) = list_source("m.csv", root, LABELS, ManifestOptions(images=("images",)))

    assert row.attributes == {
        "lesion_id": "HAM_1",
        "dx": "mel",
        "dx_type": "histo",
        "age": "50.0",
        "sex": "male",
        "localization": "back",
    }


def test_what_is_not_decided_is_said_until_label_decides_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = FILES["HAM10000"]
    touch(root, [image for image, _ in expected])
    (root / "m.csv").write_text(text)

    listed("m.csv", root)
    assert capsys.readouterr().err.splitlines()[1:] == [
        (
            "m.csv: malignant: mel (1); benign: nv (1), bkl (1), df (1), vasc (1); "
            "without label: bcc (1), akiec (1)"
        ),
        (
            "m.csv: melanoma against benign does not decide bcc, akiec: no label, until "
            "--label bcc=1 (malignant) or =0 (benign) says otherwise"
        ),
    ]

    found = listed("m.csv", root, BCC=1, df=None)
    assert Counter(label for _, label in found) == {1: 2, 0: 3, None: 2}
    assert "malignant: mel (1), bcc (1)" in capsys.readouterr().err


def test_malignant_without_more_is_decided_by_label(root: Path) -> None:
    text, expected = FILES["ISIC archive, until 2024"]
    touch(root, [image for image, _ in expected])
    (root / "m.csv").write_text(text)
    options = ManifestOptions(images=("images",))

    rows = list_source("m.csv", root, GivenLabels({"malignant": 1}), options)

    assert [row.label for row in rows] == [1, None, 0, 1, None]


def test_a_label_that_turns_a_known_diagnosis_round_is_refused(root: Path) -> None:
    touch(root, ["i1"])
    (root / "m.csv").write_text(FILES["HAM10000"][0])

    with pytest.raises(SourceError, match=r"m\.csv:1: mel is 1 in HAM10000: .*--label-column dx"):
        listed("m.csv", root, mel=0)


def test_a_diagnosis_that_the_data_set_never_had_is_refused_with_its_count(root: Path) -> None:
    touch(root, ["i1"])
    (root / "m.csv").write_text("lesion_id,image_id,dx\nHAM_1,i1,zzz\nHAM_2,i1,zzz\n")

    with pytest.raises(SourceError, match=r"zzz \(2\); .* --label zzz=none$"):
        listed("m.csv", root)


def test_ids_without_a_folder_say_what_to_type(root: Path) -> None:
    (root / "m.csv").write_text(FILES["HAM10000"][0])

    with pytest.raises(SourceError, match=r"HAM10000 names its images by ids: .* --images DIR"):
        list(list_source("m.csv", root))


def test_paths_of_derm7pt_need_no_folder(root: Path) -> None:
    (root / "m.csv").write_text(FILES["Derm7pt"][0])

    paths = [row.path for row in list_source("m.csv", root)]

    assert paths == ["NEL/Nel026.jpg", "FBL/Fbl026.jpg", "FCL/Fcl026.jpg"]


@pytest.mark.parametrize(
    "header",
    [
        "isic_id,target,age_approx,sex,attribution,copyright_license,iddx_full",  # ISIC 2024
        "image,label",
        "image_id,dx",
    ],
)
def test_other_headers_are_not_taken_for_one(header: str) -> None:
    assert known_data_set(header.split(",")) is None


def row_of(data_set: DataSet) -> str:
    """The row of the page for a data set."""
    groups = ["", "", ""]
    for at, label in enumerate((1, 0, None)):
        names = [name for name, each in data_set.labels.items() if each == label and name]
        groups[at] = ", ".join(f"`{name}`" for name in names)
    cells = [data_set.name, ", ".join(f"`{one}`" for one in data_set.requires), *groups]
    return f"| {' | '.join(cells)} | {data_set.note} |".replace("  ", " ")


def test_the_page_has_a_row_for_each() -> None:
    lines = PAGE.read_text().splitlines()

    missing = [row for row in map(row_of, DATA_SETS) if row not in lines]

    assert missing == [], "\n".join(missing)
    assert set(FILES) == {each.name for each in DATA_SETS}
