"""Joins scores from another program with their truth by image id, in any order.

Both files are read and checked before anything is stored, so a bad file never opens the ledger, and
the ledger is locked only while the rows are inserted.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from base.console.foreign import shown
from base.listed_image import ListedImage
from db.queries.report.imports import ImportedImage, ImportedScores
from report.exchange.csv_rows import CsvError, CsvFile, find_column, open_csv
from report.exchange.packed import PackedRows
from report.exchange.score_index import ScoreIndex, TakenTwiceError

ID_COLUMNS = ("image_id", "image", "image_name", "isic_id", "id", "path", "filepath")
SCORE_COLUMNS = ("score", "melanoma", "mel", "target", "probability")
LABEL_COLUMNS = ("label", "melanoma", "mel", "target")
# 1.0 is what pandas writes for 1 in a column with gaps.
_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "": None}
# The error of an image of the truth without a score: it is counted and never dropped.
NO_SCORE = "no_score"
# Rows between two updates of the count on the terminal.
_TOLD_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the user named; None means to find the column by its usual names."""

    id: str | None = None
    score: str | None = None
    label: str | None = None


class ScoreColumns(NamedTuple):
    """Indices of the cells in a row of the scores' file."""

    id: int
    score: int


class TruthColumns(NamedTuple):
    """Indices of the cells in a row of the truth; `others` are attributes by name."""

    id: int
    label: int
    others: tuple[tuple[str, int], ...]


@dataclass
class Counts:
    """Counts that help a person check an import."""

    images: int = 0
    malignant: int = 0
    benign: int = 0
    unscored: int = 0

    def words(self) -> Iterator[str]:
        """Each count with its name; the last two only if they are not zero."""
        yield f"{self.images} images"
        yield f"{self.malignant} malignant"
        yield f"{self.benign} benign"
        if unlabelled := self.images - self.malignant - self.benign:
            yield f"{unlabelled} without label"
        if self.unscored:
            yield f"{self.unscored} without score"


class Import(NamedTuple):
    """The rows for the ledger: the scores' provenance and every image of the truth."""

    scores: ImportedScores
    counts: Counts
    rows: PackedRows

    def images(self) -> Iterator[ImportedImage]:
        """The images in the order of the truth."""
        nothing = f"{self.scores.card['imported']['file']} holds no score for it"
        for image, label, attributes, score in self.rows:
            listed = ListedImage(image, label, attributes)
            if score is None:
                yield ImportedImage(listed, None, NO_SCORE, nothing)
            else:
                yield ImportedImage(listed, score)


def read_import(
    scores_path: Path, truth_path: Path, named: Columns, on_progress: Callable[[int], None]
) -> Import:
    """Every image of the truth with its label, its other columns as attributes, and its score.

    `on_progress` is called with the number of rows read so far, of both files together.

    Raises:
        CsvError: a column is not found; an id is empty, repeated or not in the truth; a score is
            not a number in [0, 1]; a label is not 0, 1 or empty.
    """
    with open_csv(scores_path) as scores, open_csv(truth_path) as truth:
        score_columns = _score_columns(scores, named)
        truth_columns = _truth_columns(truth, named)
        index = _read_scores(scores, score_columns, on_progress)
        rows, counts = PackedRows(), Counts()
        for row in _joined(truth, truth_columns, index):
            rows.append(row)
            _count(counts, row)
            if counts.images % _TOLD_EVERY == 0:
                on_progress(len(index) + counts.images)
        _require_truth(index, scores, truth_path)
        column = scores.columns[score_columns.score]
        return Import(_provenance(scores, column, truth), counts, rows)


def _score_columns(file: CsvFile, named: Columns) -> ScoreColumns:
    score = find_column(file, named.score, SCORE_COLUMNS, "--score")
    return ScoreColumns(find_column(file, named.id, ID_COLUMNS, "--id"), score)


