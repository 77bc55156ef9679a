"""The tables of docs/reference/ledger.md: a person writes what a column means, code the rest."""

import re
from collections.abc import Iterator

from sqlalchemy import CheckConstraint, Column, Table, UniqueConstraint
from sqlalchemy.dialects import postgresql, sqlite

from db.tables import Base

_ROWS = re.compile(r"^\| column \|.*\n(?:\|.*\n)+(?:\n(?:Index|CHECK|Unique).*\n)*", re.MULTILINE)


def page(text: str) -> str:
    """The page with its tables as the ledger has them now; a new table gets an empty section."""
    head, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    written = {section.split("\n", 1)[0]: section.split("\n", 1)[1] for section in sections}
    return head + "".join(
        f"## {table.name}\n{_section(table, written.get(table.name, ''))}"
        for table in _in_order(written)
    )


def _in_order(written: dict[str, str]) -> list[Table]:
    """The order of the page, and those behind it that it does not have yet."""
    order = [*written, *sorted(set(Base.metadata.tables) - set(written))]
    return [Base.metadata.tables[name] for name in order if name in Base.metadata.tables]


def _section(table: Table, written: str) -> str:
    found = _ROWS.search(written)
    meanings = re.findall(r"^\| `(\w+)` \|.*\| (.*?) \|$", written, re.MULTILINE)
    made = "\n".join(_table(table, dict(meanings))) + "\n"
    if found is None:
        return f"\n{made}\n"
    return written[: found.start()] + made + written[found.end() :]


def _table(table: Table, meanings: dict[str, str]) -> Iterator[str]:
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {_type(column)} | {meanings.get(column.name, '')} |"
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint) and len(constraint.columns) > 1:
            yield from ("", f"Unique: {', '.join(c.name for c in constraint.columns)}")
    checks = [c for c in table.constraints if isinstance(c, CheckConstraint)]
    for check in sorted(checks, key=lambda one: str(one.sqltext)):
        yield from ("", f"CHECK: `{check.sqltext}`")
    for index in sorted(table.indexes, key=lambda one: str(one.name)):
        yield from ("", f"Index: `{index.name}` ({', '.join(c.name for c in index.columns)})")


def _type(column: Column[object]) -> str:
    """Its type, in SQLite and PostgreSQL where they differ, and what it must be."""
    dialects = (sqlite.dialect(), postgresql.dialect())  # type: ignore[no-untyped-call]
    types = dict.fromkeys(column.type.compile(dialect=dialect) for dialect in dialects)
    keys = ["primary key"] if column.primary_key else []
    keys += ["*NULL*"] if column.nullable else []
    keys += ["unique"] if column.unique else []
    keys += [f"→ {key.target_fullname}" for key in column.foreign_keys]
    return " ".join([f"`{' / '.join(types)}`", ", ".join(keys)]).rstrip()
