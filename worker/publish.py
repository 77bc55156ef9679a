"""Messages for unfinished batches: ids only, never paths or pixels."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from kombu.exceptions import BatchPublishError, KombuError

from db.queries.leases import BatchKey
from worker import timing
from worker.broker.address import BrokerError, without_password
from worker.celery import app, settings
from worker.observability import tracing

# The task's name in messages, the same in every release, because releases may share a queue.
SCORE_BATCH = "worker.tasks.score_batch"


def publish(batches: Iterable[BatchKey]) -> None:
    """Send one message for each batch; Redis takes a thousand of them at once.

    Raises:
        BrokerError: the broker does not answer; some messages may have reached it.
    """
    traced = tracing.headers()
    with (
        _plain_errors(),
        app.producer_pool.acquire(block=True) as producer,
        producer.batch(),
    ):
        for batch in batches:
            app.send_task(
                SCORE_BATCH,
                tuple(batch),
                producer=producer,
                headers=traced,
                ignore_result=True,
            )


def require_broker() -> None:
    """Try the broker once.

    Raises:
        BrokerError: it does not answer.
    """
    with _plain_errors(), app.connection_for_write() as connection:
        connection.ensure_connection(
            max_retries=1, interval_start=0.2, timeout=timing.FIRST_CONNECT_SECONDS
        )
        connection.default_channel.close()


def waiting_messages() -> int:
    """How many messages wait in the queue.

    Raises:
        BrokerError: the broker does not answer.
    """
    with _plain_errors(), app.connection_for_read() as connection:
        queue = app.amqp.queues[app.conf.task_default_queue](connection.default_channel)
        # Not passively: on Redis an empty queue does not exist.
        return int(queue.queue_declare().message_count)


def broker_name() -> str:
    """The broker's address without its password, or the embedded broker's folder."""
    if settings.broker_url:
        return without_password(settings.broker_url)
    return f"embedded, in {settings.queue_dir}"  # an absolute path


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Every transport fails in its own way; a person needs one sentence."""
    connection = app.connection_for_write()
    failures: tuple[type[Exception], ...] = (
        KombuError,
        OSError,
        *connection.connection_errors,
        *connection.channel_errors,
    )
    try:
        yield
    except failures as error:
        variable = "BROKER_URL" if settings.broker_url else "QUEUE_DIR"
        if settings.broker_url.startswith("sentinel://"):
            variable = "BROKER_URL, BROKER_MASTER"
        # For messages sent together kombu says only that they failed; the cause says why.
        reason = error.__cause__ if isinstance(error, BatchPublishError) else error
        raise BrokerError(f"broker {broker_name()}: {reason} ({variable})") from error
