"""The rows of a CSV file, as the csv module reads them, from any of the files that people have."""

import csv
import gzip
import io
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO

from imaging.errors import SourceError
from imaging.listing.tables.dialect import SEPARATORS, dialect_of, not_utf_8, opened


class CsvTable:
    """A CSV file that is read row by row, and from its start again.

    `reader` gives the rows; `line` is the number of the last line that was read.

    Raises:
        SourceError: it is no UTF-8 text; here, or where a row is read within `errors`.
    """

    reader: Any  # the csv module does not name its class
    # Lines before the first that `reader` was given.
    above: int

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self._is_seekable = file.seekable()  # before it is unpacked: gzip believes that it is
        self._seen: list[str] = []
        self._copy: BinaryIO | None = None
        self._is_settled = False
        with self.errors(1):
            self._file, why = opened(file, name)
            if why is not None:
                raise SourceError(f"{name}:1: {why}")
            self._start()

    @property
    def line(self) -> int:
        """The number of the last line that was read, from 1."""
        return int(self.reader.line_num) + self.above

    def rewind(self) -> None:
        """Go back to the start; what cannot be read twice, such as a pipe, is kept in a file."""
        rest = self._text
        if self._is_seekable:
            self._file = rest.detach()  # a binary file, as it was given
        else:
            self._file = self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - see `detach`
            for line in chain(self._seen, rest):
                self._file.write(line.encode("utf-8", "surrogateescape"))
            rest.detach()
            self._is_seekable = True
        self._file.seek(0)
        self._start()

    @contextmanager
    def errors(self, line: int | None = None) -> Iterator[None]:
        """Errors of reading become a `SourceError` that names the line."""
        try:
            yield
        except csv.Error as error:
            raise SourceError(f"{self.name}:{line or self.line}: not CSV: {error}") from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise SourceError(f"{self.name}:{line or self.line}: not gzip: {error}") from error

    def detach(self) -> None:
        """Leave the file open that was given."""
        self._text.detach()
        if self._copy is not None:
            self._copy.close()

    def settle(self) -> None:
        """Say that nothing will be read again: lines of a pipe are no longer noted."""
        self._is_settled = True

    def _start(self) -> None:
        self._text = io.TextIOWrapper(
            self._file, encoding="utf-8-sig", errors="surrogateescape", newline=""
        )
        lines = iter(self._text) if self._is_seekable else self._noted()
        first, self.above = self._first_of(lines)
        dialect = dialect_of(first)
        self.above += dialect.has_sep_line
        rows = lines if dialect.has_sep_line else chain([first], lines)
        self.reader = csv.reader(rows, delimiter=dialect.separator, strict=True)

    @staticmethod
    def _first_of(lines: Iterator[str]) -> tuple[str, int]:
        """The first line that says something, and how many are above it."""
        for above, line in enumerate(lines):
            if line.strip(f"{SEPARATORS} \r\n"):
                return line, above
        return "", 0

    def _noted(self) -> Iterator[str]:
        """The lines; those above the rows are noted, because they cannot be read again."""
        for line in self._text:
            if not self._is_settled:
                self._seen.append(line)
            yield line


def check_text(fields: list[str], where: str) -> None:
    """Refuse text that databases cannot store: NUL, and bytes that are not UTF-8.

    Such bytes are surrogates here. Checked per row so that the error can name the line.
    """
    text = "".join(fields)
    if not text.isascii() and not text.isprintable():
        try:
            text.encode()
        except UnicodeEncodeError:
            said = not_utf_8(" ".join(fields), where.rpartition(":")[0])
            raise SourceError(f"{where}: {said}") from None
    if "\0" in text:
        raise SourceError(f"{where}: not text: it holds a NUL")
