"""Groups the analysed images of a run by attributes from their manifest."""

from array import array
from collections.abc import Collection, Mapping, Sequence

import click
import numpy as np
from sqlalchemy.orm import Session

from db.queries.report.columns import described
from report.metrics.subgroups import Groups

# A column with more different values holds numbers or names, not subgroups.
MOST_VALUES = 50


class NoSuchColumnError(click.ClickException):
    """The images cannot be grouped by this column."""


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
    labels, scores = array("b"), array("d")
    codes = [array("l") for _ in by]
    known: list[dict[str | None, int]] = [{} for _ in by]
    columns: set[str] = set()
    for image in described(session, run_id, left_out):
        labels.append(image.label)
        scores.append(image.score)
        columns.update(image.attributes)
        for column, its_codes, values in zip(by, codes, known, strict=True):
            value = image.attributes.get(column) or None  # an empty cell is a missing value
            its_codes.append(values.setdefault(value, len(values)))
    _require_columns(run_id, by, columns)
    _require_few_values(by, known)
    return tuple(
        Groups(column, tuple(values), np.array(its_codes), np.array(labels), np.array(scores))
        for column, its_codes, values in zip(by, codes, known, strict=True)
    )


def _require_columns(run_id: int, by: Sequence[str], columns: set[str]) -> None:
    for column in by:
        if column not in columns:
            there = f"there are {', '.join(sorted(columns))}" if columns else "it has none at all"
            raise NoSuchColumnError(
                f"--by {column}: no analysed image of run {run_id} has this column of a manifest; "
                f"{there}"
            )


def _require_few_values(by: Sequence[str], known: Sequence[Mapping[str | None, int]]) -> None:
    for column, values in zip(by, known, strict=True):
        if len(values) > MOST_VALUES:
            raise NoSuchColumnError(
                f"--by {column}: {len(values)} different values are no subgroups (at most "
                f"{MOST_VALUES}); give the manifest a column of fewer, such as decades of age"
            )
