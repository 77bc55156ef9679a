"""What can go wrong with the database, in sentences for the person at the terminal."""

import click


class DatabaseError(click.ClickException):
    """The database cannot be used; the message says why and what to do."""


class DatabaseAwayError(DatabaseError):
    """The database does not answer, or cannot store at the moment: retrying will help."""


class NoSuchRunError(DatabaseError):
    """The run that was asked for is not in the database."""


class LedgerReplacedError(DatabaseError):
    """Another file is where the open ledger was, or none: what belongs to one must not go on."""
