"""Labels in the truth of an import: 0 and 1, words, or diagnoses with a meaning."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from base.console.foreign import shown
from imaging.listing.labels import MEANINGS, word
from imaging.listing.tables.datasets import known_data_set
from imaging.listing.tables.diagnoses import (
    WORDS,
    Diagnoses,
    Labels,
    became,
    in_words,
    without_meaning,
)
from report.exchange.csv_file import CsvError, CsvFile, find_column

LABEL_COLUMNS = ("label", "melanoma", "mel", "target")
# Looked for where none of those is there.
_OTHER_COLUMNS = ("benign_malignant", "malignant")
_WORDS: Labels = {**WORDS, "true": 1, "false": 0}
_NUMBER = re.compile(r"[+-]?[0-9]*\.?[0-9]+")


class TruthLabels(NamedTuple):
    """The columns that hold the labels of a truth, and what each `word` in them means."""

    columns: list[int]
    labels: Labels
    title: str

    def texts(self, cells: pd.DataFrame) -> pd.Series:
        """The text that decides each row: the first that has a meaning, else the first of all."""
        if len(self.columns) == 1:
            return cells[self.columns[0]]
        texts = cells[self.columns].replace("", None)
        known = texts.where(texts.map(self._is_known))
        first = texts.bfill(axis=1).iloc[:, 0]
        return known.bfill(axis=1).iloc[:, 0].fillna(first).fillna("")

    def meanings(self, texts: pd.Series) -> dict[str, float | None]:
        """What each of these texts means; NaN for no label, None for a number that is none."""
        return {text: self._meaning(text) for text in texts.unique()}

    def are_diagnoses(self, texts: Iterable[str]) -> bool:
        """Whether any of these texts is a word of its own, and not only a label."""
        return any(word(text) not in _WORDS and not _NUMBER.fullmatch(text) for text in texts)

    def in_words(self, path: str, texts: pd.Series) -> str:
        """What each diagnosis became, in one line; empty for plain labels.

        Raises:
            CsvError: some have no meaning; the message has all of them and the line to paste.
        """
        counts = Counter(text for text in texts if not _NUMBER.fullmatch(text))
        said = Diagnoses(f"labels in {self.title}", in_words([], self.labels), self.labels)
        refused = without_meaning(counts, said)
        if refused is not None:
            raise CsvError(f"{path}: {refused}")
        return became(counts, said) if self.are_diagnoses(counts) else ""

    def _is_known(self, text: str | None) -> bool:
        return isinstance(text, str) and word(text) in self.labels

    def _is_unknown(self, text: str) -> bool:
        return word(text) not in self.labels and not _NUMBER.fullmatch(text)

    def _meaning(self, text: str) -> float | None:
        name = word(text)
        if name in self.labels or self._is_unknown(text):
            label = self.labels.get(name)
            return float("nan") if label is None else float(label)
        return float(text) if float(text) in (0, 1) else None


def find_labels(truth: CsvFile, asked: Sequence[str]) -> TruthLabels:
    """Where the labels of a truth are.

    Args:
        truth: whose header is looked at.
        asked: what --label said: a column, and `VALUE=0`, `VALUE=1` or `VALUE=none`.

    Raises:
        CsvError: there is no such column, or several to choose from.
    """
    given = dict(pair for said in asked if (pair := _meaning_of(said)) is not None)
    named = [said for said in asked if _meaning_of(said) is None]
    if len(named) > 1:
        raise CsvError(f"--label names two columns: {', '.join(map(shown, named))}")
    data_set = known_data_set(truth.columns)
    usual = any(column.lower() in LABEL_COLUMNS for column in truth.columns)
    if data_set is not None and data_set.diagnoses and not named and not usual:
        words = [word(column) for column in truth.columns]
        columns = [words.index(word(name)) for name in data_set.diagnoses if word(name) in words]
        title = " or ".join(shown(truth.columns[at]) for at in columns)
        return TruthLabels(columns, _together(data_set.labels, given), title)
    names = LABEL_COLUMNS if usual else (*LABEL_COLUMNS, *_OTHER_COLUMNS)
    at = find_column(truth, named[0] if named else None, names, "--label")
    return TruthLabels([at], _together(_WORDS, given), shown(truth.columns[at]))


def _together(known: Labels, given: Mapping[str, int | None]) -> Labels:
    return {"": None, **known, **given}


def _meaning_of(said: str) -> tuple[str, int | None] | None:
    """The value and its meaning in `mel=1`; None if it is the name of a column."""
    name, _, meaning = said.rpartition("=")
    return (word(name), MEANINGS[meaning.lower()]) if name and meaning.lower() in MEANINGS else None
