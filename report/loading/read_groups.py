"""Groups the analysed images of a run by attributes from their manifest."""

from collections.abc import Collection, Sequence

import numpy as np
from sqlalchemy.orm import Session

from base.arrays import BoolArray
from db.queries.report.columns import SCORED, Columns, described
from db.queries.report.columns import Coded as Attribute
from report.grouping.by_option import NoSuchColumnError, arranged, columns_of, missing
from report.grouping.coded import Coded
from report.metrics.subgroups import Groups


def read_groups(listed: Columns, analysed: BoolArray, by: Sequence[str]) -> tuple[Groups, ...]:
    """The groups of each `--by`, of the `analysed` ones of the images.

    Raises:
        NoSuchColumnError: a column cannot be cut so, or there are too many values.
    """
    if not by:
        return ()
    arrays = listed.labels[analysed], listed.scores[analysed]
    found, empty = _found(listed, analysed, by)
    asked = ((said, arranged(said, found | empty)) for said in by)
    return tuple(Groups(said, its.values, its.codes, *arrays, its.in_order) for said, its in asked)


def require_columns(
    session: Session,
    run_id: int,
    listed: Columns,
    by: Sequence[str],
    others: Sequence[tuple[str, str]],
    left_out: Collection[int] = (),
) -> None:
    """Refuse columns that no analysed image has; `others` are options and what they name.

    Raises:
        NoSuchColumnError: it names the columns that there are.
    """
    analysed = analysed_of(listed)
    _, empty = _found(listed, analysed, by)
    valueless = [("--by", column) for column in empty]
    valueless += [
        (option, column)
        for option, column in others
        if not _has_values(of_rows(of_column(listed, column), analysed))
    ]
    if not valueless:
        return
    columns = {name for image in described(session, run_id, left_out) for name in image.attributes}
    there = f"there are {', '.join(sorted(columns))}" if columns else "it has none at all"
    for option, column in valueless:
        if column not in columns:
            raise NoSuchColumnError(
                f"{option} {column}: no analysed image of run {run_id} has this column of a "
                f"manifest; {there}"
            )


def analysed_of(listed: Columns) -> BoolArray:
    """Which images are both scored and labelled, `[listed]`."""
    analysed: BoolArray = (listed.outcomes == SCORED) & (listed.labels >= 0)
    return analysed


def of_column(listed: Columns, column: str) -> Attribute:
    """The attribute of this name, which must have been read."""
    return next(each for each in listed.attributes if each.column == column)


def of_rows(coded: Attribute, rows: BoolArray) -> Attribute:
    """The attribute of some of the images, `[rows]`, with only their values."""
    present, codes = np.unique(coded.codes[rows], return_inverse=True)
    return Attribute(coded.column, codes, tuple(coded.values[code] for code in present.tolist()))


def _found(
    listed: Columns, analysed: BoolArray, by: Sequence[str]
) -> tuple[dict[str, Coded], dict[str, Coded]]:
    """The columns in which an analysed image has a value, and those asked for in which none has.

    Whether `sex,age` is one column or two that are crossed depends on the former.
    """
    read = {name: of_rows(of_column(listed, name), analysed) for name in columns_of(by)}
    coded = {name: Coded(its.values, its.codes) for name, its in read.items()}
    found = {name: its for name, its in coded.items() if _has_values(read[name])}
    return found, {name: coded[name] for name in missing(by, found)}


def _has_values(coded: Attribute) -> bool:
    return any(value is not None for value in coded.values)
