"""The owner's own scores: a CSV with a path column, and a score or a column for each class."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from base.arrays import Float64Array
from base.console.foreign import shown
from report.exchange.csv_file import CsvError, CsvFile
from report.exchange.importing import SCORE_COLUMNS

_PATHS = ("path", "filepath", "file", "filename", "image", "image_path")
# Float32 rounds the sum of probabilities past 1.
_ROUNDING = 1e-5


class Predictions(NamedTuple):
    """The owner's scores of `n` images: `values` is `[n]`, or `[n, classes]` if `by_class`."""

    file: str
    digest: str
    paths: list[str]
    values: Float64Array
    by_class: bool


def read_predictions(path: Path, classes: tuple[str, ...]) -> Predictions:
    """Read the CSV; columns with the names of all classes come before a single score.

    Raises:
        CsvError: a column is missing, or a cell is no probability.
    """
    file = CsvFile(path)
    at = [index for index, name in enumerate(file.columns) if name.lower() in _PATHS]
    if len(at) != 1:
        raise CsvError(f"{path}:1: there must be one column `path`; it has {_columns(file)}")
    by_class = bool(classes) and set(classes) <= set(file.columns)
    columns = [file.columns.index(name) for name in classes] if by_class else [_score(file, at[0])]
    cells, fault = file.cells()
    if fault is not None:
        raise fault
    if cells.empty:
        raise CsvError(f"{path}: there are no rows below the header")
    values = _probabilities(file, cells[columns])
    return Predictions(
        path.name,
        file.digest,
        cells[at[0]].tolist(),
        values if by_class else values[:, 0],
        by_class,
    )


def _score(file: CsvFile, path_column: int) -> int:
    others = [at for at in range(len(file.columns)) if at != path_column]
    known = [at for at in others if file.columns[at].lower() in SCORE_COLUMNS]
    for found in (known, others):
        if len(found) == 1:
            return found[0]
    raise CsvError(
        f"{file.path}:1: there must be one column `score`, or one for each of --classes; it has "
        f"{_columns(file)}"
    )


def _columns(file: CsvFile) -> str:
    return ", ".join(map(shown, file.columns))


def _probabilities(file: CsvFile, cells: pd.DataFrame) -> Float64Array:
    numbers = cells.apply(pd.to_numeric, errors="coerce").astype(float)
    good = (numbers >= -_ROUNDING) & (numbers <= 1 + _ROUNDING)
    bad = ~good.all(axis=1)
    if bad.any():
        line = bad.index[bad.to_numpy().argmax()]
        cell = cells.loc[line][~good.loc[line]].iloc[0]
        raise CsvError(f"{file.where(line)}: {shown(str(cell))!r} is not a number between 0 and 1")
    values: Float64Array = numbers.to_numpy()
    return values
