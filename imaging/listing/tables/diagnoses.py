"""From the cells of a row to its diagnosis, and from a diagnosis to a label. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from base.console.foreign import shown
from base.console.shell import typed
from imaging.listing.labels import BENIGN, CELLS, KNOWN, MALIGNANT, word

Labels = Mapping[str, int | None]
# The diagnosis that a row's cells name, as they spell it; empty for none.
FindDiagnosis = Callable[[Sequence[str]], str]
# What a folder's name means, and a cell of 0 and 1.
WORDS: Labels = {**CELLS, **KNOWN}
_SET, _UNSET = frozenset({"1", "1.0", "x", "true"}), frozenset({"", "0", "0.0", "false"})
_NAMES = {MALIGNANT: "malignant", BENIGN: "benign", None: "without label"}
# More different values than any list of diagnoses has.
_MOST_VALUES = 200


class DiagnosisError(ValueError):
    """The cells of a row name no diagnosis, or several that disagree; without the row's place."""


class Diagnoses(NamedTuple):
    """How a table tells the diagnosis of a row, and what each means.

    Attributes:
        origin: where the diagnoses are, for a message: `diagnoses in dx`.
        find: the diagnosis of a row.
        labels: what each means, by its `word`.
        option: what says the meaning of one more: `--label`, or `--label-column` of flags.
    """

    origin: str
    find: FindDiagnosis
    labels: Labels
    option: str = "--label"

    def label(self, fields: Sequence[str]) -> int | None:
        """The label of a row.

        Raises:
            DiagnosisError: its columns disagree.
        """
        return self.labels.get(word(self.find(fields)))


def in_words(columns: Sequence[int], labels: Labels) -> FindDiagnosis:
    """The first of these cells that is in `labels`; else the first that is not empty."""

    def find(fields: Sequence[str]) -> str:
        cells = [cell for at in columns if (cell := fields[at].strip())]
        return next((cell for cell in cells if word(cell) in labels), cells[0] if cells else "")

    return find


def in_flags(columns: Mapping[int, str], labels: Labels, neither: str = "") -> FindDiagnosis:
    """The name of the column whose cell is 1; `neither` if there is none."""

    def find(fields: Sequence[str]) -> str:
        names = [name for at, name in columns.items() if _is_set(fields[at], name)]
        if len({labels.get(word(name)) for name in names}) > 1:
            raise DiagnosisError(f"{' and '.join(map(shown, names))} are both 1")
        return names[0] if names else neither

    return find


def flags_among(rows: Iterable[Sequence[str]], columns: Sequence[int]) -> list[int]:
    """Those of the columns that hold nothing but 0, 1 and empty cells."""
    flags = list(columns)
    for fields in rows:
        flags = [at for at in flags if word(fields[at]) in _SET | _UNSET]
    return flags


def _is_set(cell: str, name: str) -> bool:
    value = word(cell)
    if value not in _SET | _UNSET:
        raise DiagnosisError(f"{shown(name)} is {cell!r}, neither 0 nor 1")
    return value in _SET


def tally(names: Iterable[str]) -> Counter[str]:
    """How often each diagnosis is there, in the spelling of the first."""
    spelled: dict[str, str] = {}
    return Counter(spelled.setdefault(word(name), name) for name in names)


def without_meaning(found: Counter[str], diagnoses: Diagnoses) -> str | None:
    """All values that nothing covers, with their counts and the line to paste; None without any."""
    names = [name for name, _ in found.most_common() if name and word(name) not in diagnoses.labels]
    if not names:
        return None
    if len(names) > _MOST_VALUES:
        few = ", ".join(map(shown, names[:3]))
        return (
            f"{len(names)} different values without a meaning ({diagnoses.origin}), such as "
            f"{few}: is this the column of diagnoses? --label-column names another"
        )
    listed = ", ".join(f"{shown(name)} ({found[name]})" for name in names)
    pasted = " ".join(typed(diagnoses.option, f"{name}=none") for name in names)
    return (
        f"values without a meaning ({diagnoses.origin}): {listed}; add what each means, "
        f"1 (malignant), 0 (benign) or none: {pasted}"
    )


def became(found: Counter[str], diagnoses: Diagnoses) -> str:
    """What each diagnosis became, in one line: `malignant: mel (75); benign: nv (1), bkl (224)`."""
    groups = []
    for label, title in _NAMES.items():
        names = [name for name, _ in found.most_common() if _label_of(name, diagnoses) == label]
        listed = [f"{shown(name) or 'no diagnosis'} ({found[name]})" for name in names]
        if listed:
            groups.append(f"{title}: {', '.join(listed)}")
    return "; ".join(groups)


def undecided(found: Counter[str], diagnoses: Diagnoses) -> list[str]:
    """The diagnoses that have no label."""
    return [name for name in found if name and _label_of(name, diagnoses) is None]


def _label_of(name: str, diagnoses: Diagnoses) -> int | None:
    return diagnoses.labels.get(word(name))
