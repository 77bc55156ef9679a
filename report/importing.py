"""Scores that came from elsewhere, joined with their truth by image id. Pure but for `read_csv`."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from db.imports import ImportedImage, ImportedScores
from db.listing import ListedImage
from model.manifest import shown
from report.csv_rows import CsvError, CsvFile, find_column, read_csv

ID_COLUMNS = ("image_id", "image", "image_name", "isic_id", "id", "path", "filepath")
SCORE_COLUMNS = ("score", "melanoma", "mel", "target", "probability")
LABEL_COLUMNS = ("label", "melanoma", "mel", "target")
# 1.0 is what pandas writes for 1 in a column with gaps.
_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "": None}
# An image of the truth that the file gives no score for: counted, and never dropped.
NO_SCORE = "no_score"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that were named; None is to be found by its usual names."""

    id: str | None = None
    score: str | None = None
    label: str | None = None


class Scored(NamedTuple):
    """A score and where it stands, `file:line`."""

    score: float
    where: str


class Import(NamedTuple):
    """What goes into the ledger: the scores' provenance and every image of the truth."""

    scores: ImportedScores
    images: list[ImportedImage]


def read_import(scores_path: Path, truth_path: Path, named: Columns) -> Import:
    """Every image of the truth with its label, its other columns as attributes, and its score.

    Raises:
        CsvError: a column is not to be found; an id is empty, doubled or without truth; a score is
            no number in [0, 1]; a label is neither 0 nor 1 nor empty.
    """
    scores_file, truth_file = read_csv(scores_path), read_csv(truth_path)
    score_column = find_column(scores_file, named.score, SCORE_COLUMNS, "--score")
    id_column = find_column(scores_file, named.id, ID_COLUMNS, "--id")
    scores = _scores(scores_file, id_column, score_column)
    # The truth may call its ids otherwise than the file of the scores.
    same = named.id if named.id in truth_file.columns else None
    truth = _truth(truth_file, find_column(truth_file, same, ID_COLUMNS, "--id"), named.label)
    _require_truth(scores, truth, truth_path)
    images = [_image(listed, scores.get(listed.path), scores_path) for listed in truth.values()]
    return Import(_provenance(scores_file, score_column, truth_file), images)


def _scores(file: CsvFile, id_column: str, score_column: str) -> dict[str, Scored]:
    found: dict[str, Scored] = {}
    for where, cells in file.rows:
        image = _id(cells[id_column], where, found)
        found[image] = Scored(_score(cells[score_column], where, score_column), where)
    if not found:
        raise CsvError(f"{file.path}: there are no rows below the header")
    return found


def _truth(file: CsvFile, id_column: str, asked: str | None) -> dict[str, ListedImage]:
    label_column = find_column(file, asked, LABEL_COLUMNS, "--label")
    found: dict[str, ListedImage] = {}
    for where, cells in file.rows:
        image = _id(cells[id_column], where, found)
        label = _label(cells[label_column], where)
        others = {k: cell for k, cell in cells.items() if k not in (id_column, label_column)}
        found[image] = ListedImage(image, label, others or None)
    return found


def _id(cell: str, where: str, found: dict[str, Scored] | dict[str, ListedImage]) -> str:
    if not cell:
        raise CsvError(f"{where}: the image id is empty")
    if cell in found:
        raise CsvError(f"{where}: {shown(cell)} is there twice")
    return cell


def _score(cell: str, where: str, column: str) -> float:
    try:
        score = float(cell) if "_" not in cell else None  # Python reads 0_5 as 5
    except ValueError:
        score = None
    if score is None or not 0 <= score <= 1:
        raise CsvError(f"{where}: the {shown(column)} {cell!r} is not a number between 0 and 1")
    return score


def _label(cell: str, where: str) -> int | None:
    try:
        return _LABELS[cell]
    except KeyError:
        raise CsvError(
            f"{where}: label {cell!r} is neither 0 (benign) nor 1 (malignant) nor empty"
        ) from None


def _require_truth(scores: dict[str, Scored], truth: dict[str, ListedImage], path: Path) -> None:
    missing = [image for image in scores if image not in truth]
    if missing:
        first = missing[0]
        more = f", nor {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CsvError(f"{scores[first].where}: {shown(first)} is not in the truth {path}{more}")


def _image(listed: ListedImage, scored: Scored | None, path: Path) -> ImportedImage:
    if scored is not None:
        return ImportedImage(listed, scored.score)
    return ImportedImage(listed, None, NO_SCORE, f"{path.name} holds no score for it")


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
    """What the scores are known by: two columns of one file may be two models.

    With another truth they are others too, or the later import would give its truth to the earlier
    run's report, and a threshold chosen on the one would pass for prespecified on the other.
    """
    return hashlib.sha256(f"{content} {column} {truth}".encode()).hexdigest()


def counts(images: list[ImportedImage]) -> Iterator[str]:
    """The numbers that a person checks an import by."""
    labels = [image.listed.label for image in images]
    yield f"{len(images)} images"
    yield f"{labels.count(1)} malignant"
    yield f"{labels.count(0)} benign"
    if None in labels:
        yield f"{labels.count(None)} without label"
    unscored = sum(image.score is None for image in images)
    if unscored:
        yield f"{unscored} without score"