def _truth_columns(file: CsvFile, named: Columns) -> TruthColumns:
    # The id column of the truth may have another name than that of the scores.
    same = named.id if named.id in file.columns else None
    image = find_column(file, same, ID_COLUMNS, "--id")
    label = find_column(file, named.label, LABEL_COLUMNS, "--label")
    others = ((name, index) for index, name in enumerate(file.columns) if name)
    return TruthColumns(
        image, label, tuple(column for column in others if column[1] not in (image, label))
    )


def _read_scores(
    file: CsvFile, columns: ScoreColumns, on_progress: Callable[[int], None]
) -> ScoreIndex:
    index = ScoreIndex()
    for line, cells in file.rows():
        image, cell = cells[columns.id], cells[columns.score]
        _require_id(image, file, line)
        score = _score(cell)
        if score is None:
            what = f"the {shown(file.columns[columns.score])} {cell!r}"
            raise CsvError(f"{file.where(line)}: {what} is not a number between 0 and 1")
        if not index.add(image, score, line):
            raise _twice(image, file, line)
        if len(index) % _TOLD_EVERY == 0:
            on_progress(len(index))
    if not len(index):
        raise CsvError(f"{file.path}: there are no rows below the header")
    return index


_Joined = tuple[str, int | None, dict[str, str] | None, float | None]


def _joined(file: CsvFile, columns: TruthColumns, index: ScoreIndex) -> Iterator[_Joined]:
    """Id, label, attributes and score of each row of the truth."""
    for line, cells in file.rows():
        image = cells[columns.id]
        _require_id(image, file, line)
        try:
            score = index.take(image)
        except TakenTwiceError:
            raise _twice(image, file, line) from None
        label = _label(cells[columns.label], file, line)
        others = {name: cells[index] for name, index in columns.others}
        yield image, label, others or None, score


def _require_id(image: str, file: CsvFile, line: int) -> None:
    if not image:
        raise CsvError(f"{file.where(line)}: the image id is empty")


def _twice(image: str, file: CsvFile, line: int) -> CsvError:
    return CsvError(f"{file.where(line)}: {shown(image)} is there twice")


def _score(cell: str) -> float | None:
    """The number if it is in [0, 1], else None."""
    try:
        score = float(cell)
    except ValueError:
        return None
    # Python reads 0_5 as 5.
    return score if 0 <= score <= 1 and "_" not in cell else None


def _label(cell: str, file: CsvFile, line: int) -> int | None:
    try:
        return _LABELS[cell]
    except KeyError:
        raise CsvError(
            f"{file.where(line)}: label {cell!r} is neither 0 (benign) nor 1 (malignant) nor empty"
        ) from None


def _count(counts: Counts, row: _Joined) -> None:
    _, label, _, score = row
    counts.images += 1
    counts.malignant += label == 1
    counts.benign += label == 0
    counts.unscored += score is None


def _require_truth(index: ScoreIndex, scores: CsvFile, truth: Path) -> None:
    missing = list(index.untaken())
    if missing:
        first = missing[0]
        more = f", nor {len(missing) - 1} more" if len(missing) > 1 else ""
        where = scores.where(first.line)
        raise CsvError(f"{where}: {shown(first.image)} is not in the truth {truth}{more}")


def _provenance(scores: CsvFile, column: str, truth: CsvFile) -> ImportedScores:
    card = {
        "imported": {
            "file": scores.path.name,
            "sha256": scores.digest,
            "column": column,
            "truth": truth.path.name,
            "truth_sha256": truth.digest,
        }
    }
    digest = _digest(scores.digest, column, truth.digest)
    return ImportedScores(digest, str(scores.path.absolute()), card)


def _digest(content: str, column: str, truth: str) -> str:
    """Identifies the scores; two columns of one file may come from two models.

    The truth is part of the digest: otherwise a second import with another truth would change the
    report of the first run, and a threshold chosen on one would count as prespecified on the other.
    """
    return hashlib.sha256(f"{content} {column} {truth}".encode()).hexdigest()
