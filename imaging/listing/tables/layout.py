"""Which columns of a manifest are its paths and labels: by their names, as said, or as known."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from base.console.foreign import shown
from base.console.shell import typed
from imaging.errors import SourceError
from imaging.listing.labels import LABELS, MEANINGS, GivenLabels, word
from imaging.listing.tables.csv_table import CsvTable, check_text
from imaging.listing.tables.datasets import HEADERLESS, DataSet, is_row_of_isic_2016, known_data_set
from imaging.listing.tables.diagnoses import WORDS, Diagnoses, Labels, in_flags, in_words
from imaging.listing.tables.dialect import PATH_COLUMNS
from imaging.listing.tables.manifest_options import ManifestOptions

DIGEST_COLUMN = "sha256"
LABEL_COLUMN = "label"
# Rows above the header in which a known one is looked for: PH2 has its legend there.
_LEGEND = 20


class Layout(NamedTuple):
    """What the columns of a manifest mean.

    `line` is that of the header, 0 if there is none. Without `diagnoses` a column `label`, if there
    is one, holds 0, 1 or nothing.
    """

    header: list[str]
    line: int
    path: str
    diagnoses: Diagnoses | None = None
    data_set: DataSet | None = None


def find_layout(
    table: CsvTable, options: ManifestOptions, labels: Mapping[str, int | None]
) -> Layout:
    """The layout of a table that stands at its start; afterwards it stands below the header.

    Raises:
        SourceError: it has no header, or none that says where the images are.
    """
    given = given_labels(labels)
    with table.errors():
        raw = next(_not_empty(table), [])
        line = table.line or 1
        if is_row_of_isic_2016(raw):
            raw, line = list(HEADERLESS), 0
        header = _checked(table, raw, line)
        plain = [column for column in header if column in PATH_COLUMNS]
        data_set = None if plain else known_data_set(raw)
        if not plain and data_set is None and options.given() in (None, "--images"):
            for below in islice(_not_empty(table), _LEGEND):
                if (data_set := known_data_set(below)) is not None:
                    line, header = table.line, _checked(table, below, table.line)
                    break
    here = f"{table.name}:{line or 1}"
    if options.path_column and options.label_columns:
        data_set = None
    path = _path_column(header, plain, options, data_set, here)
    diagnoses = _diagnoses(header, options, data_set, given, here)
    if data_set and not (options.images or options.path_column or data_set.has_paths):
        raise SourceError(
            f"{table.name}: {data_set.name} names its images by ids: say where the files are with "
            "--images DIR"
        )
    return Layout(header, line, path, diagnoses, data_set)


def given_labels(labels: Mapping[str, int | None]) -> Labels:
    """What --label said, by the `word` of each value."""
    more = {name: label for name, label in labels.items() if name not in LABELS}
    given = labels.given if isinstance(labels, GivenLabels) else more
    return {word(name): label for name, label in given.items()}


def column_at(header: Sequence[str], name: str, where: str) -> int:
    """Where a column is: of that name, or else the only one of that name in another case.

    Raises:
        SourceError: there is none.
    """
    if name in header:
        return list(header).index(name)
    same = [at for at, column in enumerate(header) if column and word(column) == word(name)]
    if len(same) != 1:
        raise SourceError(
            f"{where}: no column is called {shown(name)}; the header has {_listed(header)}"
        )
    return same[0]


def _not_empty(table: CsvTable) -> Iterator[list[str]]:
    return (fields for fields in table.reader if any(field.strip() for field in fields))


def _known(column: str) -> str:
    """Columns with a meaning are recognised in any case: Label must not become an attribute."""
    plain = column.strip().lower()
    return plain if plain in (*PATH_COLUMNS, DIGEST_COLUMN, LABEL_COLUMN) else column


def _checked(table: CsvTable, raw: Sequence[str], line: int) -> list[str]:
    header = [_known(column) for column in raw]
    where = f"{table.name}:{line or 1}"
    check_text(header, where)
    named = [column for column in header if column]
    twice = next((column for column in named if named.count(column) > 1), None)
    if twice is not None:
        raise SourceError(f"{where}: two columns are called {shown(twice)}")
    return header


def _listed(header: Sequence[str]) -> str:
    return ", ".join(shown(column) for column in header if column) or "no columns"


def _path_column(
    header: list[str],
    plain: list[str],
    options: ManifestOptions,
    data_set: DataSet | None,
    where: str,
) -> str:
    named = options.path_column or (data_set and data_set.ids)
    if named:
        return header[column_at(header, named, where)]
    if len(plain) != 1:
        raise SourceError(
            f"{where}: one column must be called filepath or path, or be named with --path-column; "
            f"the header has {_listed(header)}"
        )
    return plain[0]


def _diagnoses(
    header: list[str],
    options: ManifestOptions,
    data_set: DataSet | None,
    given: Labels,
    where: str,
) -> Diagnoses | None:
    flags = [name for name, meaning in options.label_columns if meaning is not None]
    if flags:
        return _of_flags(header, options, where)
    if options.label_columns:
        return _of_column(header, options.label_columns[0][0], given, where)
    if data_set is not None:
        return _of_data_set(header, data_set, given, where)
    if not given:
        return None
    if LABEL_COLUMN not in header:
        name = next(iter(given))
        raise SourceError(f"{where}: --label {shown(name)}=... needs --label-column COLUMN")
    return _of_column(header, LABEL_COLUMN, given, where)


def _of_column(header: list[str], name: str, given: Labels, where: str) -> Diagnoses:
    at = column_at(header, name, where)
    labels = {**WORDS, **given}
    return Diagnoses(f"labels in {shown(header[at])}", in_words([at], labels), labels)


def _of_flags(header: list[str], options: ManifestOptions, where: str) -> Diagnoses:
    columns = {column_at(header, name, where): meaning for name, meaning in options.label_columns}
    labels = {word(header[at]): MEANINGS[meaning or ""] for at, meaning in columns.items()}
    names = {at: header[at] for at in columns}
    said = f"a 1 in {', '.join(map(shown, names.values()))}"
    return Diagnoses(said, in_flags(names, labels), labels, "--label-column")


def with_other_flags(diagnoses: Diagnoses, names: Mapping[int, str]) -> Diagnoses:
    """The same one-hot columns, and others that may hold the 1 of a row which has none in them."""
    beyond = in_flags(names, {})

    def find(fields: Sequence[str]) -> str:
        return diagnoses.find(fields) or beyond(fields)

    return diagnoses._replace(find=find)


def _of_data_set(header: list[str], data_set: DataSet, given: Labels, where: str) -> Diagnoses:
    labels = {**data_set.labels, **given}
    turned = next(
        (name for name in given if {given[name], data_set.labels.get(name)} == {0, 1}), None
    )
    if turned is not None:
        raise SourceError(
            f"{where}: {shown(turned)} is {data_set.labels[turned]} in {data_set.name}: to give "
            f"labels of your own, say which column they are for, such as "
            f"--label-column {typed(*data_set.diagnoses[:1]) or 'COLUMN=1'}"
        )
    columns = [word(column) for column in header]
    if data_set.flags:
        flags = {columns.index(word(name)): name for name in data_set.flags}
        find = in_flags(flags, labels, data_set.neither or "")
        return Diagnoses("diagnoses in its columns of 0 and 1", find, labels)
    names = [name for name in data_set.diagnoses if word(name) in columns]
    find = in_words([columns.index(word(name)) for name in names], labels)
    return Diagnoses(
        f"diagnoses in {' or '.join(names)}" if names else "no diagnoses", find, labels
    )
