"""Faults, done to real workers on a real ledger: the site, who restarts workers, the table."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from colours import draw_folder
from invariants import Outcome, judge
from processes import PATIENCE, PROJECT, Process, Site, stop_if_holding, stub_checkpoint

EMBEDDED = "embedded + SQLite"
SERVERS = "Redis + PostgreSQL"
LOOK_SECONDS = 0.05
# From a fault's end to the end of the run.
RECOVERY_SECONDS = 60.0
# What a lease and a wait for a lost message last where a row need not take the product's own.
SHORT_LEASE = {"STUB_LEASE_SECONDS": "3"}


class Row(NamedTuple):
    """What came of a fault; `seconds` from its end until every image had its outcome."""

    fault: str
    backend: str
    times: int
    images: int
    lost: int
    duplicated: int
    wrong: int
    half: int
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether nothing was lost, duplicated, wrong or half done."""
        return not (self.lost or self.duplicated or self.wrong or self.half)


def table(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    heads = ("fault", "on", "times", "images", "lost", "duplicated", "wrong", "s to recover")
    lines = [heads] + [
        (
            row.fault,
            row.backend,
            f"{row.times:,}",
            f"{row.images:,}",
            *(str(count) for count in (row.lost, row.duplicated, row.wrong + row.half)),
            f"{row.seconds:.1f}",
        )
        for row in rows
    ]
    widths = [max(len(line[at]) for line in lines) for at in range(len(heads))]
    rule = tuple("-" * width for width in widths)
    return "\n".join(
        "| " + " | ".join(_aligned(cell, at, widths[at]) for at, cell in enumerate(line)) + " |"
        for line in [lines[0], rule, *lines[1:]]
    )


def _aligned(cell: str, at: int, width: int) -> str:
    return cell.ljust(width) if at < 2 else cell.rjust(width)


def colour_site(folder: Path, **settings: str) -> Site:
    """A folder with the stub's checkpoint, or another's, whose images hold their score."""
    folder.mkdir(parents=True, exist_ok=True)
    own = {} if "CHECKPOINT" in settings else {"CHECKPOINT": str(stub_checkpoint(folder))}
    return Site(
        folder,
        {
            **own,
            "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "helpers")]),
            "STUB_MODE": "colour",
            **settings,
        },
    )


def enqueue(site: Site, images: int, *options: str, folder: str = "images") -> dict[str, Outcome]:
    """Draw that many and enqueue them; returns path to score."""
    expected = draw_folder(site.folder, range(images), folder)
    site.succeed("producer", "enqueue", folder, *options, seconds=10 * RECOVERY_SECONDS)
    return dict(expected)


def stub_worker(site: Site, *options: str, module: str = "stub_worker", **settings: str) -> Process:
    """A worker on the stub, or of another `module`; `settings` are its own."""
    own = replace(site, settings={**site.settings, **settings})
    return own.start("celery", "-A", module, "worker", *options)


class Crew:
    """Workers of which each that ends is replaced, as a supervisor would."""

    def __init__(self, site: Site, started: ExitStack, size: int, **settings: str) -> None:
        self.site = site
        self._started = started
        self._settings: Any = settings
        self.workers = [self._start() for _ in range(size)]
        self.ended: list[Process] = []

    def _start(self) -> Process:
        return self._started.enter_context(stub_worker(self.site, **self._settings))

    def replace_ended(self) -> None:
        """Start a worker for each that ended."""
        for at, worker in enumerate(self.workers):
            if worker.ended:
                self.ended.append(worker)
                self.workers[at] = self._start()

    def await_up(self) -> None:
        """Wait until each takes messages; one still starting would end where a server is away."""
        for worker in self.workers:
            worker.await_true((self.site.folder / f"up.{worker.pid}").exists, "it took messages")

    def await_true(
        self, condition: Callable[[], object], what: str, seconds: float = PATIENCE
    ) -> None:
        """Wait until the condition holds, replacing workers meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            self.replace_ended()
            assert time.monotonic() < deadline, f"never {what}:\n{self.last_words}"
            time.sleep(LOOK_SECONDS)

    def kill_one(self, chance: random.Random) -> None:
        """`kill -9` one of those that run, and start another in its place."""
        self._kill(chance.choice(self.workers))

    def kill_holder(self) -> float:
        """`kill -9` one that holds a batch; returns when."""
        while self.site.ledger.unfinished():
            for worker in self.workers:
                if stop_if_holding(worker, self.site.ledger) is not None:
                    self._kill(worker)
                    return time.time()
            self.replace_ended()
            time.sleep(LOOK_SECONDS)
        self._kill(self.workers[0])  # they were faster than this could look
        return time.time()

    def _kill(self, worker: Process) -> None:
        worker.send(signal.SIGKILL)
        worker.await_end()
        self.replace_ended()

    @property
    def last_words(self) -> str:
        """The ends of all outputs, for a failing test to show."""
        return "\n".join(worker.last_words for worker in [*self.ended, *self.workers])


@contextmanager
def crew(site: Site, size: int = 2, /, **settings: str) -> Iterator[Crew]:
    """Workers that are kept alive until the end of the block; `settings` as of `stub_worker`."""
    with ExitStack() as started:
        yield Crew(site, started, size, **settings)


def kill_at_random(crew: Crew, kills: int, images: int, seed: int) -> float:
    """That many `kill -9`, spread at random over the scoring of so many images.

    The last one hits a worker that holds a batch, so that there is something to recover from.
    Returns when that was.
    """
    chance = random.Random(seed)
    # Some are left for the end, or they might be done before they are looked at; not many, for
    # scoring them is no part of recovering.
    most = images - min(images / 4, 2000)
    for moment in sorted(chance.uniform(0, most) for _ in range(kills - 1)):
        crew.await_true(partial(_has_scored, crew.site, moment), f"{moment:.0f} were scored")
        time.sleep(chance.uniform(0, 0.1))  # or every kill would come right after a commit
        crew.kill_one(chance)
    crew.await_true(partial(_has_scored, crew.site, most), "most were scored")
    return crew.kill_holder()


def _has_scored(site: Site, images: float) -> bool:
    return predictions(site) >= images


def predictions(site: Site) -> int:
    """How many images have their outcome, over all runs."""
    ((count,),) = site.ledger.rows("SELECT count(*) FROM predictions")
    return int(count)


def enqueueing(site: Site, folder: str, *options: str) -> Process:
    """The producer under way, for faults while it still publishes."""
    return site.start("producer", "enqueue", folder, *options)


def recovered(  # noqa: PLR0913 - a row has as many columns
    crew: Crew,
    fault: str,
    backend: str,
    times: int,
    expected: Mapping[str, Outcome],
    run: int = 1,
    *,
    since: float | None = None,
) -> Row:
    """Wait until the run is done, and judge it; the fault was over `since` then, or is now."""
    began = time.time() if since is None else since
    done = partial(_is_done, crew.site, run)
    crew.await_true(done, f"everything was scored ({fault})", 10 * RECOVERY_SECONDS)
    verdict = judge(crew.site.ledger, run, _true_outcomes(crew.site, expected))
    ((last,),) = crew.site.ledger.rows(
        "SELECT max(finished_at) FROM batches WHERE run_id = :run", run=run
    )
    return Row(fault, backend, times, *verdict, max(0.0, last - began))


def _true_outcomes(site: Site, expected: Mapping[str, Outcome]) -> Mapping[str, Outcome]:
    """What the site's engine gives these images: of the stub the number that they hold."""
    if site.settings.get("STUB_MODE") != "int8":
        return expected
    # Deferred: TensorFlow takes seconds, and most sites are the stub's.
    from int8_colours import int8_outcomes

    return int8_outcomes(Path(site.settings["CHECKPOINT"]), site.folder, expected)


def _is_done(site: Site, run: int) -> bool:
    """Whether the run owes nothing; it may not be there yet."""
    ((owed, batches),) = site.ledger.rows(
        "SELECT count(*) FILTER (WHERE finished_at IS NULL), count(*) FROM batches"
        " WHERE run_id = :run",
        run=run,
    )
    return bool(batches and not owed)
