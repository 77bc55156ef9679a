"""Each field of a message's envelope, as each type of JSON: the worker lives and says one line."""

import bz2
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from forging import body, message, push, stub_site
from processes import Process, Site
from sentinels import MASTER, watched_redis
from servers import redis_server

# No other line may come of it: none of a connection that is lost and made anew, no traceback.
REFUSED = ("message refused: ", "is not a message, dropped: ", "is not a message, set aside: ")
# What follows where the envelope was in order all the same: it names a run that is not there.
TAKEN = "run 999 batch 1: there is no run 999"
FIELDS = (
    (),
    ("body",),
    ("content-type",),
    ("content-encoding",),
    ("headers",),
    ("headers", "task"),
    ("headers", "id"),
    ("headers", "lang"),
    ("headers", "clock"),
    ("headers", "compression"),
    ("headers", "traceparent"),
    ("properties",),
    ("properties", "delivery_tag"),
    ("properties", "body_encoding"),
    ("properties", "correlation_id"),
    ("properties", "reply_to"),
    ("properties", "delivery_mode"),
    ("properties", "priority"),
    ("properties", "delivery_info"),
    ("properties", "delivery_info", "exchange"),
    ("properties", "delivery_info", "routing_key"),
    ("properties", "delivery_info", "redelivered"),
)
# As they are written, for Python would not write all of them.
VALUES = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "negative": "-1",
    "infinite": "1e400",
    "a thousand digits": "9" * 1000,
    "text": '"text"',
    "no text": '""',
    "half a character": r'"\ud800"',
    "a NUL": r'"\u0000"',
    "a path": '"../../../../tmp/x"',
    "huge": json.dumps("x" * 3_000_000),
    "an empty list": "[]",
    "a list": "[1]",
    "an empty object": "{}",
    "an object": '{"a": 1}',
    "deep": "[" * 300 + "]" * 300,
    "as deep as can be read": "[" * 940 + "]" * 940,
    "deeper": "[" * 100_000,
    "kombu's type, broken": '{"__type__": "decimal", "__value__": "x"}',
    "kombu's type of another": '{"__type__": "bytes", "__value__": 5}',
    "kombu's type of none": '{"__type__": [], "__value__": 5}',
    "kombu's type": '{"__type__": "datetime", "__value__": "2020-01-01"}',
}


class Victim(NamedTuple):
    """A worker at work, and the address of the Redis that its messages come from, if one does."""

    site: Site
    worker: Process
    redis: str = ""

    def push(self, item: bytes) -> None:
        """Put an item where the worker takes the next one."""
        if not self.redis:
            push(self.site, item)
            return
        with redis.from_url(self.redis) as client:
            client.lpush("dermscore", item)

    def lines_after(self, before: int, number: int) -> list[str]:
        """What it said after its first `before` characters, once it refused or took `number`."""

        def answered() -> bool:
            said = self.worker.output[before:]
            return sum(said.count(mark) for mark in (*REFUSED, TAKEN)) >= number

        self.worker.await_true(answered, f"it said {number} lines")
        return self.worker.output[before:].splitlines()


