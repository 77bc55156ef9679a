"""Kombu's transports for Redis, plain and by Sentinel, set right where they would end a worker.

Whoever reaches the Redis can push anything onto its list. Stock kombu believes that each item is
JSON with properties, headers and a body, and fails inside the worker's event loop where it is not;
Celery then ends the worker. So it does after a loss of the connection.
"""

# mypy: disable-error-code="no-untyped-call"
# kombu calls itself typed (py.typed) and mostly is not.

import logging
from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as LostConnectionError
from redis.sentinel import MasterNotFoundError, SentinelManagedConnection

from worker.transport import DAMAGED

log = logging.getLogger(__name__)


class Channel(redis.Channel):
    """Reads items off the list; says that its connection is gone in the words that callers expect.

    Stock reads an attribute of None: when Redis goes away while a message is unacknowledged, Celery
    closes the connection twice, and the second time the AttributeError ends the worker.
    """

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection.client is None:
            raise LostConnectionError("the connection was closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        return parameters

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - kombu's own signature
        try:
            return super()._brpop_read(**options)
        except (ValueError, RecursionError) as error:  # not text, or not JSON
            _tell(error)
            return None


class SentinelConnection(SentinelManagedConnection):
    """Says that there is no master without the client's inner objects."""

    def connect(self) -> None:
        """Ask the sentinels for the master, and connect to it."""
        try:
            super().connect()
        except MasterNotFoundError as error:
            said, _, unanswered = str(error).partition(" : ")
            reason = ", and not every sentinel answers" if unanswered else ""
            raise MasterNotFoundError(f"{said}{reason}") from None


class SentinelChannel(Channel, redis.SentinelChannel):
    """A channel to the master that sentinels name."""

    connection_class = SentinelConnection


class Transport(redis.Transport):
    """The broker at `redis://` and, over TLS, `rediss://`."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:  # noqa: ANN401 - JSON from anyone
        for channel in self.channels[:1]:
            try:
                channel.Message(message, channel=channel)
            except DAMAGED as error:
                _tell(error)
                return
        super()._deliver(message, queue)


class SentinelTransport(Transport, redis.SentinelTransport):
    """The broker at `sentinel://`: whichever Redis the sentinels call the master."""

    Channel = SentinelChannel


def _tell(error: Exception) -> None:
    log.warning("an item of the queue is no message, dropped: %r", error)
