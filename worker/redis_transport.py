"""Kombu's transport for Redis, with what it does after a loss of the connection set right."""

# mypy: disable-error-code="no-untyped-call"
# kombu calls itself typed (py.typed) and mostly is not.

from typing import Any

from kombu.transport import redis
from redis.exceptions import ConnectionError as LostConnectionError


class Channel(redis.Channel):
    """Says that its connection is gone in the words that callers expect.

    Stock reads an attribute of None: when Redis goes away while a message is unacknowledged, Celery
    closes the connection twice, and the second time the AttributeError ends the worker.
    """

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection.client is None:
            raise LostConnectionError("the connection was closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        return parameters


class Transport(redis.Transport):
    """The broker at `redis://` and, over TLS, `rediss://`."""

    Channel = Channel
