"""What can be wrong with an order to enqueue."""

import click


class EnqueueError(click.ClickException):
    """The run cannot be made or resumed as asked; the message says what to do."""
