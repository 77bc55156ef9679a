"""Errors of the database, in sentences for the person at the terminal."""

import click


class DatabaseError(click.ClickException):
    """The database cannot be used; the message says why and what to do."""


class DatabaseAwayError(DatabaseError):
    """The database does not answer, or cannot store anything now: retrying will help."""


class NoSuchRunError(DatabaseError):
    """The run that was asked for is not in the database."""


class LedgerReplacedError(DatabaseError):
    """The open ledger's file was replaced or deleted: its data must not go to another one."""
