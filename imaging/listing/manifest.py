"""CSV manifests: each row has a path, perhaps a label, and attributes. Needs no TensorFlow."""

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from base.console.foreign import shown
from base.listed_image import ListedImage
from imaging.errors import SourceError
from imaging.listing.labels import CELLS, not_a_label

PATH_COLUMNS = ("filepath", "path")
DIGEST_COLUMN = "sha256"
_DIGEST = re.compile("[0-9a-f]{64}|")


def read_manifest(file: BinaryIO, name: str) -> Iterator[ListedImage]:
    """Stream the rows of a CSV file with a header line.

    A column `filepath` or `path` is required; `label` is 0, 1 or empty; an unnamed column is an
    index and is ignored; every other column is kept as an attribute. The attribute `sha256` is the
    digest that the file must have, or empty.

    Raises:
        SourceError: the manifest is wrong; the message has the line number.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    reader = csv.reader(text, strict=True)
    try:
        header = [_known(column) for column in next(reader, [])]
        path_column = _check_header(header, name)
        for fields in reader:
            if fields:
                yield _row(header, fields, path_column, f"{name}:{reader.line_num}")
    except csv.Error as error:
        raise SourceError(f"{name}:{reader.line_num}: not CSV: {error}") from error
    finally:
        text.detach()


def _known(column: str) -> str:
    """Columns with a meaning are recognised in any case: Label must not become an attribute."""
    plain = column.strip().lower()
    return plain if plain in (*PATH_COLUMNS, DIGEST_COLUMN, "label") else column


def _check_header(header: list[str], name: str) -> str:
    _check_text(header, f"{name}:1")
    named = [column for column in header if column]
    twice = next((column for column in named if named.count(column) > 1), None)
    if twice is not None:
        raise SourceError(f"{name}:1: two columns are called {shown(twice)}")
    found = [column for column in PATH_COLUMNS if column in named]
    if len(found) != 1:
        raise SourceError(
            f"{name}:1: one column must be called filepath or path; "
            f"the header has {', '.join(map(shown, named)) or 'no columns'}"
        )
    return found[0]


def _row(header: list[str], fields: list[str], path_column: str, where: str) -> ListedImage:
    if len(fields) != len(header):
        raise SourceError(f"{where}: {len(fields)} fields under {len(header)} columns")
    _check_text(fields, where)
    row = dict(zip(header, fields, strict=True))
    row.pop("", None)
    path = row.pop(path_column)
    if not path.strip():
        raise SourceError(f"{where}: the {path_column} is empty")
    if DIGEST_COLUMN in row:
        row[DIGEST_COLUMN] = _digest(row[DIGEST_COLUMN], where)
    return ListedImage(path, _label(row.pop("label", ""), where), row or None, where)


def _check_text(fields: list[str], where: str) -> None:
    """Refuse text that databases cannot store: NUL, and bytes that are not UTF-8 (surrogates here).

    Checked per row so that the error can name the line.
    """
    text = "".join(fields)
    if not text.isascii() and not text.isprintable():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise SourceError(f"{where}: not UTF-8 text") from None
    if "\0" in text:
        raise SourceError(f"{where}: not text: it holds a NUL")


def _digest(value: str, where: str) -> str:
    digest = value.strip().lower()
    if not _DIGEST.fullmatch(digest):
        raise SourceError(f"{where}: {DIGEST_COLUMN} {value!r} is neither 64 hex digits nor empty")
    return digest


def _label(value: str, where: str) -> int | None:
    try:
        return CELLS[value.strip()]
    except KeyError:
        raise SourceError(f"{where}: {not_a_label(value)}") from None
