"""The schema brings itself to this release's version on first use, under a lock."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from db.errors import DatabaseError

MIGRATIONS = Path(__file__).parent / "migrations"
# Revisions are numbered files, 0001_first.py, 0002_…; the highest number is this release's schema.
HEAD = max(path.name[:4] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))

# Any constant will do, as long as every release takes the same one.
_ADVISORY_LOCK = 0x6465726D


def version(connection: Connection) -> str | None:
    """The schema's revision, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def is_current(connection: Connection) -> bool:
    """Whether the schema is this release's own; refuses one that is newer."""
    found = version(connection)
    if found is not None and found > HEAD:
        raise DatabaseError(
            f"the database is of a newer version ({found}) than this dermscore knows ({HEAD}): "
            "upgrade dermscore"
        )
    return found == HEAD


def upgrade(connection: Connection) -> bool:
    """Bring the schema to HEAD inside the caller's transaction; whether there was none before.

    On SQLite the transaction was begun IMMEDIATE, which is the lock; PostgreSQL takes an advisory
    lock that ends with the transaction. Those who waited find the work done.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
    if is_current(connection):
        return False
    is_new = version(connection) is None
    from alembic import command, config  # deferred: 0.1 s that only the first use needs

    settings = config.Config()
    settings.set_main_option("script_location", str(MIGRATIONS))
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    return is_new
