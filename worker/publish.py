"""Messages for owed batches: ids only, never paths or pixels."""

from collections.abc import Iterable

import click
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url

from db.ledger import BatchKey
from worker.celery import app, settings
from worker.tasks import score_batch


class BrokerError(click.ClickException):
    """The broker cannot be reached; what is owed stays in the ledger."""


def publish(batches: Iterable[BatchKey]) -> None:
    """Send one message for each batch.

    Raises:
        BrokerError: the broker does not answer.
    """
    try:
        with app.producer_pool.acquire(block=True) as producer:
            for batch in batches:
                score_batch.apply_async(tuple(batch), producer=producer)
    except OperationalError as error:
        raise _unreachable(error) from error


def require_broker() -> None:
    """Try the broker once.

    Raises:
        BrokerError: it does not answer.
    """
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0.2, timeout=10)
            connection.default_channel.close()
    except (OperationalError, *app.connection_for_write().connection_errors) as error:
        raise _unreachable(error) from error


def waiting_messages() -> int:
    """How many messages wait in the queue."""
    with app.connection_for_read() as connection:
        queue = app.amqp.queues[app.conf.task_default_queue](connection.default_channel)
        queue.declare()
        return int(queue.queue_declare(passive=True).message_count)


def broker_name() -> str:
    """The broker's address without its password, or the embedded broker's folder."""
    if settings.broker_url:
        return str(maybe_sanitize_url(settings.broker_url))
    return f"embedded, in {settings.queue_dir}"


def _unreachable(error: Exception) -> BrokerError:
    return BrokerError(f"broker {broker_name()} does not answer: {error} (BROKER_URL)")
