import logging
import multiprocessing
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from queue import Empty
from time import monotonic, sleep

import pytest
from celery import Celery
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError
from kombu.simple import SimpleQueue
from processes import PATIENCE, PROJECT

from worker.broker.embedded import BROKER_URL, Transport

PUBLISHERS = CONSUMERS = 4
EACH = 500  # messages for each publisher
LARGE = "x" * 3_000_000  # takes many writes, so that a careless reader meets half of it


@contextmanager
def opened(folder: Path) -> Iterator[SimpleQueue]:
    with (
        Connection(BROKER_URL, transport_options={"queue_dir": str(folder)}) as connection,
        connection.SimpleQueue("work", serializer="json") as queue,
    ):
        yield queue


def publish(folder: Path, bodies: Iterable[int | str]) -> None:
    with opened(folder) as queue:
        for body in bodies:
            queue.put(body)


def consume(folder: Path, published: Path) -> list[int | str]:
    """Take messages until the queue is empty and `published` says that no more will come."""
    bodies: list[int | str] = []
    with opened(folder) as queue:
        while True:
            nothing_more = published.exists()
            try:
                message = queue.get(timeout=0.02)
            except Empty:
                if nothing_more:
                    return bodies
            else:
                bodies.append(message.payload)
                message.ack()


def comes_true(condition: Callable[[], bool]) -> bool:
    deadline = monotonic() + PATIENCE
    while not condition() and monotonic() < deadline:
        sleep(0.02)
    return condition()


