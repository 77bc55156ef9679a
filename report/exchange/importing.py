"""Joins scores from another program with their truth by image id, in any order.

Everything is read and checked before anything is stored: the ledger is held for no longer than it
takes to insert the rows, and a bad file never opens it.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from base.console.foreign import shown
from base.listed_image import ListedImage
from db.queries.report.imports import NO_SCORE, ImportedImage, ImportedScores
from imaging.listing.labels import not_a_label
from report.exchange.csv_file import CsvError, CsvFile, find_column
from report.exchange.matching_ids import as_in_truth
from report.exchange.separators import decimal_comma
from report.exchange.truth_labels import TruthLabels, find_labels

ID_COLUMNS = ("image_id", "image", "image_name", "isic_id", "id", "path", "filepath")
SCORE_COLUMNS = ("score", "melanoma", "mel", "target", "probability")
# Rows of the frame that are Python objects at a time.
_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that the user named; None means to find the column by its usual names.

    `labels` are a column, and meanings such as `mel=1`. `model` is the name of the model that the
    scores are of.
    """

    id: str | None = None
    score: str | None = None
    labels: tuple[str, ...] = ()
    model: str | None = None


class Counts(NamedTuple):
    """Counts that help a person check an import."""

    images: int
    malignant: int
    benign: int
    unscored: int
    renamed: int = 0

    def words(self) -> Iterator[str]:
        """Each count with its name; the last three only if they are not zero."""
        yield f"{self.images} images"
        yield f"{self.malignant} malignant"
        yield f"{self.benign} benign"
        if unlabelled := self.images - self.malignant - self.benign:
            yield f"{unlabelled} without label"
        if self.unscored:
            yield f"{self.unscored} without score"
        if self.renamed:
            yield f"{self.renamed} ids matched without folder and file ending"


class Import(NamedTuple):
    """What goes into the ledger: the scores' provenance and every image of the truth.

    `rows` has the columns `id`, `label` and `score` (NaN for none), and one for each of the
    `attributes`, of which these are the names. `became` says what each diagnosis means, if the
    truth has diagnoses.
    """

    scores: ImportedScores
    counts: Counts
    rows: pd.DataFrame
    attributes: dict[int, str]
    became: str

    def images(self) -> Iterator[ImportedImage]:
        """The images in the order of the truth."""
        nothing = f"{self.scores.card['imported']['file']} holds no score for it"
        for start in range(0, len(self.rows), _BLOCK):
            block = self.rows.iloc[start : start + _BLOCK]
            # As objects first: out of Arrow, strings come one by one.
            columns = (
                block[name].astype(object).tolist()
                for name in ("id", "label", "score", *self.attributes)
            )
            for image, label, score, *others in zip(*columns, strict=True):
                attributes = dict(zip(self.attributes.values(), others, strict=True))
                known = None if math.isnan(label) else int(label)
                listed = ListedImage(image, known, attributes or None)
                if math.isnan(score):
                    yield ImportedImage(listed, None, NO_SCORE, nothing)
                else:
                    yield ImportedImage(listed, score)


def read_import(
    scores_path: Path, truth_path: Path, named: Columns, told: Callable[[int], None]
) -> Import:
    """Every image of the truth with its label, its other columns as attributes, and its score.

    Attributes are also the columns that only the file of scores has, if they are no fractions.

    `told` is called with the number of rows read so far, of both files together.

    Raises:
        CsvError: a column is not to be found; an id is empty, doubled or without truth; a score is
            no number in [0, 1]; a label has no meaning.
    """
    scores, truth = CsvFile(scores_path), CsvFile(truth_path)
    score_column = find_column(scores, named.score, SCORE_COLUMNS, "--score")
    score_id = find_column(scores, named.id, ID_COLUMNS, "--id")
    # The truth may call its ids otherwise than the file of the scores.
    same = named.id if named.id in truth.columns else None
    truth_id = find_column(truth, same, ID_COLUMNS, "--id")
    labels = find_labels(truth, named.labels)
    given = _read_scores(scores, score_id, score_column, truth.columns)
    told(len(given))
    listed, became = _read_truth(truth, truth_id, labels)
    told(len(given) + len(listed))
    given, renamed = as_in_truth(scores, given, listed["id"])
    rows = listed.merge(given, on="id", how="left", validate="one_to_one")
    _require_truth(scores, given[~given["line"].isin(rows["line"])], truth_path)
    provenance = _provenance(scores, scores.columns[score_column], truth, named)
    attributes = {at: name for at, name in enumerate(truth.columns) if at in listed}
    others = {-1 - at: name for at, name in enumerate(scores.columns) if -1 - at in given}
    rows, attributes = rows.fillna(dict.fromkeys(others, "")), attributes | others
    return Import(provenance, _counts(rows, renamed), rows, attributes, became)


class _Check(NamedTuple):
    """Cells of one column, which of them are bad, and the words for such a cell."""

    cells: pd.Series
    bad: pd.Series
    words: Callable[[str], str]


