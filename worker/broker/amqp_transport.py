"""Kombu's transports for AMQP, changed so that no message can end a worker.

The broker accepts properties that py-amqp cannot read, such as a timestamp in the year
300,000,000,000: its error would be raised in the worker's event loop.
"""

# mypy: disable-error-code="no-untyped-call,no-untyped-def"

from collections.abc import Callable
from struct import pack, unpack_from
from typing import Any

from amqp.basic_message import Message
from amqp.method_framing import frame_handler
from kombu.transport import pyamqp

from worker.broker.envelope import DAMAGED

Frame = tuple[int, int, bytes]

_HEADER = 2  # the type of the frame that holds a message's properties
_PREFIX = ">HxxQ"  # a header's class and the size of the body
_NO_PROPERTIES = 0


def readable_frames(connection: Any, callback: Any) -> Callable[[Frame], bool]:  # noqa: ANN401 - py-amqp's
    """py-amqp's reader of frames, with a check of each message's properties before it.

    A message with unreadable properties arrives without any, and is refused for that.
    """
    read = frame_handler(connection, callback)

    def look_and_read(frame: Frame) -> bool:
        kind, channel, payload = frame
        return bool(read((kind, channel, _readable(payload) if kind == _HEADER else payload)))

    return look_and_read


def _readable(payload: bytes) -> bytes:
    message = Message()
    try:
        message.inbound_header(payload)
        # A few hundred bytes can unpack to gigabytes, and kombu unpacks before anything can refuse
        # them.
        if not (message.headers or {}).get("compression"):
            return payload
    except DAMAGED:
        pass
    kind, size = unpack_from(_PREFIX, payload)
    return pack(_PREFIX + "H", kind, size, _NO_PROPERTIES)


class Connection(pyamqp.Connection):
    """A connection that no message can break."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - py-amqp's own signature
        super().__init__(frame_handler=readable_frames, **options)


class Transport(pyamqp.Transport):
    """The broker at `amqp://`."""

    Connection = Connection


class SSLTransport(Transport, pyamqp.SSLTransport):
    """The broker at `amqps://`."""
