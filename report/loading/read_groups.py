"""Groups the analysed images of a run by attributes from their manifest."""

from array import array
from collections.abc import Collection, Container, Sequence

import numpy as np
from sqlalchemy.orm import Session

from db.queries.report.columns import described
from report.grouping.by_option import NoSuchColumnError, arranged, columns_of, missing
from report.grouping.coded import Coded
from report.metrics.subgroups import Groups


def read_groups(
    session: Session, run_id: int, by: Sequence[str], left_out: Collection[int] = ()
) -> tuple[Groups, ...]:
    """The groups of each attribute in `by`; nothing is read if it is empty.

    `left_out` are the ids of images that are not analysed.

    Raises:
        NoSuchColumnError: no analysed image has the attribute, or it has too many values.
    """
    if not by:
        return ()
    names = columns_of(by)
    labels, scores = array("b"), array("d")
    codes = [array("l") for _ in names]
    known: list[dict[str | None, int]] = [{} for _ in names]
    columns: set[str] = set()
    for image in described(session, run_id, left_out):
        labels.append(image.label)
        scores.append(image.score)
        columns.update(image.attributes)
        for column, its_codes, values in zip(names, codes, known, strict=True):
            value = image.attributes.get(column) or None  # an empty cell is a missing value
            its_codes.append(values.setdefault(value, len(values)))
    found = {
        column: Coded(tuple(values), np.array(its_codes))
        for column, its_codes, values in zip(names, codes, known, strict=True)
        if column in columns
    }
    _require_columns(run_id, by, found, columns)
    arrays = np.array(labels), np.array(scores)
    asked = ((said, arranged(said, found)) for said in by)
    return tuple(Groups(said, its.values, its.codes, *arrays, its.in_order) for said, its in asked)


def _require_columns(
    run_id: int, by: Sequence[str], found: Container[str], columns: set[str]
) -> None:
    absent = next((column for column in missing(by, found)), None)
    if absent is not None:
        there = f"there are {', '.join(sorted(columns))}" if columns else "it has none at all"
        raise NoSuchColumnError(
            f"--by {absent}: no analysed image of run {run_id} has this column of a manifest; "
            f"{there}"
        )
