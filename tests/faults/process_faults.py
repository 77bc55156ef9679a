"""Faults of processes: killed, told to end, frozen, with a wrong clock, on an image that kills."""

import os
import random
import re
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from colours import draw_folder, draw_number
from faults import (
    EMBEDDED,
    SERVERS,
    SHORT_LEASE,
    Row,
    crew,
    enqueue,
    enqueueing,
    kill_at_random,
    predictions,
    recovered,
    stub_worker,
)
from grounds import Ground
from invariants import Outcome
from processes import GREETED, PROJECT, Process, Site, freeze
from rabbitmq import rabbitmq_server
from shutdowns import HEEDED, ON_RABBITMQ, shutdowns

HUNG_EXIT_CODE = 70
CLOCK_HOURS = 2
# What a message's sender does, for as many messages of each batch as asked for.
PUBLISH = """
import sys
from db.queries.unfinished import unfinished_runs
from db.session import open_database
from db.tables import Batch
from sqlalchemy import select
from db.queries.leases import BatchKey
from worker.publish import publish

with open_database().read() as session:
    keys = [BatchKey(*row) for row in session.execute(select(Batch.run_id, Batch.number))]
publish(keys * int(sys.argv[1]))
"""


class Scale(NamedTuple):
    """How much of it: in the test command, or in the long run."""

    kills: int
    images: int
    product_kills: int = 1
    shutdowns: int = 2
    busy: int = 0


Scenario = Callable[[Ground, str, Scale], Iterable[Row]]


def random_kills(ground: Ground, backend: str, scale: Scale) -> list[Row]:
    """`kill -9` of one of two workers, at random."""
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.001", **SHORT_LEASE)
    expected = enqueue(site, scale.images)
    with crew(site) as workers:
        last = kill_at_random(workers, scale.kills, scale.images, seed=scale.kills)
        name = "kill -9 at random"
        return [recovered(workers, name, backend, scale.kills, expected, since=last)]


def product_kill(ground: Ground, backend: str, scale: Scale) -> list[Row]:
    """The same with the product's own leases of 30 seconds."""
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.01")
    kills = scale.product_kills
    expected = enqueue(site, 640 * kills)
    with crew(site) as workers:
        last = kill_at_random(workers, kills, 640 * kills, seed=2)
        name = "kill -9 in mid-batch, the product's leases"
        return [recovered(workers, name, backend, kills, expected, since=last)]


