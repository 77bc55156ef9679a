"""What can go wrong with the database, in sentences for the person at the terminal."""

import click


class DatabaseError(click.ClickException):
    """The database cannot be used; the message says why and what to do."""


class NoSuchRunError(DatabaseError):
    """The run that was asked for is not in the database."""
