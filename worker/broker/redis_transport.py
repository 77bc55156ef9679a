"""Kombu's transports for Redis, plain and by Sentinel, changed where they would end a worker.

Anyone who can reach the Redis can push anything onto its list. kombu's own transport assumes that
each item is JSON with properties, headers and a body; otherwise it fails inside the worker's event
loop, and Celery ends the worker. The same happens after a lost connection.
"""

# mypy: disable-error-code="no-untyped-call"
# kombu calls itself typed (py.typed) and mostly is not.

import errno
import logging
import socket
from typing import Any

from kombu.transport import redis
from kombu.utils.json import loads
from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as LostConnectionError
from redis.sentinel import MasterNotFoundError, SentinelManagedConnection

from worker.broker.envelope import DAMAGED, reason_of, require_envelope

log = logging.getLogger(__name__)


class QoS(redis.QoS):
    """Reads unacknowledged messages from two keys of Redis, which others can write as well."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:  # noqa: ANN401 - kombu's own signature
        """Give a message back to its queue; anything that is not a message is dropped."""
        try:
            with self.channel.conn_or_acquire(client) as connected:
                kept = connected.hget(self.unacked_key, tag)
            if kept:
                message, exchange, key = loads(kept)
                require_envelope(message)
                if not isinstance(exchange, str) or not isinstance(key, str):
                    raise TypeError("an exchange and a routing key are text")
        except DAMAGED as error:
            _tell(error)
            self._remove_from_indices(tag).execute()
            return
        super().restore_by_tag(tag, client, leftmost)


class TlsConnection(SSLConnection):
    """Waits for the answer to TLS no longer than for the connection itself."""

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> Any:  # noqa: ANN401 - redis-py's own
        sock.settimeout(self.socket_connect_timeout)
        try:
            wrapped = super()._wrap_socket_with_ssl(sock)
        except TimeoutError:
            said = "no answer in TLS: an address without it is redis://"
            raise OSError(errno.EPROTO, said) from None
        wrapped.settimeout(self.socket_timeout)
        return wrapped


class Channel(redis.Channel):
    """Reads items off the list; reports a lost connection by the error that callers expect.

    kombu's own reads an attribute of None: when Redis goes away while a message is unacknowledged,
    Celery closes the connection twice, and the second time the AttributeError ends the worker.
    """

    QoS = QoS
    connection_class_ssl: Any = TlsConnection

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        if self.connection.client is None:
            raise LostConnectionError("the connection was closed")
        parameters: dict[str, Any] = super()._connparams(asynchronous)
        return parameters

    def _create_client(self, asynchronous: bool = False) -> Any:  # noqa: ANN401 - redis-py's
        client = super()._create_client(asynchronous)
        client.set_response_callback("BRPOP", _readable)
        return client

    def _handle_message(self, client: Any, r: Any) -> dict[str, Any]:  # noqa: ANN401 - kombu's own signature
        """A message to this worker's mailbox; its data is None if it is not JSON.

        kombu's own would log a traceback, or fail in the event loop.
        """
        payload: dict[str, Any] = super()._handle_message(client, r)
        if isinstance(payload["data"], bytes) and not _is_json(payload["data"]):
            payload["data"] = None
        return payload


class SentinelConnection(SentinelManagedConnection):
    """Reports a missing master without the client's internal objects."""

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
    connection_class_ssl = redis.SentinelChannel.connection_class_ssl


class Transport(redis.Transport):
    """The broker at `redis://` and, over TLS, `rediss://`."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:  # noqa: ANN401 - JSON from anyone
        for channel in self.channels[:1]:
            try:
                require_envelope(message)
                channel.Message(message, channel=channel)  # is its body in the encoding it claims?
            except DAMAGED as error:
                _tell(error)
                return
        super()._deliver(message, queue)


class SentinelTransport(Transport, redis.SentinelTransport):
    """The broker at `sentinel://`: the Redis that the sentinels name as the master."""

    Channel = SentinelChannel


def _readable(popped: Any, **_options: Any) -> Any:  # noqa: ANN401 - redis-py's own signature
    """What BRPOP took off a list; None, as if the list had been empty, if it is not JSON."""
    return popped if popped and _is_json(popped[1]) else None


def _is_json(data: bytes) -> bool:
    try:
        loads(data)
    except DAMAGED as error:
        _tell(error)
        return False
    return True


def _tell(error: Exception) -> None:
    log.warning("an item of the queue is not a message, dropped: %s", reason_of(error))
