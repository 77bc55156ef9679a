"""CSV files of scores and labels, row by row with the line they stand on."""

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from model.manifest import shown


class CsvError(click.ClickException):
    """A CSV file cannot be used; the message names the file, the line and what is wrong."""


class Row(NamedTuple):
    """The cells of a line by column; `where` is `file:line`."""

    where: str
    cells: dict[str, str]


class CsvFile(NamedTuple):
    """A CSV file in memory; `digest` is the SHA-256 of its bytes in hex."""

    path: Path
    digest: str
    columns: list[str]
    rows: list[Row]


def read_csv(path: Path) -> CsvFile:
    """The file with its header and every row; cells are stripped of blanks around them.

    Raises:
        CsvError: it cannot be read, is no UTF-8 text or no CSV, or a row is of another length.
    """
    content = _content(path)
    reader = csv.reader(io.StringIO(_text(path, content), newline=""), strict=True)
    try:
        columns = _columns(path, next(reader, []))
        rows = [_row(f"{path}:{reader.line_num}", row, columns) for row in reader if any(row)]
    except csv.Error as error:
        raise CsvError(f"{path}:{reader.line_num}: not CSV: {error}") from error
    return CsvFile(path, hashlib.sha256(content).hexdigest(), columns, rows)


def find_column(file: CsvFile, asked: str | None, known: Sequence[str], option: str) -> str:
    """The column that was asked for, or the only one that is called by one of the `known` names.

    Args:
        file: whose header is looked at.
        asked: the column's name as the header spells it, if it was named.
        known: lower-case names to look for; the header's may be in any case.
        option: what to name the column with, for the message.

    Raises:
        CsvError: there is none, or there are several to choose from.
    """
    has = ", ".join(map(shown, file.columns))
    if asked is not None:
        if asked not in file.columns:
            raise CsvError(f"{file.path}:1: no column is called {shown(asked)}; it has {has}")
        return asked
    found = [column for column in file.columns if column.lower() in known]
    if len(found) == 1:
        return found[0]
    why = f"could be any of {', '.join(found)}" if found else f"is not to be found among {has}"
    raise CsvError(f"{file.path}:1: the column {why}: name it with {option}")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CsvError(f"{path}: {error.strerror}") from error


def _text(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CsvError(f"{path}:{line}: not UTF-8 text") from None
    if "\0" in text:
        raise CsvError(f"{path}:{text[: text.index(chr(0))].count(chr(10)) + 1}: it holds a NUL")
    return text


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [column.strip() for column in header]
    if not any(columns):
        raise CsvError(f"{path}:1: there is no header line")
    twice = next((one for one in columns if one and columns.count(one) > 1), None)
    if twice is not None:
        raise CsvError(f"{path}:1: two columns are called {shown(twice)}")
    return columns


def _row(where: str, fields: list[str], columns: list[str]) -> Row:
    if len(fields) != len(columns):
        raise CsvError(f"{where}: {len(fields)} fields under {len(columns)} columns")
    cells = zip(columns, fields, strict=True)
    return Row(where, {name: cell.strip() for name, cell in cells if name})