def waiting(folder: Path) -> list[Path]:
    return sorted(folder.glob("waiting/*/*"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dermscore.queue"


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PUBLISHERS + CONSUMERS, mp_context=spawn) as pool:
        yield pool


def test_competing_processes_take_every_message_exactly_once(
    folder: Path, processes: ProcessPoolExecutor
) -> None:
    published = folder.with_suffix(".published")
    consumers = [processes.submit(consume, folder, published) for _ in range(CONSUMERS)]
    starts = range(0, PUBLISHERS * EACH, EACH)
    publishers = [processes.submit(publish, folder, range(start, start + EACH)) for start in starts]
    for publisher in publishers:
        publisher.result()
    published.touch()

    shares = [consumer.result() for consumer in consumers]

    assert sorted(chain.from_iterable(shares)) == list(range(PUBLISHERS * EACH))
    assert sum(1 for share in shares if share) > 1, "one consumer took all: nobody competed"
    assert not list(folder.rglob("*.msg")), "taken messages leave no file behind"


def test_a_message_is_not_seen_before_it_is_whole(
    folder: Path, processes: ProcessPoolExecutor
) -> None:
    published = folder.with_suffix(".published")
    consumer = processes.submit(consume, folder, published)
    processes.submit(publish, folder, [LARGE] * 20).result()
    published.touch()

    bodies = consumer.result()
    assert [len(body) for body in bodies if isinstance(body, str)] == [len(LARGE)] * 20
    assert len(bodies) == 20
    assert not (folder / "damaged").exists()


def test_a_file_that_is_still_being_written_is_no_message(folder: Path) -> None:
    with opened(folder) as queue:
        queue.put("whole")
        whole = waiting(folder)[0]
        whole.rename(folder / "private" / whole.name)  # where a killed publisher leaves it

        assert len(queue) == 0
        with pytest.raises(Empty):
            queue.get(timeout=0.01)


def test_one_consumer_takes_the_oldest_first(folder: Path) -> None:
    publish(folder, range(300))
    publish(folder, range(300, 400))

    with opened(folder) as queue:
        assert [queue.get(timeout=PATIENCE).payload for _ in range(400)] == list(range(400))


def test_a_consumer_outlives_others_who_take_what_it_saw(folder: Path) -> None:
    publish(folder, range(10))
    with opened(folder) as slow, opened(folder) as fast:
        assert slow.get(timeout=PATIENCE).payload == 0
        assert [fast.get(timeout=PATIENCE).payload for _ in range(9)] == list(range(1, 10))
        fast.put(10)

        assert slow.get(timeout=PATIENCE).payload == 10


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 900, b"\xff\xfe", b'{"body": "cut sho', b"[]", b"{}", b'"text"', b"[" * 100_000],
    ids=["empty", "zeros", "not UTF-8", "half", "list", "object", "text", "deep"],
)
def test_a_damaged_file_is_set_aside_and_the_good_still_arrive(
    folder: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    publish(folder, range(3))
    between = waiting(folder)[1].with_suffix(".damaged.msg")
    between.write_bytes(content)

    with opened(folder) as queue, caplog.at_level(logging.WARNING):
        assert [queue.get(timeout=PATIENCE).payload for _ in range(3)] == [0, 1, 2]

    aside = folder / "damaged" / between.name
    assert aside.read_bytes() == content
    [line] = [
        record.getMessage() for record in caplog.records if record.name == "worker.broker.embedded"
    ]
    assert str(aside) in line
    assert "\n" not in line


def test_size_and_purge_count_the_waiting(folder: Path) -> None:
    publish(folder, range(5))
    with opened(folder) as queue:
        queue.get(timeout=PATIENCE).ack()
        assert len(queue) == 4

        assert queue.clear() == 4

        assert len(queue) == 0
        with pytest.raises(Empty):
            queue.get(timeout=0.01)


def test_what_was_not_acknowledged_returns_when_the_connection_closes(folder: Path) -> None:
    publish(folder, range(2))
    with opened(folder) as queue:
        queue.get(timeout=PATIENCE).ack()
        assert queue.get(timeout=PATIENCE).payload == 1

    with opened(folder) as queue:
        message = queue.get(timeout=PATIENCE)
        assert message.payload == 1
        message.ack()
    assert waiting(folder) == []


def test_a_relative_folder_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with opened(Path("dermscore.queue")) as queue:
        monkeypatch.chdir("elsewhere")
        queue.put("here")

    assert len(waiting(tmp_path / "dermscore.queue")) == 1


def test_a_folder_wiped_under_an_open_connection_is_made_anew(folder: Path) -> None:
    exchange = Exchange("")  # Celery sends tasks straight to their queue
    options = {"queue_dir": str(folder)}
    with Connection(BROKER_URL, transport_options=options) as connection:
        channel = connection.default_channel
        work = Queue("work", exchange)(channel)
        folder.rename(folder.with_suffix(".wiped"))
        assert work.get() is None

        connection.Producer().publish("again", routing_key="work")

        assert work.get(no_ack=True).payload == "again"


def test_a_fanout_message_reaches_every_bound_queue_and_no_deleted_one(folder: Path) -> None:
    everyone = Exchange("everyone", "fanout")
    with Connection(BROKER_URL, transport_options={"queue_dir": str(folder)}) as connection:
        names = ["celery@one,two/three.pidbox", "celery@four.pidbox", "celery@gone.pidbox"]
        one, four, gone = [Queue(name, everyone)(connection.default_channel) for name in names]
        for queue in (one, four, gone):
            queue.declare()
        gone.delete()

        connection.Producer(exchange=everyone, serializer="json").publish("ping")

        assert one.get(no_ack=True).payload == four.get(no_ack=True).payload == "ping"
        assert gone.get() is None


KILLED = """
import os, signal, sys
from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from worker.broker.embedded import BROKER_URL, Transport
with Connection(BROKER_URL, transport_options={"queue_dir": sys.argv[1]}) as connection:
    for name, exchange in (
        ("celery@killed.celery.pidbox", Exchange("celery.pidbox", "fanout")),
        ("1234.reply.celery.pidbox", Exchange("reply.celery.pidbox", "direct")),
        ("celeryev.5678", Exchange("celeryev", "topic")),
        ("work", Exchange("work", "direct")),
    ):
        queue = Queue(name, exchange, routing_key=name)(connection.default_channel)
        queue.declare()
        connection.Producer(exchange=exchange, serializer="json").publish(1, routing_key=name)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_mailboxes_of_the_killed_are_taken_away_after_a_while_and_nothing_else(
    folder: Path,
) -> None:
    command = [sys.executable, "-c", KILLED, str(folder)]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(PROJECT)}, check=False)
    assert killed.returncode == -signal.SIGKILL
    fanout = Exchange("celery.pidbox", "fanout")
    options = {"queue_dir": str(folder)}
    with Connection(BROKER_URL, transport_options=options) as connection:
        channel = connection.default_channel
        Queue("celery@first.celery.pidbox", fanout)(channel).declare()
        assert mailboxes(folder) == {"first", "killed", "1234", "celeryev.5678", "work"}
        for binding in folder.glob("exchanges/*/*"):
            if "first" not in binding.name:
                os.utime(binding, (0, binding.stat().st_mtime - 3601))
        Queue("celery@second.celery.pidbox", fanout)(channel).declare()
        assert mailboxes(folder) == {"first", "second", "work"}
        connection.Producer(exchange=fanout, serializer="json").publish("ping")
        # Who is killed between the one and the other leaves messages without a binding.
        (stray,) = folder.glob("exchanges/*/*first*")
        stray.unlink()
        Queue("celery@third.celery.pidbox", fanout)(channel).declare()
    names = {path.parent.name for path in waiting(folder)}
    assert names == {"work.queue", "celery@second.celery.pidbox.queue"}


def mailboxes(folder: Path) -> set[str]:
    """Whose bindings are there."""
    bound = {path.name.rsplit(",", 1)[1] for path in folder.glob("exchanges/*/*")}
    return {
        re.sub(r"^celery@|(\.reply)?\.celery\.pidbox$", "", name.replace("%40", "@"))
        for name in bound
    }


def test_a_mailbox_that_is_read_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.timing.MAILBOX_TOUCH_SECONDS", 0)
    fanout = Exchange("celery.pidbox", "fanout")
    with Connection(BROKER_URL, transport_options={"queue_dir": str(folder)}) as connection:
        slow = Queue("celery@slow.celery.pidbox", fanout)(connection.default_channel)
        slow.declare()
        (binding,) = folder.glob("exchanges/*/*")
        os.utime(binding, (0, 0))
        slow.get()
        Queue("celery@other.celery.pidbox", fanout)(connection.default_channel).declare()
        assert mailboxes(folder) == {"slow", "other"}
        binding.unlink()  # somebody took it for dead
        slow.get()
        assert mailboxes(folder) == {"slow", "other"}


def test_a_folder_that_cannot_be_used_is_named(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    options = {"queue_dir": str(folder)}

    with (
        Connection(BROKER_URL, transport_options=options) as connection,
        pytest.raises(OperationalError, match=f"queue folder {re.escape(str(folder))} cannot be"),
    ):
        connection.ensure_connection(max_retries=1, interval_start=0)


def test_what_cannot_be_put_back_is_told_and_dropped(
    folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(folder, [1])
    with opened(folder) as queue, caplog.at_level(logging.WARNING):
        queue.get(timeout=PATIENCE)
        (waits,) = (folder / "waiting").iterdir()
        waits.rmdir()
        waits.write_text("a file where the folder of the queue should be")

    [line] = [
        record.getMessage() for record in caplog.records if record.name == "worker.broker.embedded"
    ]
    assert line.startswith("a message was dropped, the ledger still knows its batch: queue folder")
    assert "EMERGENCY" not in capfd.readouterr().err


def test_a_message_can_be_acknowledged_when_its_connection_is_gone(folder: Path) -> None:
    publish(folder, [1])
    with opened(folder) as queue:
        message = queue.get(timeout=PATIENCE)
    message.ack()  # the threads of a worker do, after the consumer lost its connection


def test_connecting_leaves_no_trial_behind(folder: Path) -> None:
    with opened(folder):
        assert [path.name for path in (folder / "private").iterdir()] == []


SMALL_APP = f"""
from pathlib import Path
import worker.broker.embedded
from celery import Celery

app = Celery("small", broker={BROKER_URL!r})

@app.task(name="touch", ignore_result=True)
def touch(file):
    Path(file).touch()
"""


def test_a_celery_worker_survives_an_empty_file_works_and_answers_a_ping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the folder is dermscore.queue here unless told
    app = Celery("small", broker=BROKER_URL)
    Path("small.py").write_text(SMALL_APP)
    for file in ("never", "done"):
        app.send_task("touch", [file])
    waiting(Path("dermscore.queue"))[0].write_bytes(b"")

    command = [sys.executable, "-m", "celery", "-A", "small", "worker", "-P", "threads", "-c", "1"]
    environment = os.environ | {"PYTHONPATH": "."}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            answered = comes_true(lambda: bool(app.control.ping(timeout=0.5, limit=1)))
            done = comes_true(Path("done").exists)
        finally:
            process.terminate()
        log = process.communicate(timeout=PATIENCE)[1]

    assert answered, log
    assert done, log
    assert log.count("is not a message, set aside") == 1
    assert process.returncode == 0, log
    assert not Path("never").exists()


def test_a_process_that_ends_waits_for_no_message(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Transport, "is_ending", staticmethod(lambda: True))
    with opened(folder) as queue:
        queue.put("there")
        queue.get(timeout=PATIENCE).ack()  # what is there is delivered all the same
        began = monotonic()
        with pytest.raises(Empty):
            queue.get(timeout=PATIENCE)
    assert monotonic() - began < PATIENCE / 10
