import pytest
from kombu import Connection
from kombu.common import ignore_errors
from servers import RedisServer

from worker.broker import broker_url


def test_a_connection_that_was_lost_with_a_message_in_hand_can_be_closed_twice(
    redis: RedisServer,
) -> None:
    """As Celery's consumer closes it; an AttributeError of stock kombu ended the worker."""
    connection = Connection(broker_url(redis.url))
    queue = connection.SimpleQueue("work")
    queue.put("unacknowledged")
    message = queue.get(timeout=5)
    redis.kill()

    connection.collect(socket_timeout=1)
    ignore_errors(connection, connection.close)

    with pytest.raises(connection.connection_errors):
        message.ack()
