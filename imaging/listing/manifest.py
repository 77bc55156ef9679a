"""CSV manifests: each row has a path, perhaps a label, and attributes. Needs no TensorFlow."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO

from base.console.foreign import shown
from base.listed_image import ListedImage
from imaging.errors import SourceError
from imaging.listing.labels import CELLS, LABELS, not_a_label
from imaging.listing.tables.csv_table import CsvTable, check_text
from imaging.listing.tables.diagnoses import Diagnoses, DiagnosisError
from imaging.listing.tables.image_index import ImageIndex
from imaging.listing.tables.layout import DIGEST_COLUMN, LABEL_COLUMN, Layout, find_layout
from imaging.listing.tables.look_through import look_through
from imaging.listing.tables.manifest_options import PLAIN, ManifestOptions

_DIGEST = re.compile("[0-9a-f]{64}|")
FindLabel = Callable[[dict[str, str], list[str], str], int | None]


def read_manifest(
    file: BinaryIO,
    name: str,
    options: ManifestOptions = PLAIN,
    labels: Mapping[str, int | None] = LABELS,
    index: ImageIndex | None = None,
) -> Iterator[ListedImage]:
    """Stream the rows of a CSV file with a header line.

    A column `filepath` or `path` is required, unless `options` name another or the header is that
    of a known data set; `label` is 0, 1 or empty, unless they say otherwise; an unnamed column is
    an index and is ignored; every other column is kept as an attribute. The attribute `sha256` is
    the digest that the file must have, or empty. With an `index`, paths are looked up in it. Where
    there are diagnoses or ids, all rows are looked through first, and what they become is told.

    Raises:
        SourceError: the manifest is wrong; the message has the line number.
    """
    table = CsvTable(file, name)
    try:
        layout = find_layout(table, options, labels)
        if layout.diagnoses is None and index is None:
            table.settle()
        else:
            layout = look_through(table, layout, options, labels, index)
        yield from _rows(table, layout, options, index)
    finally:
        table.detach()


def _rows(
    table: CsvTable, layout: Layout, options: ManifestOptions, index: ImageIndex | None
) -> Iterator[ListedImage]:
    header, path, diagnoses = layout.header, layout.path, layout.diagnoses
    label_of = _plain_label if diagnoses is None else _diagnosed(diagnoses)
    leave_out = options.labelled_only and diagnoses is not None
    reader, name, above = table.reader, table.name, table.above
    with table.errors():
        for fields in reader:
            if not fields:
                continue
            row = _row(header, path, fields, f"{name}:{reader.line_num + above}", label_of)
            if row is None or (leave_out and row.label is None):
                continue
            yield row if index is None else _found(row, index)


def _row(
    header: list[str], path_column: str, fields: list[str], where: str, label_of: FindLabel
) -> ListedImage | None:
    """The image of a row, None if its fields are empty."""
    if len(fields) != len(header):
        raise SourceError(f"{where}: {len(fields)} fields under {len(header)} columns")
    check_text(fields, where)
    row = dict(zip(header, fields, strict=True))
    row.pop("", None)
    path = row.pop(path_column)
    if not path.strip():
        if not any(field.strip() for field in fields):
            return None
        raise SourceError(f"{where}: the {shown(path_column)} is empty")
    if DIGEST_COLUMN in row:
        row[DIGEST_COLUMN] = _digest(row[DIGEST_COLUMN], where)
    return ListedImage(path, label_of(row, fields, where), row or None, where)


def _found(row: ListedImage, index: ImageIndex) -> ListedImage:
    """The row with the file of its id, or with a path at which there is none."""
    found = index.find(row.path, row.where)
    return row._replace(path=index.missing(row.path) if found is None else found)


def _plain_label(row: dict[str, str], _fields: list[str], where: str) -> int | None:
    value = row.pop(LABEL_COLUMN, "")
    try:
        return CELLS[value.strip()]
    except KeyError:
        of_words = "; if the column holds words, give --label-column label"
        hint = of_words if value.strip().isalpha() else ""
        raise SourceError(f"{where}: {not_a_label(value)}{hint}") from None


def _diagnosed(diagnoses: Diagnoses) -> FindLabel:
    def label_of(_row: dict[str, str], fields: list[str], where: str) -> int | None:
        try:
            return diagnoses.label(fields)
        except DiagnosisError as error:
            raise SourceError(f"{where}: {error}") from None

    return label_of


def _digest(value: str, where: str) -> str:
    digest = value.strip().lower()
    if not _DIGEST.fullmatch(digest):
        raise SourceError(f"{where}: {DIGEST_COLUMN} {value!r} is neither 64 hex digits nor empty")
    return digest
