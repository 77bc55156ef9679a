"""CSV files of scores and labels: their cells as a frame, by the line that they stand on."""

import csv
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import click
import pandas as pd

from base.console.foreign import shown
from imaging.listing.tables.dialect import GZIP, dialect_of, not_text, not_utf_8
from report.exchange.separators import wrong_in_header, wrong_in_row


class CsvError(click.ClickException):
    """A CSV file cannot be used; the message names the file, the line and what is wrong."""


class CsvFile:
    """A whole CSV file, whose header was read. It is kept in memory, for it may be a pipe.

    Raises:
        CsvError: it cannot be read, or its first line is no header.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CsvError(f"{path}: {error.strerror}") from error
        self.digest = hashlib.sha256(data).hexdigest()
        self._data = _unpacked(path, data)
        text = io.TextIOWrapper(
            io.BytesIO(self._data), "utf-8-sig", errors="surrogateescape", newline=""
        )
        first = next(text, "")
        self._dialect = dialect_of(first)
        # Lines above the header, such as `sep=;`, and the separators in them.
        self._above = int(self._dialect.has_sep_line)
        self._separators_above = self._above * first.count(self._dialect.separator)
        lines = text if self._above else chain([first], text)
        checked = _checked(path, lines, 1 + self._above)
        self._reader = csv.reader(checked, delimiter=self._dialect.separator, strict=True)
        with self._plain_errors():
            self.columns = _columns(path, next(self._reader, []))

    def where(self, line: int) -> str:
        """`file:line`, for messages."""
        return f"{self.path}:{line}"

    def wrong_separator(self) -> str | None:
        """What the header says of a separator that the file is not read with; None for nothing."""
        dialect = self._dialect
        return wrong_in_header(self.columns, dialect.separator, said=dialect.has_sep_line)

    def cells(self) -> tuple[pd.DataFrame, CsvError | None]:
        """The rows above the first that is no row of this table, and what is wrong with that one.

        Text without blanks around it; columns are called by their places in the header, and a
        row by the number of its last line. Rows of empty cells are left out.
        """
        frame, fault = self._simple_cells(), None
        if frame is None:
            frame, fault = self._any_cells()
        return frame.apply(lambda column: column.str.strip()), fault

    def _simple_cells(self) -> pd.DataFrame | None:
        """The cells as pandas reads them, None unless it surely reads what `_any_cells` does."""
        data, width = self._data, len(self.columns)
        separator = self._dialect.separator
        # pandas forgives stray quotes, and loses a separator that follows a lone carriage return.
        if b'"' in data or b"\0" in data or data.count(b"\r") > data.count(b"\r\n"):
            return None
        try:
            frame = pd.read_csv(
                io.BytesIO(data),
                sep=separator,
                header=None,
                names=range(width),
                skiprows=1 + self._above,
                skip_blank_lines=False,
                dtype=str,
                keep_default_na=False,
                na_filter=False,
            )
        except ValueError:  # a row is too long, or bytes are not UTF-8
            return None
        # It fills up short rows: then there are too few separators. If the first row is longer than
        # the header, it takes the first cells for the names of rows. A first cell that is empty
        # may stand in an empty row.
        odd = not isinstance(frame.index, pd.RangeIndex) or (frame[0] == "").any()
        separators = data.count(separator.encode()) - self._separators_above
        if odd or separators != (width - 1) * (len(frame) + 1) or _has_long_cell(frame):
            return None
        frame.index += 2 + self._above  # one line each, below the header
        return frame

    def _any_cells(self) -> tuple[pd.DataFrame, CsvError | None]:
        """The cells as the csv module reads them, row by row."""
        rows: dict[int, list[str]] = {}
        fault = None
        try:
            rows.update(self._rows())  # keeps those above a fault
        except CsvError as error:
            fault = error
        columns = range(len(self.columns))
        return pd.DataFrame(list(rows.values()), list(rows), columns, dtype="str"), fault

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        reader, length = self._reader, len(self.columns)
        separator = self._dialect.separator
        with self._plain_errors():
            for fields in reader:
                if not any(fields):
                    continue
                line = reader.line_num + self._above
                if len(fields) != length:
                    raise CsvError(f"{self.where(line)}: {wrong_in_row(fields, length, separator)}")
                yield line, fields

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            where = self.where(self._reader.line_num + self._above)
            raise CsvError(f"{where}: not CSV: {error}") from error


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
    if (wrong := file.wrong_separator()) is not None:
        raise CsvError(f"{file.where(1)}: {wrong}")
    why = f"could be any of {', '.join(found)}" if found else f"was not found among {has}"
    raise CsvError(f"{file.path}:1: the column {why}: name it with {option}")


def _has_long_cell(frame: pd.DataFrame) -> bool:
    """Whether a cell is longer than the csv module allows."""
    return any(frame[at].str.len().max() > csv.field_size_limit() for at in frame)


def _unpacked(path: Path, data: bytes) -> bytes:
    """The bytes of the CSV, unpacked if they are gzip."""
    try:
        plain = gzip.decompress(data) if data.startswith(GZIP) else data
    except (OSError, EOFError, zlib.error) as error:
        raise CsvError(f"{path}: not gzip: {error}") from error
    why = not_text(plain[:64], path.name)
    if why is not None:
        raise CsvError(f"{path}:1: {why}")
    return plain


def _checked(path: Path, lines: Iterator[str], start: int) -> Iterator[str]:
    """The same lines; what no database stores is refused, where its line is known."""
    for number, line in enumerate(lines, start=start):
        if not line.isascii():
            try:
                line.encode()
            except UnicodeEncodeError:  # bytes that are not UTF-8 were read as surrogates
                said = not_utf_8(line, str(path))
                raise CsvError(f"{path}:{number}: {said}") from None
        if "\0" in line:
            raise CsvError(f"{path}:{number}: it contains a NUL character")
        yield line


def _columns(path: Path, header: list[str]) -> list[str]:
    columns = [column.strip() for column in header]
    if not any(columns):
        raise CsvError(f"{path}:1: there is no header line")
    twice = next((one for one in columns if one and columns.count(one) > 1), None)
    if twice is not None:
        raise CsvError(f"{path}:1: two columns are called {shown(twice)}")
    return columns
