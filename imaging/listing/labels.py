"""What the class folders and the cells of a label column mean: 1 malignant, 0 benign."""

from collections.abc import Mapping

import click

from imaging.listing.class_folders import class_name

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


def not_a_label(cell: str) -> str:
    """What is wrong with a cell that is none of `CELLS`."""
    return f"label {cell!r} is neither 0 (benign) nor 1 (malignant) nor empty"


class LabelOption(click.ParamType[tuple[str, int]]):
    """`--label NAME=0|1`: the meaning of one more class folder."""

    name = "NAME=0|1"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        """`("dysplastic", 1)` of `dysplastic=1`."""
        name, _, label = value.rpartition("=")
        if not name or label not in ("0", "1"):
            self.fail(f"{value!r} is not NAME=0 (benign) or NAME=1 (malignant)", param, ctx)
        known = LABELS.get(class_name(name), int(label))
        if known != int(label):  # a mistake here would swap the classes
            self.fail(f"{name} is known as {known}; rename the folder if it means {label}")
        return name, int(label)


label_option = click.option(
    "--label",
    "labels",
    type=LabelOption(),
    multiple=True,
    # Together with the known ones, so the command gets the meaning of each folder.
    callback=lambda _context, _option, more: {**LABELS, **dict(more)},
    help="What a class folder means, besides benign, nevus, seborrheic_keratosis (0), malignant "
    "and melanoma (1).",
)
