"""What a message may contain: two numbers, run and batch, and nothing else.

Anyone who can reach the broker can write to the queue. Celery trusts a message: its headers name
the task, when it runs and what runs after it, and a body of another shape ends the worker, which
meets the same message again after a restart. So a message is checked before Celery acts on it, and
only the two numbers are taken from it.
"""

import logging
import re
from typing import Any

from celery import bootsteps
from celery.worker import consumer

from db.queries.leases import BatchKey
from worker.health import ending
from worker.publish import SCORE_BATCH

# The ledger keeps both in a 32-bit INTEGER on PostgreSQL.
HIGHEST = 2**31 - 1

# The header that links a batch's trace to the trace of its request (W3C Trace Context).
TRACE_PARENT = "traceparent"
_W3C_PARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

log = logging.getLogger(__name__)


class MessageError(Exception):
    """A message that no producer or sweep of this release sends."""


class Consumer(consumer.Consumer):  # type: ignore[misc] # celery has no types
    """Celery's consumer, but it checks each message and drops a refused one; a sweep heals that.

    Messages that arrive while the worker ends go back to the queue.
    """

    def create_task_handler(self, *options: Any) -> Any:  # noqa: ANN401 - celery's own signature
        """The function that is called with each message of the queue."""
        handle = super().create_task_handler(*options)

        def check_and_handle(message: Any) -> None:  # noqa: ANN401 - kombu's
            if ending.is_asked() or self.blueprint.state != bootsteps.RUN:
                message.reject_log_error(log, self.connection_errors, requeue=True)
                return
            try:
                strip(message)
            except MessageError as error:
                self.on_decode_error(message, error)
            else:
                handle(message)

        return check_and_handle

    def on_decode_error(self, message: Any, exc: Exception) -> None:  # noqa: ANN401 - kombu's
        """Say in one line what was wrong with a message, and drop it."""
        log.warning("message refused: %s", " ".join(str(exc).split())[:200])
        message.reject_log_error(log, self.connection_errors)


def strip(message: Any) -> BatchKey:  # noqa: ANN401 - kombu's
    """Remove everything from a message except what its two numbers need.

    Raises:
        MessageError: it is not JSON (or not signed, if signing is set up), is for another task, or
            does not hold two numbers.
    """
    if not isinstance(message.headers, dict) or message.headers.get("task") != SCORE_BATCH:
        raise MessageError("it is not for the task score_batch")
    try:
        body = message.payload
    except Exception as error:  # decoders fail in many ways on foreign bytes
        raise MessageError(str(error)) from error
    key = batch_key(body)
    kept = {"task": SCORE_BATCH, "id": str(message.headers.get("id"))[:36]}
    parent = str(message.headers.get(TRACE_PARENT))
    if _W3C_PARENT.fullmatch(parent):  # only linked to by a trace
        kept[TRACE_PARENT] = parent
    message.headers = kept
    return key


def batch_key(body: object) -> BatchKey:
    """The run and batch of a message's body, `[[run, number], {}, what runs after it]`.

    Raises:
        MessageError: it is anything else.
    """
    match body:
        case [[int(run_id), int(batch_number)], {**options}, {**after}] if not options and not any(
            after.values()
        ):
            key = BatchKey(run_id, batch_number)
        case _:
            raise MessageError("its body is not the two numbers of a run and a batch")
    if not all(
        type(part) is int and 1 <= part <= HIGHEST for part in key
    ):  # true and false are ints
        raise MessageError(f"a run and a batch are numbers from 1 to {HIGHEST}")
    return key
