"""CSV files of scores and labels, read row by row with line numbers."""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from base.console.foreign import shown


class CsvError(click.ClickException):
    """A CSV file cannot be used; the message names the file, the line and what is wrong."""


# The number of a row's last line, and its cells in the order of the columns. A plain tuple, because
# creating a million named objects would take as long as reading the rows.
Row = tuple[int, list[str]]


class CsvFile:
    """An open CSV file with its header read; `rows` can be read once."""

    def __init__(self, path: Path, raw: "_Digested") -> None:
        self.path = path
        self._raw = raw
        text = io.TextIOWrapper(
            io.BufferedReader(raw), "utf-8-sig", errors="surrogateescape", newline=""
        )
        self._reader = csv.reader(_checked(path, text), strict=True)
        with self._plain_errors():
            self.columns = _columns(path, next(self._reader, []))

    @property
    def digest(self) -> str:
        """The SHA-256 in hex of the bytes read so far; of the whole file after the last row."""
        return self._raw.sha256.hexdigest()

    def where(self, line: int) -> str:
        """`file:line`, for messages."""
        return f"{self.path}:{line}"

    def rows(self) -> Iterator[Row]:
        """Every row that is not empty, with surrounding blanks stripped from its cells.

        Raises:
            CsvError: the file cannot be read, is not UTF-8 or CSV, or a row has another length.
        """
        reader, length = self._reader, len(self.columns)
        with self._plain_errors():
            for fields in reader:
                if not any(fields):
                    continue
                if len(fields) != length:
                    raise CsvError(
                        f"{self.where(reader.line_num)}: {len(fields)} fields under "
                        f"{length} columns"
                    )
                yield reader.line_num, list(map(str.strip, fields))

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            where = self.where(self._reader.line_num)
            raise CsvError(f"{where}: not CSV: {error}") from error
        except OSError as error:
            raise CsvError(f"{self.path}: {error.strerror}") from error


@contextmanager
def open_csv(path: Path) -> Iterator[CsvFile]:
    """Open a CSV file and read its header.

    Raises:
        CsvError: the file cannot be read, or its first line is not a header.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise CsvError(f"{path}: {error.strerror}") from error
    with file:
        yield CsvFile(path, _Digested(file))


def find_column(file: CsvFile, asked: str | None, known: Sequence[str], option: str) -> int:
    """The index of the column asked for, or of the only column with one of the `known` names.

    Args:
        file: the file whose header is searched.
        asked: the column's name as in the header, or None.
        known: lower-case names to look for; the header may use any case.
        option: the option that names the column, for the message.

    Raises:
        CsvError: no column matches, or several do.
    """
    has = ", ".join(map(shown, file.columns))
    if asked is not None:
        if asked not in file.columns:
            raise CsvError(f"{file.path}:1: no column is called {shown(asked)}; it has {has}")
        return file.columns.index(asked)
    found = [column for column in file.columns if column.lower() in known]
    if len(found) == 1:
        return file.columns.index(found[0])
    why = f"could be any of {', '.join(found)}" if found else f"was not found among {has}"
    raise CsvError(f"{file.path}:1: the column {why}: name it with {option}")


class _Digested(io.RawIOBase):
    """Digests a file while it is read, because a pipe can be read only once."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        count = self._file.readinto(buffer) or 0
        self.sha256.update(memoryview(buffer)[:count])
        return count


def _checked(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """The same lines; refuses text that no database can store, with its line number."""
    for line_number, line in enumerate(lines, start=1):
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError:  # invalid UTF-8 was read as surrogates
                raise CsvError(f"{path}:{line_number}: not UTF-8 text") from None
        if "\0" in line:
            raise CsvError(f"{path}:{line_number}: it contains a NUL character")
        yield line


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [column.strip() for column in header]
    if not any(columns):
        raise CsvError(f"{path}:1: there is no header line")
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise CsvError(f"{path}:1: two columns are called {shown(twice)}")
    return columns
