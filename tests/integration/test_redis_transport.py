import pytest
from kombu.common import ignore_errors
from kombu.connection import Connection
from kombu.simple import SimpleQueue
from processes import PATIENCE
from servers import RedisServer

from worker.broker.address import broker_url


def test_a_connection_that_was_lost_with_messages_in_hand_can_be_closed_twice(
    redis: RedisServer,
) -> None:
    """As Celery's consumer closes it; an AttributeError of stock kombu ended the worker."""
    connection = Connection(broker_url(redis.url))
    channels = [connection.default_channel, connection.channel()]
    messages = []
    for number, channel in enumerate(channels):
        queue = SimpleQueue(channel, f"queue {number}")
        queue.put("unacknowledged")
        messages.append(queue.get(timeout=PATIENCE))
        channel._brpop_start()  # noqa: SLF001 - a worker's loop waits for the next message
    redis.kill()

    connection.collect(socket_timeout=1)
    ignore_errors(connection, connection.close)

    for message in messages:
        with pytest.raises(connection.connection_errors):
            message.ack()