def kills_at_points(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """`kill -9` at each point that a batch comes by."""
    site = ground.site(backend, **SHORT_LEASE)
    rows = []
    with crew(site) as workers:
        for number, (point, words) in enumerate(
            {
                "load": "while the checkpoint loads",
                "lease": "after the lease",
                "read": "after reading",
                "predict": "after predicting",
                "commit": "before the commit",
                "acknowledge": "after the commit",
            }.items()
        ):
            (site.folder / f"die.{point}").touch()
            expected = enqueue(site, 128, "--batch-size", "16", folder=f"images{number}")
            if point == "load":
                workers.kill_one(random.Random(0))
            died = site.folder / f"died.{point}"
            workers.await_true(died.exists, f"it died {words}")
            row = partial(recovered, workers, f"kill -9 {words}", backend, 1, expected)
            rows.append(row(run=number + 1, since=died.stat().st_mtime))
    return rows


def signals(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """Signals in the midst of a batch of a second."""
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.03", **SHORT_LEASE)
    rows = []
    with crew(site, 1) as workers:
        workers.workers[0].await_output(GREETED)  # it has made the ledger
        for number, (name, send) in enumerate(
            {
                "SIGTERM in mid-batch": (signal.SIGTERM,),
                "SIGQUIT in mid-batch": (signal.SIGQUIT,),
                "Ctrl-C twice in mid-batch": (signal.SIGINT, signal.SIGINT),
            }.items()
        ):
            folder = f"images{number}"
            expected = draw_folder(site.folder, range(160), folder)
            with enqueueing(site, folder, "--batch-size", "32") as producing:
                workers.await_true(site.ledger.leased, "a batch was held")
                (worker,) = workers.workers
                for at, one in enumerate(send):
                    if at:  # a person's second Ctrl-C comes after the first was seen
                        worker.await_output(HEEDED)
                    worker.send(one)
                worker.await_end()
                ended = time.time()
                assert producing.await_end() == 0, producing.last_words
            assert "Traceback" not in worker.output, f"{name}:\n{worker.last_words}"
            row = partial(recovered, workers, name, backend, 1, expected)
            rows.append(row(run=number + 1, since=ended))
    return rows


def told_to_end(ground: Ground, backend: str, scale: Scale) -> Iterator[Row]:
    """Signals while messages keep coming."""
    site = ground.site(backend, **SHORT_LEASE)
    return shutdowns(site, backend, scale.shutdowns, scale.busy)


def told_to_end_on_rabbitmq(ground: Ground, scale: Scale) -> Iterator[Row]:
    """The same on a RabbitMQ of its own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)  # the server's user enters it
        with rabbitmq_server(Path(name) / "rabbitmq") as url:
            site = ground.site(SERVERS, BROKER_URL=url, **SHORT_LEASE)
            yield from shutdowns(site, ON_RABBITMQ, scale.shutdowns, scale.busy)


def frozen(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """A worker stands still until another has its batch, and then goes on with it as well."""
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.1", **SHORT_LEASE)
    expected = enqueue(site, 64, "--batch-size", "32")
    with stub_worker(site) as late:
        late.await_true(lambda: len(site.ledger.leased()) == 2, "it held both batches")
        freeze(late, site.ledger)
        name, other = site.ledger.leased()
        assert name == other, "it still held both"
        with crew(site, 1) as workers:
            workers.await_true(
                lambda: any(other != name for other in site.ledger.leased()), "taken over"
            )
            late.send(signal.SIGCONT)
            row = recovered(workers, "worker frozen past its lease", backend, 1, expected)
    return [row]


def frozen_in_commit(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """A worker stands still with its transaction open; others wait for no more than that."""
    site = ground.site(backend, **SHORT_LEASE)
    (site.folder / "stop.commit").touch()
    stopped = site.folder / "stopped.commit"
    expected = enqueue(site, 64, "--batch-size", "32")
    with stub_worker(site) as late:
        late.await_standstill(stopped)
        since, held = stopped.stat().st_mtime, len(site.ledger.leased())
        with crew(site, 1) as workers:
            if backend == EMBEDDED:  # whose file it has locked: nobody can do anything meanwhile
                time.sleep(10)
                since = time.time()
                late.send(signal.SIGCONT)
            recovered(workers, "none", backend, 1, expected)
            late.send(signal.SIGCONT)
            late.await_true(lambda: late.output.count("INFO run 1 batch") == held, "it went on")
            name = "worker frozen in its commit"
            row = recovered(workers, name, backend, 1, expected, since=since)
        assert "Traceback" not in late.output, late.last_words
    return [row]


def handed_twice(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """Every message comes three times, to two workers; one batch to both at once."""
    # With the product's own leases: none may lapse, however busy the machine.
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.005")
    expected = enqueue(site, 640, "--batch-size", "32")
    site.succeed("python", "-c", PUBLISH, "2")
    with crew(site) as workers:
        row = recovered(workers, "every message three times", backend, 3, expected)
    alone = enqueue(site, 64, folder="alone")
    site.succeed("python", "-c", PUBLISH, "1")
    with crew(site) as workers:
        both = recovered(workers, "two workers handed one batch", backend, 1, alone, run=2)
    assert site.ledger.rows("SELECT max(attempts) FROM batches") == [(1,)], "only one began it"
    return [row, both]


def wrong_clock(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """One worker's clock is two hours ahead, the other's behind; then one of the two is killed."""
    # None may lapse before the kill, however busy the machine.
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.01", STUB_LEASE_SECONDS="10")
    path = site.settings["PYTHONPATH"]
    expected = enqueue(site, 640)
    with (
        crew(site, 1, PYTHONPATH=f"{_clock(site.folder, CLOCK_HOURS)}{os.pathsep}{path}") as ahead,
        crew(
            site, 1, PYTHONPATH=f"{_clock(site.folder, -CLOCK_HOURS)}{os.pathsep}{path}"
        ) as behind,
    ):
        workers = [ahead.workers[0], behind.workers[0]]
        ahead.await_true(lambda: predictions(site) > 192, "some were scored")
        assert site.ledger.rows("SELECT max(attempts) FROM batches") == [(1,)], "no lease lapsed"
        assert _hours(workers[0]) - _hours(workers[1]) in {4, -20}, "their clocks differ"
        ahead.kill_one(random.Random(0))
        row = recovered(ahead, "clocks two hours off, and a kill -9", backend, 1, expected)
    return [row]


def killing_image(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """An image whose scoring kills the process, each time; another batch is beside it."""
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.005", **SHORT_LEASE)
    expected = with_bad_image(site, "kills")
    with crew(site, 1) as workers:
        # Once in company, three times alone; the fault ends with the last of them.
        workers.await_true(lambda: len(workers.ended) >= 4, "four had died")
        row = recovered(workers, "image that kills its process", backend, 4, expected)
        assert len(workers.ended) == 4, workers.last_words
    return [row]


def hanging_image(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """An image whose scoring never ends: the watchdog ends the process."""
    # Long enough that nothing but the image takes it, however busy the machine.
    hang = {"HANG_SECONDS": ground.hang_seconds}
    site = ground.site(backend, STUB_IMAGE_SECONDS="0.005", **hang, **SHORT_LEASE)
    expected = with_bad_image(site, "hangs")
    with crew(site, 1) as workers:
        workers.await_true(lambda: len(workers.ended) >= 4, "four had ended")
        row = recovered(workers, "image that hangs for ever", backend, 4, expected)
        codes = [worker.await_end() for worker in workers.ended]
        assert codes == [HUNG_EXIT_CODE] * 4, f"{codes}\n{workers.last_words}"
        # In company the one that waits behind it is named as well, if it began earlier.
        whats = [r"batch [12], the scoring of 64 images", *[r"batch 1, \S+hangs\S*"] * 3]
        for what, worker in zip(whats, workers.ended, strict=True):
            assert re.search(rf"CRITICAL run 1 {what} did not end within", worker.output)
    return [row]


def killed_producer(ground: Ground, backend: str, _scale: Scale) -> list[Row]:
    """`producer enqueue` killed at each of its points, then at random; completed by the next."""
    site = ground.site(backend, **SHORT_LEASE)
    points = ("stage", "cut", "publish", "publishing")
    expected = dict[str, Outcome](draw_folder(site.folder, range(500)))
    for point in points:
        (site.folder / f"die.{point}").touch()
        with _producer(site, "images") as killed:
            assert killed.await_end() == -signal.SIGKILL, f"{point}: {killed.last_words}"
    later = dict[str, Outcome](draw_folder(site.folder, range(500), "later"))
    before = time.monotonic()
    with _producer(site, "images") as whole:
        assert whole.await_end() == 0, whole.last_words
    lasts = time.monotonic() - before
    chance = random.Random(3)
    for _ in range(4):
        with _producer(site, "later") as killed:
            time.sleep(chance.uniform(0.3, 1.3) * lasts)  # any moment is meant: nothing to await
            killed.send(signal.SIGKILL)
    site.succeed("producer", "enqueue", "later", "--batch-size", "16")
    # PostgreSQL does not give a number again that a killed producer had for its run.
    ((newest,),) = site.ledger.rows("SELECT max(id) FROM runs")
    began = time.time()
    with crew(site) as workers:
        row = partial(recovered, workers, since=began)
        return [
            row("producer killed at each point", backend, len(points), expected),
            row("producer killed at random", backend, 4, later, run=newest),
        ]


SCENARIOS: tuple[Scenario, ...] = (
    product_kill,
    hanging_image,
    killing_image,
    kills_at_points,
    random_kills,
    signals,
    told_to_end,
    killed_producer,
    frozen,
    frozen_in_commit,
    wrong_clock,
    handed_twice,
)


def with_bad_image(site: Site, harm: str) -> dict[str, Outcome]:
    """Two batches of 64, one with an image that does harm in its midst."""
    expected: dict[str, Outcome] = dict(draw_folder(site.folder, range(127)))
    bad = f"images/000030-{harm}.png"
    (site.folder / bad).write_bytes(draw_number(30))
    site.succeed("producer", "enqueue", "images")
    return {**expected, bad: "worker_died"}


def _producer(site: Site, folder: str) -> Process:
    script = str(PROJECT / "tests" / "helpers" / "stub_producer.py")
    return site.start("python", script, "enqueue", folder, "--batch-size", "16")


def _clock(folder: Path, hours: int) -> Path:
    """A folder that puts the clock of a Python forward, first of all that it imports."""
    customize = folder / f"clock{hours}" / "sitecustomize.py"
    customize.parent.mkdir()
    customize.write_text(
        "import time\n"
        "_time, _time_ns = time.time, time.time_ns\n"
        f"time.time = lambda: _time() + {hours * 3600}\n"
        f"time.time_ns = lambda: _time_ns() + {hours * 3600 * 10**9}\n"
    )
    return customize.parent


def _hours(worker: Process) -> int:
    """The hour of the first line that a worker logged."""
    found = re.search(r"^\d{4}-\d\d-\d\d (\d\d):", worker.output, re.MULTILINE)
    assert found, worker.last_words
    return int(found[1])
