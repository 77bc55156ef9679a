"""Reads the true class of each image from its manifest, and the probabilities of all classes."""

from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from base.arrays import Float32Array, Int64Array
from base.console.foreign import shown
from db.queries.report.classes import scored_attributes
from imaging.listing.labels import word
from imaging.listing.tables.diagnoses import (
    DiagnosisError,
    FindDiagnosis,
    in_flags,
    in_words,
    tally,
)
from report.classes import ClassesError, probabilities_of

# Told to `read_classes` in place of a column, so that it looks for one itself.
ANY_COLUMN = ""


class ClassRows(NamedTuple):
    """Scored images with a true class, `truth` `[n]` and `probabilities` `[n, classes]`.

    `origin` says which columns the truth is from. Left out are images whose diagnosis is none of
    the `classes`, counted in `others` by their diagnosis, which is empty where there is none; and
    `unstored`, which have no probabilities.
    """

    classes: tuple[str, ...]
    origin: str
    truth: Int64Array
    probabilities: Float32Array
    others: Counter[str]
    unstored: int


class _Truth(NamedTuple):
    """Which columns hold the diagnosis, and how it is found in their cells."""

    columns: tuple[str, ...]
    find: FindDiagnosis

    @property
    def origin(self) -> str:
        """The columns, for a reader."""
        return f"column{'s' * (len(self.columns) > 1)} {', '.join(map(shown, self.columns))}"

    def of(self, attributes: Mapping[str, str]) -> str:
        """The diagnosis of an image; empty for none."""
        return self.find([attributes.get(column, "") for column in self.columns])


def read_classes(
    session: Session,
    run_id: int,
    classes: tuple[str, ...],
    column: str,
    left_out: Collection[int] = (),
) -> ClassRows:
    """The images of a run by their true class.

    Args:
        session: a session of the ledger.
        run_id: the run.
        classes: of its checkpoint.
        column: of the manifest, or `ANY_COLUMN`.
        left_out: the ids of images that are not analysed.

    Raises:
        ClassesError: the checkpoint has no classes, or no column names them, or several do.
    """
    labels = {word(name): at for at, name in enumerate(classes)}
    if len(labels) < 2 or len(labels) < len(classes):
        raise ClassesError(
            f"--classes: the checkpoint of run {run_id} "
            + ("has two classes of one name" if labels else "gives one score and has no classes")
        )
    named = _Truth((column,), in_words([0], labels)) if column else None
    truth = named or _find_truth(session, run_id, classes, labels)
    indices, numbers, others, unstored = array("q"), array("f"), list[str](), 0
    for image in scored_attributes(session, run_id, left_out):
        diagnosis = _diagnosis(truth, image.attributes)
        at = labels.get(word(diagnosis))
        if at is None:
            others.append(diagnosis)
        elif image.probabilities is None:
            unstored += 1
        else:
            indices.append(at)
            numbers.extend(probabilities_of(image.probabilities, classes))
    if not indices:
        if column:
            _require_column(session, run_id, column)
        raise _no_image(run_id, classes, truth, tally(others), unstored)
    rows = np.array(numbers, np.float32).reshape(len(indices), len(classes))
    return ClassRows(classes, truth.origin, np.array(indices), rows, tally(others), unstored)


def _diagnosis(truth: _Truth, attributes: Mapping[str, str]) -> str:
    try:
        return truth.of(attributes)
    except DiagnosisError as error:
        raise ClassesError(f"--classes: {error}") from None


def _require_column(session: Session, run_id: int, column: str) -> None:
    columns = {name for image in scored_attributes(session, run_id) for name in image.attributes}
    if column not in columns:
        raise ClassesError(f"--classes {column}: {_no_column(run_id, columns)}")


def _find_truth(
    session: Session, run_id: int, classes: Sequence[str], wanted: Mapping[str, int]
) -> _Truth:
    """The only column with a class in it, or a column for each class."""
    columns: set[str] = set()
    naming: set[str] = set()
    for image in scored_attributes(session, run_id):
        columns.update(image.attributes)
        naming.update(name for name, cell in image.attributes.items() if word(cell) in wanted)
    found = [_Truth((name,), in_words([0], wanted)) for name in sorted(naming)]
    flags = {wanted[word(name)]: name for name in sorted(columns) if word(name) in wanted}
    if len(flags) == len(classes):
        names = [flags[at] for at in range(len(classes))]
        found.append(_Truth(tuple(names), in_flags(dict(enumerate(names)), wanted)))
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(truth.origin for truth in found)
        raise ClassesError(f"--classes: the truth could be {several}: name it, --classes COLUMN")
    listed = ", ".join(map(shown, classes))
    raise ClassesError(f"--classes: nothing names {listed}: {_no_column(run_id, columns)}")


def _no_column(run_id: int, columns: Collection[str]) -> str:
    there = f"there are {', '.join(map(shown, sorted(columns)))}" if columns else "it has none"
    return f"no such column of a manifest is kept of the scored images of run {run_id}; {there}"


def _no_image(
    run_id: int, classes: Sequence[str], truth: _Truth, others: Counter[str], unstored: int
) -> ClassesError:
    if unstored:
        return ClassesError(
            f"--classes: no probabilities are stored for run {run_id}: an older release scored it"
        )
    few = ", ".join(shown(name) for name, _ in others.most_common(6) if name) or "nothing"
    return ClassesError(
        f"--classes: {truth.origin} holds {few}, and none of the classes of run {run_id}: "
        f"{', '.join(map(shown, classes))}"
    )
