"""CSV files of scores and labels, streamed row by row with the line they stand on."""

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


# The number of a row's last line, and its cells in the order of the columns. A plain tuple: a
# million objects with names would cost as much as reading them.
Row = tuple[int, list[str]]


class CsvFile:
    """An open CSV file whose header was read; `rows` can be read once."""

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
        """The SHA-256 in hex of the bytes read so far: of all, once the rows are through."""
        return self._raw.sha256.hexdigest()

    def where(self, line: int) -> str:
        """`file:line`, for messages."""
        return f"{self.path}:{line}"

    def rows(self) -> Iterator[Row]:
        """Every row that is not empty; cells are stripped of blanks around them.

        Raises:
            CsvError: it cannot be read, is no UTF-8 text or no CSV, or a row is of another length.
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
    """The file with its header read.

    Raises:
        CsvError: it cannot be read, or its first line is no header.
    """
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise CsvError(f"{path}: {error.strerror}") from error
    with file:
        yield CsvFile(path, _Digested(file))


def find_column(file: CsvFile, asked: str | None, known: Sequence[str], option: str) -> int:
    """Where the column is that was asked for, or the only one called by one of the `known` names.

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
        return file.columns.index(asked)
    found = [column for column in file.columns if column.lower() in known]
    if len(found) == 1:
        return file.columns.index(found[0])
    why = f"could be any of {', '.join(found)}" if found else f"is not to be found among {has}"
    raise CsvError(f"{file.path}:1: the column {why}: name it with {option}")


class _Digested(io.RawIOBase):
    """The bytes of a file, digested as they are read: once, for it may be a pipe."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever the caller reads into
        count = self._file.readinto(buffer) or 0
        self.sha256.update(memoryview(buffer)[:count])
        return count


def _checked(path: Path, lines: Iterator[str]) -> Iterator[str]:
    """The same lines; what no database stores is refused, where its line is known."""
    for line_number, line in enumerate(lines, start=1):
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError:  # bytes that are not UTF-8 were read as surrogates
                raise CsvError(f"{path}:{line_number}: not UTF-8 text") from None
        if "\0" in line:
            raise CsvError(f"{path}:{line_number}: it holds a NUL")
        yield line


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [column.strip() for column in header]
    if not any(columns):
        raise CsvError(f"{path}:1: there is no header line")
    twice = next((column for column in columns if column and columns.count(column) > 1), None)
    if twice is not None:
        raise CsvError(f"{path}:1: two columns are called {shown(twice)}")
    return columns