@pytest.fixture(scope="module", params=["embedded", "redis"])
def victim(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        with started(stub_site(folder)) as victim:
            yield victim
    else:
        with (
            redis_server(folder / "redis") as server,
            started(stub_site(folder, BROKER_URL=server.url), server.url) as victim,
        ):
            yield victim


@contextmanager
def started(site: Site, address: str = "") -> Iterator[Victim]:
    with site.start("celery", "-A", "stub_worker", "worker", "-n", "victim@here") as worker:
        enqueue(site, "first.csv")
        worker.await_output("run 1 batch 1: 2 images")
        yield Victim(site, worker, address)


def enqueue(site: Site, name: str) -> None:
    (site.folder / name).write_text("path\na.jpg\nb.jpg\n")
    site.succeed("producer", "enqueue", name, "--allow-missing")


def forged(field: tuple[str, ...], value: str | None) -> bytes:
    """A message with one field as `value` is written, or without it."""
    whole: dict[str, Any] = message(body(999, 1))
    if not field:
        return (value or "").encode()
    at = whole
    for name in field[:-1]:
        at = at[name]
    at[field[-1]] = "@"
    if value is None:
        del at[field[-1]]
    return json.dumps(whole).replace('"@"', value or "", 1).encode()


def all_forged(field: tuple[str, ...]) -> list[bytes]:
    return [forged(field, None), *(forged(field, value) for value in VALUES.values())]


@pytest.mark.parametrize("field", FIELDS, ids=".".join)
def test_a_field_of_any_type_is_one_line(victim: Victim, field: tuple[str, ...]) -> None:
    items = all_forged(field)
    before = len(victim.worker.output)

    for item in items:
        victim.push(item)

    lines = victim.lines_after(before, len(items))
    assert len(lines) == len(items), lines
    assert max(map(len, lines)) < 500
    assert all("WARNING" in line or TAKEN in line for line in lines)


def test_a_worker_behind_sentinels_lives_as_well(tmp_path: Path) -> None:
    with watched_redis(tmp_path / "redis", 1) as watched:
        settings = {"BROKER_URL": watched.url(), "BROKER_MASTER": MASTER}
        with started(stub_site(tmp_path, **settings), watched.master.url) as victim:
            before = len(victim.worker.output)
            items = [item for field in FIELDS[-5:] for item in all_forged(field)]
            for item in items:
                victim.push(item)
            lines = victim.lines_after(before, len(items))
            assert len(lines) == len(items), lines
            assert_scores(victim, 2)


def test_a_message_that_unpacks_to_gigabytes_is_not_unpacked(victim: Victim) -> None:
    packed = bz2.compress(bytes(50_000_000))
    before = len(victim.worker.output)

    victim.push(json.dumps(message(packed, compression="application/x-bz2")).encode())

    (line,) = victim.lines_after(before, 1)
    assert "it is compressed, which no producer does" in line


def test_what_is_published_to_a_mailbox_is_looked_at_as_well(victim: Victim) -> None:
    """As remote control sends it, which Redis publishes and the embedded broker puts in a file."""
    fields = (("properties",), ("properties", "delivery_info"))
    items = [item for field in fields for item in all_forged(field)]
    before = len(victim.worker.output)

    for item in items:
        control(victim, item)

    lines = victim.lines_after(before, len(items))
    assert len(lines) == len(items), lines
    asked = victim.site.succeed("celery", "-A", "stub_worker", "inspect", "ping")
    assert "victim@here" in asked.stdout


def control(victim: Victim, item: bytes) -> None:
    if not victim.redis:
        push(victim.site, item, "victim@here.celery.pidbox")
        return
    with redis.from_url(victim.redis) as client:
        client.publish("/0.celery.pidbox", item)


def test_a_forged_note_of_what_is_unacknowledged_is_dropped(victim: Victim) -> None:
    if not victim.redis:
        pytest.skip("the embedded broker keeps no such note")
    values = [value.encode() for value in VALUES.values()]
    notes = [*values, b"\xff", *(b'[%s, "", "dermscore"]' % value for value in values)]
    before = len(victim.worker.output)
    with redis.from_url(victim.redis) as client:
        for number, note in enumerate(notes):
            client.hset("unacked", f"forged-{number}", note)
            client.zadd("unacked_index", {f"forged-{number}": 1.0})

        lines = victim.lines_after(before, len(notes))

        assert len(lines) == len(notes), lines
        assert client.hlen("unacked") == client.zcard("unacked_index") == 0


def test_after_all_of_them_it_scores(victim: Victim) -> None:
    assert_scores(victim, 2)


def assert_scores(victim: Victim, run: int) -> None:
    """That the worker still is the one that was started, connected once, and scores a batch."""
    enqueue(victim.site, "last.csv")
    victim.worker.await_output(f"run {run} batch 1: 2 images")
    assert len(victim.site.ledger.scores(run)) == 2
    for word in ("Traceback", "Unrecoverable", "onnection to broker lost", "Trying to"):
        assert word not in victim.worker.output
