"""Anyone who can reach the broker can write to the queue; no worker acts on it, or dies of it."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from forging import NOTHING_AFTER, body, message, push, said, stub_site
from hypothesis import given, settings
from hypothesis import strategies as st
from processes import Process, Site
from servers import redis_server

from db.queries.leases import BatchKey
from worker.messages import MessageError, batch_key

MARKS = ("message refused: ", "is not a message, dropped: ", "is not a message, set aside: ")


class Victim(NamedTuple):
    """A worker at work, its folder, and the file that code out of a message would make."""

    site: Site
    worker: Process
    marker: Path


@pytest.fixture(scope="module", params=["embedded", "redis"])
def victim(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "embedded":
        yield from started(stub_site(folder))
    else:
        with redis_server(folder / "redis") as server:
            yield from started(stub_site(folder, BROKER_URL=server.url))


def started(site: Site) -> Iterator[Victim]:
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_output("broker")
        enqueue(site, "first.csv")
        worker.await_output("run 1 batch 1: 2 images")
        yield Victim(site, worker, site.folder / "marker")


def enqueue(site: Site, name: str) -> None:
    (site.folder / name).write_text("path\na.jpg\nb.jpg\n")
    site.succeed("producer", "enqueue", name, "--allow-missing")


class Executed:
    """Unpickling this runs a command."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self._marker}",))


BODIES: dict[str, object] = {
    "none": body(None, None),
    "strings": body("1", "1"),
    "a path": body("../../etc/passwd", 1),
    "negative": body(-1, 1),
    "zero": body(0, 1),
    "65 bits": body(2**64, 1),
    "32 bits": body(1, 2**31),
    "a thousand digits": body(10**1000, 1),
    "fractions": body(1.0, 1.5),
    "truth values": body(True, True),
    "one number": body(1),
    "three numbers": body(1, 1, 1),
    "named": body(run_id=1, number=1),
    "an option": body(1, 1, path="/etc/passwd"),
    "lists": body([1], {"a": 1}),
    "null": None,
    "a number": 5,
    "text that Celery looks into": "args",
    "an empty list": [],
    "an old protocol": {"task": "worker.tasks.score_batch", "args": [1, 1], "kwargs": {}},
    "no third part": [[1, 1], {}],
    "nothing in its parts": [None, None, None],
    "a task to run after it": [[1, 1], {}, NOTHING_AFTER | {"chain": [{"task": "celery.map"}]}],
    "a task to run on failure": [[1, 1], {}, NOTHING_AFTER | {"errbacks": [{"task": "x"}]}],
}
GOOD = message(body(1, 1))
ENVELOPES: dict[str, object] = {
    "YAML": message(
        b"!!python/object/apply:os.system ['touch marker']", content_type="application/x-yaml"
    ),
    "bytes": message(body(1, 1), content_type="application/data"),
    "no type": message(body(1, 1), content_type=None),
    "a number for its type": message(body(1, 1), content_type=5),
    "broken JSON": message(b"[[1, 1"),
    "not UTF-8": message(b"\xff\xfe"),
    "deep JSON": message(b"[" * 100_000),
    "another task": message(body(1, 1), task="os.system"),
    "one of Celery's own tasks": message(body(1, 1), task="celery.map"),
    "no name for its task": message(body(1, 1), task={}),
    "no task": {**GOOD, "headers": {}},
    "a list for headers": {**GOOD, "headers": ["task"]},
    "no headers": {**GOOD, "headers": None},
    "no properties": {key: value for key, value in GOOD.items() if key != "properties"},
    "empty properties": {**GOOD, "properties": {}},
    "no body": {**GOOD, "body": None},
    "a number for its body": {**GOOD, "body": 5},
    "compressed, it says": message(body(1, 1), compression="application/x-bz2"),
    "compressed in no known way": message(body(1, 1), compression="x"),
    "JSON that is no message": 5,
    "JSON null": None,
    "garbage": b"garbage",
    "nothing": b"",
    "a byte": b"\xff",
}
FORGED = {**{name: message(content) for name, content in BODIES.items()}, **ENVELOPES}


def test_a_pickled_message_is_refused_without_being_loaded(victim: Victim) -> None:
    content = pickle.dumps([[Executed(victim.marker), 1], {}, NOTHING_AFTER])

    for content_type in ("application/x-python-serialize", "application/json", "application/data"):
        assert_refused(victim, message(content, content_type=content_type))

    assert not victim.marker.exists()
    os.system(f"touch {victim.marker}")  # it would have been seen
    victim.marker.unlink()


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_message_is_one_line_in_the_log(victim: Victim, name: str) -> None:
    assert_refused(victim, FORGED[name])


def assert_refused(victim: Victim, item: object) -> None:
    before = len(victim.worker.output)
    push(victim.site, item)

    (line,) = said(victim.worker, before, MARKS)
    assert " WARNING " in line
    assert len(line) < 500


@pytest.mark.parametrize(
    "headers",
    [
        {"id": None},
        {"id": {"a": []}},
        {"eta": "2099-01-01T00:00:00"},
        {"eta": 5},
        {"expires": "1999-01-01T00:00:00"},
        {"timelimit": "x"},
        {"retries": "x"},
        {"stamped_headers": 5, "stamps": 7},
        {"shadow": {}},
        {"ignore_result": False},
    ],
    ids=str,
)
def test_of_a_message_only_the_two_numbers_count(
    victim: Victim, headers: dict[str, object]
) -> None:
    before = len(victim.worker.output)
    push(victim.site, message(body(999, 1), **headers))

    (line,) = said(victim.worker, before, ("there is no run 999",))
    assert "run 999 batch 1: there is no run 999" in line


def test_a_batch_that_is_not_there_changes_nothing(victim: Victim) -> None:
    before = victim.site.ledger.rows("SELECT * FROM batches ORDER BY run_id, number")
    words = len(victim.worker.output)
    push(victim.site, message(body(1, 999)))
    push(victim.site, message(body(999, 1)))  # answered after it

    said(victim.worker, words, ("there is no run 999",))
    assert victim.site.ledger.rows("SELECT * FROM batches ORDER BY run_id, number") == before


def test_after_all_of_them_the_worker_still_scores(victim: Victim) -> None:
    for item in FORGED.values():
        push(victim.site, item)
    enqueue(victim.site, "last.csv")

    victim.worker.await_output("run 2 batch 1: 2 images")
    assert "Traceback" not in victim.worker.output
    assert "Unrecoverable" not in victim.worker.output
    scores = [len(victim.site.ledger.scores(run)) for run in (1, 2)]
    assert scores == [2, 2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
NEARLY = st.tuples(st.lists(JSON, max_size=3), JSON, st.just(NOTHING_AFTER) | JSON).map(list)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(JSON | NEARLY)
def test_any_json_is_a_batch_or_refused(content: Any) -> None:
    try:
        key = batch_key(content)
    except MessageError:
        return
    assert content[:2] == [[*key], {}]
    assert all(type(number) is int and 0 < number < 2**31 for number in key)


def test_two_numbers_are_a_batch() -> None:
    assert batch_key(body(7, 2**31 - 1)) == BatchKey(7, 2**31 - 1)
