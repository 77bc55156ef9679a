"""The Redis queue, read with care: what is no message is dropped, and does not end the worker.

Whoever reaches the Redis can push anything onto its list. Stock kombu believes that each item is
JSON with properties, headers and a body, and fails inside the worker's event loop where it is not;
Celery then ends the worker.
"""

# mypy: disable-error-code="no-untyped-call"
# kombu calls itself typed (py.typed) and mostly is not.

import logging
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis

from worker.transport import DAMAGED

log = logging.getLogger(__name__)


class Channel(redis.Channel):
    """Reads items off the list."""

    def _brpop_read(self, **options: Any) -> Any:  # noqa: ANN401 - kombu's own signature
        try:
            return super()._brpop_read(**options)
        except (ValueError, RecursionError) as error:  # not text, or not JSON
            _tell(error)
            return None


class Transport(redis.Transport):
    """The broker at `redis://` and `rediss://`."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:  # noqa: ANN401 - JSON from anyone
        for channel in self.channels[:1]:
            try:
                channel.Message(message, channel=channel)
            except DAMAGED as error:
                _tell(error)
                return
        super()._deliver(message, queue)


def _tell(error: Exception) -> None:
    log.warning("an item of the queue is no message, dropped: %r", error)


for scheme in ("redis", "rediss"):
    TRANSPORT_ALIASES[scheme] = "worker.redis_queue:Transport"
