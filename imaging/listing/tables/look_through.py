"""Looks through a whole manifest before it is listed, and says what was found.

Needed where diagnoses or ids have to be understood: a value without a meaning, or an id without a
file, is then said at once and for all rows together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from base.console.foreign import shown
from base.console.shell import typed
from base.console.telling import tell
from imaging.errors import SourceError
from imaging.listing.labels import word
from imaging.listing.tables.csv_table import CsvTable, check_text
from imaging.listing.tables.diagnoses import (
    DiagnosisError,
    became,
    flags_among,
    tally,
    undecided,
    without_meaning,
)
from imaging.listing.tables.image_index import ImageIndex, first_few
from imaging.listing.tables.layout import Layout, given_labels, with_other_flags
from imaging.listing.tables.manifest_options import ManifestOptions


@dataclass
class _Found:
    """What a look through the rows found; `missing` are the ids that have no file."""

    rows: int = 0
    names: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def look_through(
    table: CsvTable,
    layout: Layout,
    options: ManifestOptions,
    labels: Mapping[str, int | None],
    index: ImageIndex | None,
) -> Layout:
    """Read all rows, say what their diagnoses become, and go back to the first row.

    Raises:
        SourceError: values without a meaning, an id with two files, no file for any id.
    """
    diagnoses = layout.diagnoses
    if diagnoses is not None and diagnoses.option == "--label-column":
        rows = (fields for fields, _ in _rows(table, layout))
        named = {word(name) for name, _ in options.label_columns} | {word(layout.path)}
        others = [at for at, name in enumerate(layout.header) if name and word(name) not in named]
        flags = {at: layout.header[at] for at in flags_among(rows, others)}
        layout = layout._replace(diagnoses=with_other_flags(diagnoses, flags))
    if layout.data_set is not None and layout.diagnoses is not None:
        columns = f"images from {shown(layout.path)}, {layout.diagnoses.origin}"
        tell(f"{table.name}: taken for {layout.data_set.name}: {columns}", err=True)
    found = _look(table, layout, index)
    if index is not None:
        _tell_missing(table, layout, found, index)
    _tell_diagnoses(table, layout, found, options, labels)
    _to_rows(table, layout)
    return layout


def _to_rows(table: CsvTable, layout: Layout) -> None:
    """Go to the first row below the header."""
    table.rewind()
    while table.line < layout.line and next(table.reader, None) is not None:
        pass


def _rows(table: CsvTable, layout: Layout) -> Iterator[tuple[list[str], str]]:
    """The fields of all rows, from the first, and where they are; empty rows are passed over."""
    _to_rows(table, layout)
    with table.errors():
        for fields in table.reader:
            if not any(cell.strip() for cell in fields):
                continue
            where = f"{table.name}:{table.line}"
            if len(fields) != len(layout.header):
                raise SourceError(
                    f"{where}: {len(fields)} fields under {len(layout.header)} columns"
                )
            check_text(fields, where)
            yield fields, where


def _look(table: CsvTable, layout: Layout, index: ImageIndex | None) -> _Found:
    found = _Found()
    path = layout.header.index(layout.path)
    for fields, where in _rows(table, layout):
        found.rows += 1
        if layout.diagnoses is not None:
            try:
                found.names.append(layout.diagnoses.find(fields))
            except DiagnosisError as error:
                raise SourceError(f"{where}: {error}") from None
        if index is not None and index.find(fields[path], where) is None:
            found.missing.append(fields[path].strip())
    return found


def _tell_missing(table: CsvTable, layout: Layout, found: _Found, index: ImageIndex) -> None:
    if not found.missing:
        return
    under = ", ".join(map(shown, index.folders))
    if len(found.missing) == found.rows:
        raise SourceError(
            f"{table.name}: none of its {found.rows} images ({shown(layout.path)}: "
            f"{first_few(found.missing)}) has a file under {under}, where {index.count} images "
            "are: --images names the folders, --path-column the column of ids"
        )
    tell(
        f"{table.name}: {len(found.missing)} of {found.rows} images have no file under {under}: "
        f"{first_few(found.missing)}; they are listed, and end as missing",
        err=True,
    )


def _tell_diagnoses(
    table: CsvTable,
    layout: Layout,
    found: _Found,
    options: ManifestOptions,
    labels: Mapping[str, int | None],
) -> None:
    """Say what the file was taken for, and what each diagnosis became."""
    diagnoses, name = layout.diagnoses, table.name
    if diagnoses is None:
        return
    counts = tally(found.names)
    refused = without_meaning(counts, diagnoses)
    if refused is not None:
        raise SourceError(f"{name}: {refused}")
    tell(f"{name}: {became(counts, diagnoses)}", err=True)
    left = undecided(counts, diagnoses)
    if layout.data_set is not None and left:
        tell(
            f"{name}: melanoma against benign does not decide {', '.join(map(shown, left))}: no "
            f"label, until --label {typed(left[0])}=1 (malignant) or =0 (benign) says otherwise",
            err=True,
        )
    unlabelled = sum(counts[each] for each in [*left, ""])
    if options.labelled_only and unlabelled:
        tell(f"{name}: left out, because they have no label: {unlabelled}", err=True)
    there = set(map(word, counts))
    for value in given_labels(labels):
        if value not in there:
            tell(f"warning: {name}: no row has {shown(value)}, which --label names", err=True)
