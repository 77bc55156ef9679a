"""What the class folders and the cells of a label column mean: 1 malignant, 0 benign."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

import click

BENIGN, MALIGNANT = 0, 1
LABELS: Mapping[str, int] = {
    "benign": BENIGN,
    "nevus": BENIGN,
    "seborrheic_keratosis": BENIGN,
    "malignant": MALIGNANT,
    "melanoma": MALIGNANT,
}
# Cells of a label column. 1.0 is what pandas writes for 1 in a column with gaps.
CELLS: Mapping[str, int | None] = {
    "0": BENIGN,
    "1": MALIGNANT,
    "0.0": BENIGN,
    "1.0": MALIGNANT,
    "": None,
}
# What is typed after `=`: of a folder, a value or a column.
MEANINGS: Mapping[str, int | None] = {"0": BENIGN, "1": MALIGNANT, "none": None}


_GAPS = re.compile(r"(?<=[^\s_-])[\s_-]+(?=[^\s_-])")


@lru_cache(maxsize=10_000)  # a column of diagnoses has few different ones
def word(name: str) -> str:
    """A value or a class folder as they are compared: in any case, with blanks, `-`, `_` alike."""
    return _GAPS.sub(" ", unicodedata.normalize("NFC", name).strip()).casefold()


# By the word of each.
KNOWN = {word(name): label for name, label in LABELS.items()}


def not_a_label(cell: str) -> str:
    """What is wrong with a cell that is none of `CELLS`."""
    return f"label {cell!r} is neither 0 (benign) nor 1 (malignant) nor empty"


class GivenLabels(dict[str, int | None]):
    """What names mean: the known ones, and those `given` by --label, which go before them."""

    def __init__(self, given: Mapping[str, int | None]) -> None:
        super().__init__({**LABELS, **given})
        self.given = given


class LabelOption(click.ParamType[tuple[str, int | None]]):
    """`--label NAME=0|1|none`: the meaning of one more class folder, or value of a label column."""

    name = "NAME=0|1|none"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int | None]:
        """`("dysplastic", 1)` of `dysplastic=1`."""
        name, _, typed = value.rpartition("=")
        if not name or typed.lower() not in MEANINGS:
            self.fail(
                f"{value!r} is not NAME=0 (benign) or NAME=1 (malignant) or NAME=none", param, ctx
            )
        label = MEANINGS[typed.lower()]
        known = KNOWN.get(word(name))
        if None not in (known, label) and known != label:  # a mistake here would swap the classes
            self.fail(f"{name} is known as {known}; rename the folder if it means {label}")
        return name, label


label_option = click.option(
    "--label",
    "labels",
    type=LabelOption(),
    multiple=True,
    # Together with the known ones, so the command gets the meaning of each folder.
    callback=lambda _context, _option, more: GivenLabels(dict(more)),
    help="What a class folder, or a value of a label column, means, besides benign, nevus, "
    "seborrheic_keratosis (0), malignant and melanoma (1).",
)
