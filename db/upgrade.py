"""`python -m db.upgrade`, for a deployment that upgrades before it starts its workers."""

from base import permissions
from base.console import interrupt

if __name__ == "__main__":  # before what takes time to import
    interrupt.begin("the schema is as it was, or upgraded whole: start it again")

import click

from base.console.telling import tell
from db.schema import HEAD
from db.session import open_database


@click.command()
def main() -> None:
    """Upgrade the ledger at DATABASE_URL to this release's schema, and exit."""
    permissions.close_to_others()
    database = open_database()
    database.tell_if_new()
    tell(f"{database}: schema {HEAD}")
    database.close()


if __name__ == "__main__":
    interrupt.run(lambda: main)
