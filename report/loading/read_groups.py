"""Groups the analysed images of a run by attributes from their manifest."""

from collections.abc import Collection, Sequence

import click
import numpy as np
from sqlalchemy.orm import Session

from base.arrays import BoolArray
from db.queries.report.columns import Coded, Columns, described
from report.metrics.subgroups import Groups

# A column with more different values holds numbers or names, not subgroups.
MOST_VALUES = 50


class NoSuchColumnError(click.ClickException):
    """The images cannot be grouped by this column."""


def read_groups(listed: Columns, analysed: BoolArray, by: Sequence[str]) -> tuple[Groups, ...]:
    """The groups of each attribute in `by`, of the `analysed` ones of the images.

    Raises:
        NoSuchColumnError: an attribute has too many values.
    """
    if not by:
        return ()
    labels, scores = listed.labels[analysed], listed.scores[analysed]
    found = [_of_analysed(listed, analysed, column) for column in by]
    _require_few_values(found)
    return tuple(Groups(each.column, each.values, each.codes, labels, scores) for each in found)


def require_column(
    session: Session,
    run_id: int,
    option: str,
    coded: Coded,
    left_out: Collection[int] = (),
) -> None:
    """Refuse a column that no analysed image has, given those of `option`.

    Raises:
        NoSuchColumnError: it names the columns that there are.
    """
    if coded.values and coded.values != (None,):
        return
    columns = {name for image in described(session, run_id, left_out) for name in image.attributes}
    if coded.column not in columns:
        there = f"there are {', '.join(sorted(columns))}" if columns else "it has none at all"
        raise NoSuchColumnError(
            f"{option} {coded.column}: no analysed image of run {run_id} has this column of a "
            f"manifest; {there}"
        )


def of_column(listed: Columns, column: str) -> Coded:
    """The attribute of this name, which must have been read."""
    return next(each for each in listed.attributes if each.column == column)


def of_rows(coded: Coded, rows: BoolArray) -> Coded:
    """The attribute of some of the images, `[rows]`, with only their values."""
    present, codes = np.unique(coded.codes[rows], return_inverse=True)
    return Coded(coded.column, codes, tuple(coded.values[code] for code in present.tolist()))


def _of_analysed(listed: Columns, analysed: BoolArray, column: str) -> Coded:
    return of_rows(of_column(listed, column), analysed)


def _require_few_values(found: Sequence[Coded]) -> None:
    for column, _, values in found:
        if len(values) > MOST_VALUES:
            raise NoSuchColumnError(
                f"--by {column}: {len(values)} different values are no subgroups (at most "
                f"{MOST_VALUES}); give the manifest a column of fewer, such as decades of age"
            )
