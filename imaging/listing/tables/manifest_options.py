"""What is said on the command line about a manifest: its columns, and where its images are."""

from collections.abc import Sequence
from dataclasses import dataclass

import click

from base.console.click_options import all_of
from imaging.listing.labels import MEANINGS


@dataclass(frozen=True, slots=True)
class ManifestOptions:
    """What was said; nothing of it is needed for columns `filepath` or `path`, and `label`.

    Attributes:
        images: the folders in which ids are looked up.
        path_column: the column of ids or paths.
        label_columns: the column of diagnoses, with None; or for each of several columns of 0 and
            1 what its 1 means: `0`, `1` or `none`.
        labelled_only: leave out rows whose diagnosis has no label, instead of listing them.
    """

    images: tuple[str, ...] = ()
    path_column: str | None = None
    label_columns: tuple[tuple[str, str | None], ...] = ()
    labelled_only: bool = False

    def given(self) -> str | None:
        """One of the options that were given, for a message."""
        options = {
            "--images": self.images,
            "--path-column": self.path_column,
            "--label-column": self.label_columns,
        }
        return next((name for name, value in options.items() if value), None)


PLAIN = ManifestOptions()


def _label_columns(
    _context: click.Context, _option: click.Parameter, typed: Sequence[str]
) -> tuple[tuple[str, str | None], ...]:
    """`(("dx", None),)` of `dx`, `(("MEL", "1"), ("NV", "0"))` of `MEL=1` and `NV=0`."""
    columns = tuple(map(_label_column, typed))
    if len(columns) > 1 and any(meaning is None for _, meaning in columns):
        raise click.BadParameter("give one column of values, or several as COLUMN=0|1|none")
    return columns


def _label_column(typed: str) -> tuple[str, str | None]:
    name, _, meaning = typed.rpartition("=")
    return (name, meaning.lower()) if name and meaning.lower() in MEANINGS else (typed, None)


manifest_options = all_of(
    click.option(
        "--images",
        multiple=True,
        metavar="DIR",
        help="Look up the ids of a manifest in this folder; may be given several times.",
    ),
    click.option("--path-column", metavar="COLUMN", help="The manifest's column of paths or ids."),
    click.option(
        "--label-column",
        "label_columns",
        multiple=True,
        metavar="COLUMN[=0|1|none]",
        callback=_label_columns,
        help="The manifest's column of labels or diagnoses (see --label); or, several times, "
        "COLUMN=0|1|none: what a 1 in that column means.",
    ),
)