def _read_scores(file: CsvFile, image: int, score: int, in_truth: Sequence[str]) -> pd.DataFrame:
    """The columns `id`, `score` and `line`, and others, such as lesions, that the truth has not.

    These are called -1 less their places in the header.
    """
    cells, fault = file.cells()
    ids, texts = cells[image], cells[score]
    scores = texts.map(_score).astype(float)
    what = f"the {shown(file.columns[score])}"
    wrong = _Check(
        texts,
        scores.isna(),
        lambda cell: f"{what} {cell!r} is not a number between 0 and 1{decimal_comma(cell)}",
    )
    _refuse_first(file, (_empty(ids), wrong, _twice(ids)), fault)
    if cells.empty:
        raise CsvError(f"{file.path}: there are no rows below the header")
    found = pd.DataFrame({"id": ids, "score": scores, "line": cells.index})
    known = {"", *(name.lower() for name in in_truth)}
    for at, name in enumerate(file.columns):
        if at not in (image, score) and name.lower() not in known and not _fractions(cells[at]):
            found[-1 - at] = cells[at]
    return found


def _fractions(cells: pd.Series) -> bool:
    """Whether all cells are numbers, and some have decimals, as scores of other classes do."""
    numbers = pd.to_numeric(cells[cells != ""], errors="coerce")
    return bool(numbers.notna().all() and (numbers % 1 != 0).any())


def _read_truth(file: CsvFile, image: int, labels: TruthLabels) -> tuple[pd.DataFrame, str]:
    """The columns `id` and `label`, and every other that has a name by its place in the header.

    And what its diagnoses became, in words. A column of labels is among the others if it says more
    than a label, such as a diagnosis.
    """
    cells, fault = file.cells()
    ids, texts = cells[image], labels.texts(cells)
    meanings = labels.meanings(texts)
    bad = [text for text, label in meanings.items() if label is None]
    wrong = _Check(texts, texts.isin(bad), not_a_label)
    _refuse_first(file, (_empty(ids), _twice(ids), wrong), fault)
    told = labels.in_words(str(file.path), texts)
    unnamed = [at for at, name in enumerate(file.columns) if not name]
    plain = [] if labels.are_diagnoses(meanings) else labels.columns
    others = cells.drop(columns=[*unnamed, image, *plain])
    return others.assign(id=ids, label=texts.map(meanings).astype(float)), told


def _empty(ids: pd.Series) -> _Check:
    return _Check(ids, ids == "", lambda _: "the image id is empty")


def _twice(ids: pd.Series) -> _Check:
    return _Check(ids, ids.duplicated(), lambda image: f"{shown(image)} is there twice")


def _refuse_first(file: CsvFile, checks: Sequence[_Check], fault: CsvError | None) -> None:
    """Refuse the first bad row, for the first of the checks that it fails; then the `fault`."""
    rows = np.logical_or.reduce([check.bad for check in checks]).nonzero()[0]
    if rows.size:
        at = rows[0]
        check = next(check for check in checks if check.bad.iloc[at])
        where = file.where(check.cells.index[at])
        raise CsvError(f"{where}: {check.words(check.cells.iloc[at])}")
    if fault is not None:
        raise fault


def _score(cell: str) -> float:
    """The number in [0, 1], NaN if it is no such number."""
    try:
        score = float(cell)
    except ValueError:
        return math.nan
    # Python reads 0_5 as 5.
    return score if 0 <= score <= 1 and "_" not in cell else math.nan


def _require_truth(file: CsvFile, missing: pd.DataFrame, truth: Path) -> None:
    if len(missing):
        image, line = missing["id"].iloc[0], missing["line"].iloc[0]
        more = f", nor {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CsvError(f"{file.where(line)}: {shown(image)} is not in the truth {truth}{more}")


def _counts(rows: pd.DataFrame, renamed: int) -> Counts:
    labels = rows["label"]
    malignant, benign = int((labels == 1).sum()), int((labels == 0).sum())
    return Counts(len(rows), malignant, benign, int(rows["score"].isna().sum()), renamed)


def _provenance(scores: CsvFile, column: str, truth: CsvFile, named: Columns) -> ImportedScores:
    card = {
        "imported": {
            "file": scores.path.name,
            "sha256": scores.digest,
            "column": column,
            "truth": truth.path.name,
            "truth_sha256": truth.digest,
            **({} if named.model is None else {"model": named.model}),
        }
    }
    # As they were typed, since another meaning is another truth. An import under another name of
    # the model is another one, too, or it would rename the earlier one.
    meanings = [said for said in named.labels if "=" in said]
    model = [] if named.model is None else [f"model {named.model}"]
    digest = _digest(scores.digest, column, " ".join([truth.digest, *meanings, *model]))
    return ImportedScores(digest, str(scores.path.absolute()), card)


def _digest(content: str, column: str, truth: str) -> str:
    """What the scores are known by: two columns of one file may be two models.

    With another truth they are others too, or the later import would give its truth to the earlier
    run's report, and a threshold chosen on the one would pass for prespecified on the other.
    """
    return hashlib.sha256(f"{content} {column} {truth}".encode()).hexdigest()
