import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from processes import Site, error_lines
from servers import RedisServer

# Publishes each run's batches given as RUN FIRST LAST, in a process of its own: the broker is read
# from the environment once.
PUBLISH = """
import sys
from db.queries.leases import BatchKey
from worker.publish import publish
run, first, last = map(int, sys.argv[1:])
publish(BatchKey(run, number) for number in range(first, last + 1))
"""
ONE_BY_ONE = """
import sys
from worker.tasks import score_batch
run, first, last = map(int, sys.argv[1:])
for number in range(first, last + 1):
    score_batch.apply_async((run, number))
"""


def messages(redis: RedisServer) -> list[dict[str, Any]]:
    """All that wait in the queue, the oldest first."""
    with redis.client() as client:
        return [json.loads(raw) for raw in reversed(client.lrange("dermscore", 0, -1))]


def without_chance(message: dict[str, Any]) -> dict[str, Any]:
    """A message without what differs each time: identifiers, and the sender's process."""
    headers = {**message["headers"], "id": 0, "root_id": 0, "origin": ""}
    properties = {**message["properties"], "correlation_id": 0, "delivery_tag": 0, "reply_to": 0}
    return {**message, "headers": headers, "properties": properties}


@pytest.fixture
def site(tmp_path: Path, redis: RedisServer) -> Site:
    return Site(tmp_path, {"BROKER_URL": redis.url})


def test_many_batches_are_one_message_each_in_order(site: Site, redis: RedisServer) -> None:
    site.succeed("python", "-c", PUBLISH, "7", "1", "2500")

    sent = messages(redis)
    bodies = [json.loads(b64decode(message["body"])) for message in sent]
    assert [body[0] for body in bodies] == [[7, number] for number in range(1, 2501)]
    assert len({message["headers"]["id"] for message in sent}) == 2500


def test_messages_are_those_that_celery_sends_one_by_one(site: Site, redis: RedisServer) -> None:
    site.succeed("python", "-c", PUBLISH, "7", "3", "4")
    site.succeed("python", "-c", ONE_BY_ONE, "7", "3", "4")

    together, alone = messages(redis)[:2], messages(redis)[2:]
    assert [*map(without_chance, together)] == [*map(without_chance, alone)]


def test_a_broker_that_goes_away_half_way_is_an_error_in_one_line(
    site: Site, redis: RedisServer
) -> None:
    script = """
import os
import redis
from click import ClickException
from db.queries.leases import BatchKey
from worker.publish import publish
def batches():
    for number in range(1, 5001):
        if number == 2500:
            redis.from_url(os.environ["BROKER_URL"]).shutdown(nosave=True)
        yield BatchKey(7, number)
try:
    publish(batches())
except ClickException as error:
    error.show()
"""

    done = site.succeed("python", "-c", script)

    (told,) = error_lines(done.stderr)
    assert redis.url in told
    assert "Connection" in told  # the reason, and not only that it failed
    assert "(BROKER_URL)" in told
    assert "Traceback" not in done.stderr


def test_a_connection_lost_in_between_is_made_anew(site: Site, redis: RedisServer) -> None:
    script = """
import os
import redis
from db.queries.leases import BatchKey
from worker.publish import publish
publish([BatchKey(7, 1)])
redis.from_url(os.environ["BROKER_URL"]).client_kill_filter(_type="normal", skipme=True)
publish([BatchKey(7, 2)])
"""

    site.succeed("python", "-c", script)

    assert len(messages(redis)) == 2


def test_the_embedded_broker_takes_the_same_messages(tmp_path: Path) -> None:
    site = Site(tmp_path)

    site.succeed("python", "-c", PUBLISH, "7", "1", "50")

    files = sorted(tmp_path.glob("dermscore.queue/waiting/*/*.msg"))
    bodies = [json.loads(b64decode(json.loads(file.read_bytes())["body"])) for file in files]
    assert [body[0] for body in bodies] == [[7, number] for number in range(1, 51)]
