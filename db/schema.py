"""Upgrades the schema to this release's version on first use, under a lock."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from db.connection.engine import without_password
from db.errors import DatabaseError

MIGRATIONS = Path(__file__).parent / "migrations"
# Revisions are numbered files, 0001_first.py, 0002_…; the highest number is this release's schema.
HEAD = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))

# Any constant works, as long as every release uses the same one.
_ADVISORY_LOCK = 0x6465726D


def version(connection: Connection) -> str | None:
    """The schema's revision, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def is_current(connection: Connection) -> bool:
    """Whether the schema is this release's own; refuses a newer one."""
    found = version(connection)
    if found is not None and found > HEAD:
        raise DatabaseError(
            f"database {without_password(connection.engine.url)} is of a newer version ({found}) "
            f"than this dermscore knows ({HEAD}): upgrade dermscore, or name another in "
            "DATABASE_URL"
        )
    return found == HEAD


def upgrade(connection: Connection) -> bool:
    """Upgrade the schema to HEAD in the caller's transaction; returns whether it was empty before.

    On SQLite the transaction is IMMEDIATE, which is the lock; on PostgreSQL this takes an advisory
    lock until the transaction ends. Processes that waited find the work done.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    if is_current(connection):
        return False
    is_new = version(connection) is None
    from alembic import command, config  # deferred: it takes 0.1 s, for the first use only

    settings = config.Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    return is_new
