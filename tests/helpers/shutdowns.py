"""Workers told to end while their messages keep coming: no traceback, a sentence, nothing lost.

Most messages are of batches that are finished, so that one thread scores while the other has done
with a message at once, and whatever the worker does when the signal comes, it is in the midst of
messages. Every batch is delivered three times and more; two programs beside want both cores.
"""

import random
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from faults import Row, crew, enqueue, recovered, stub_worker
from processes import Process, Site

# What a worker does with each signal, by what a person or a supervisor does.
KINDS = {
    "SIGTERM": (signal.SIGTERM,),
    "SIGQUIT": (signal.SIGQUIT,),
    "Ctrl-C twice": (signal.SIGINT, signal.SIGINT),
}
ON_RABBITMQ = "RabbitMQ + PostgreSQL"
HEEDED = "Ctrl-C again gives it back"
# The last line of a worker that was told to end.
LAST_WORDS = "stopped: nothing is in progress here any more; other workers score what is left"
# Batches of two images: some that are scored before, and for each shutdown some that are owed.
SCORED, OWED_EACH = 100, 8
# One scores at a time; with these the loop that takes messages is hardly ever idle.
MANY = ("--concurrency", "16")
# Beside the workers: sends every batch again and again, in the place of what the producer sent,
# which would all come first. Of those that are owed one at a time, so that a thread is left.
FEED = """
import itertools, random, time
from db.queries.leases import BatchKey
from db.session import open_database
from db.tables import Batch
from sqlalchemy import select
from worker.celery import app
from worker.publish import publish, waiting_messages

with open_database().read() as session:
    keys = [BatchKey(*row) for row in session.execute(select(Batch.run_id, Batch.number))]
scored, owed = [[key for key in keys if key.run_id == run] for run in (1, max(keys)[0])]
app.control.purge()
for key in itertools.cycle(owed):
    while waiting_messages() > 300:
        time.sleep(0.01)
    keys = [*scored, *scored, key]
    random.shuffle(keys)
    publish(keys)
    print("fed", flush=True)
"""


def shutdowns(site: Site, backend: str, times: int, busy: int = 0) -> Iterator[Row]:
    """As many of each kind, beside so many busy programs; a row for each kind."""
    enqueue(site, 2 * SCORED, "--batch-size", "2", folder="scored")
    with crew(site, 1) as workers:
        workers.await_true(lambda: not site.ledger.unfinished(), "the first run was scored")
    for run, kind in enumerate(KINDS, 2):
        yield _of_a_kind(site, backend, kind, run, times, busy)


def _of_a_kind(site: Site, backend: str, kind: str, run: int, times: int, busy: int) -> Row:
    """Start a worker, tell it to end in mid-batch, and so on; then let another do the rest."""
    images = 2 * OWED_EACH * times
    expected = enqueue(site, images, "--batch-size", "2", folder=f"owed{run}")
    chance = random.Random(times)
    with _fed(site, busy):
        for number in range(times):
            with stub_worker(site, *MANY, STUB_IMAGE_SECONDS="0.15") as worker:
                worker.await_true(site.ledger.leased, "it held a batch")
                time.sleep(chance.uniform(0, 0.2))  # any moment is meant: nothing to await
                _end(worker, KINDS[kind])
                _judge_end(worker, f"{kind} {number + 1} of {times} on {backend}")
    ended = time.time()
    with crew(site, 1) as workers:
        name = f"{kind} while messages come"
        return recovered(workers, name, backend, times, expected, run=run, since=ended)


def _end(worker: Process, numbers: tuple[signal.Signals, ...]) -> None:
    for at, number in enumerate(numbers):
        if at:  # a person's second Ctrl-C comes after the first was seen
            worker.await_output(HEEDED)
        worker.send(number)


def _judge_end(worker: Process, what: str) -> None:
    code = worker.await_end()
    last = worker.output.rstrip().splitlines()[-1]
    assert "Traceback" not in worker.output, f"{what}:\n{worker.last_words}"
    assert last.endswith(LAST_WORDS), f"{what}:\n{worker.last_words}"
    assert code == 0, f"{what} ended with {code}:\n{worker.last_words}"


@contextmanager
def _fed(site: Site, busy: int) -> Iterator[None]:
    with ExitStack() as started:
        feed = started.enter_context(site.start("python", "-c", FEED))
        feed.await_output("fed")
        for _ in range(busy):
            started.enter_context(site.start("python", "-c", "while True: pass"))
        yield
        assert not feed.ended, feed.last_words
