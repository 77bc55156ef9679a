"""How busy a worker keeps the processor while it reads large images, or from slow storage.

Each situation runs through queue and ledger; with `--before FOLDER`, the project's code as it was
in a folder runs the same in turns. Printed for each: images per second, utilisation (the worker's
processor seconds by those that the cores had), and how many of the cores it had work for: the
number of its threads that run or could run, looked at every 50 ms and counted up to the cores. The
last figure is the one to trust while other programs use the machine. Start-up is left out.
"""

import csv
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import mean, median
from typing import NamedTuple
from urllib.request import urlopen

import click
from common import PROJECT, backbone_option, describe_machine, images_folder
from draw_large import draw_large
from processes import GREETED, Process, Site
from sites import newest_run
from slow_store import COUNTS, SlowStore, start_store

from worker.timing import LEASE_SECONDS

LARGE = 12.0  # megapixels
NAMES_OF_LARGE = 16  # names of each large image: two batches of 64
DIFFERENT = 8  # large images drawn; a run holds each of them several times
TINY = "small"
LOOK_SECONDS = 0.05
_TICKS = os.sysconf("SC_CLK_TCK")


class Situation(NamedTuple):
    """Where the images are and what they are; `delay` in seconds, None for the local disk."""

    name: str
    is_large: bool
    delay: float | None


SITUATIONS = {
    "a": Situation("260 real images, local disk", is_large=False, delay=None),
    "b": Situation("12 MP, local disk", is_large=True, delay=None),
    "c": Situation("260 real images, store at 20 ms", is_large=False, delay=0.02),
    "d": Situation("12 MP, store at 20 ms", is_large=True, delay=0.02),
    "e": Situation("260 real images, store at 100 ms", is_large=False, delay=0.1),
    "f": Situation("12 MP, store at 100 ms", is_large=True, delay=0.1),
}


class Measured(NamedTuple):
    """A run: images per second, shares of the cores, processor seconds, peak bytes, requests."""

    rate: float
    used: float
    wanted: float
    cpu: float
    peak: float
    most: int


def list_images(folder: Path, source: Path, copies: int) -> None:
    """Copy the images, and write a manifest of so many names for each, and one to warm up with."""
    shutil.copytree(source, folder / "copy0")
    for number in range(1, copies):
        (folder / f"copy{number}").symlink_to("copy0")
    files = sorted(path.relative_to(source) for path in source.rglob("*.*") if path.is_file())
    names = [f"copy{number}/{file}" for number in range(copies) for file in files]
    for stem, rows in (("images", names), ("warm", names[:8])):
        with (folder / f"{stem}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("path",), *((row,) for row in rows)])


def checkpoint_of(network: str, folder: Path) -> Path:
    """A checkpoint of a tiny network, which reading must feed, or of the real one."""
    settings = {"PYTHONPATH": str(PROJECT), "DATA_ROOT": str(images_folder())}
    site = Site(folder / network, settings)
    if not list(site.folder.glob("checkpoints/*.keras")):
        site.folder.mkdir(parents=True, exist_ok=True)
        sets = (str(images_folder() / name) for name in ("train", "valid"))
        option = ("--backbone", "small" if network == TINY else backbone_option())
        site.succeed("trainer", "train", *sets, *option, "--epochs", "2")
    (made,) = site.folder.glob("checkpoints/*.keras")
    return made


class Watch:
    """Counts the threads of a process that run or wait for a core."""

    def __init__(self, pid: int) -> None:
        self._tasks = Path(f"/proc/{pid}/task")
        self._over = threading.Event()
        self._counts: list[tuple[float, int]] = []
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self, began: float, ended: float) -> float:
        """The mean share of the cores that the process had work for between these times."""
        self._over.set()
        self._thread.join()
        cores = os.cpu_count() or 1
        found = [min(count, cores) for at, count in self._counts if began <= at <= ended]
        return mean(found) / cores

    def _look(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._counts.append((time.time(), sum(state == "R" for state in self._states())))

    def _states(self) -> Iterator[str]:
        for task in self._tasks.iterdir():
            try:
                yield (task / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:  # it has ended
                continue


def cpu_seconds(worker: Process) -> float:
    """Processor seconds of all threads of a worker until now."""
    fields = Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def peak(worker: Process) -> int:
    """The most bytes that it held."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    return next(int(row.split()[1]) for row in status.splitlines() if "VmHWM" in row) * 1024


def first_lease(site: Site, worker: Process) -> float:
    """When a batch was leased, as soon as one is."""
    leases = "SELECT leased_until FROM batches WHERE leased_until IS NOT NULL"
    found: list[float] = []

    def is_leased() -> bool:
        found[:] = [until for (until,) in site.ledger.rows(leases)]
        return bool(found)

    worker.await_true(is_leased, "it took a batch")
    return min(found) - LEASE_SECONDS


def await_run(site: Site, worker: Process) -> None:
    """Wait until nothing is owed."""
    worker.await_true(lambda: not site.ledger.unfinished(), "the run was finished", 900)


def measure(site: Site, store: SlowStore | None) -> Measured:
    """One run of a fresh worker, which has scored eight images before."""
    with site.start("celery", "-A", "worker", "worker") as worker:
        worker.await_output(GREETED)
        site.succeed("producer", "enqueue", "warm.csv", "--new-run")
        await_run(site, worker)
        if store is not None:
            counts(store)
        before, watch = cpu_seconds(worker), Watch(worker.pid)
        with site.start("producer", "enqueue", "images.csv", "--new-run") as producer:
            began = first_lease(site, worker)
            await_run(site, worker)
            producer.await_end()
        used, run = cpu_seconds(worker) - before, newest_run(site)
        ((last,),) = site.ledger.rows(
            "SELECT max(finished_at) FROM batches WHERE run_id = :run", run=run
        )
        wanted = watch.end(began, last)
        predictions = site.ledger.predictions(run)
        assert all(row.error is None for row in predictions), predictions[0]  # noqa: S101
        share = used / (last - began) / (os.cpu_count() or 1)
        most = 0 if store is None else counts(store)
        return Measured(len(predictions) / (last - began), share, wanted, used, peak(worker), most)


def counts(store: SlowStore) -> int:
    """The most requests that waited at once since this was asked before."""
    with urlopen(f"http://127.0.0.1:{store.port}{COUNTS}") as answer:
        return int(json.load(answer)["most"])


def tell(side: str, runs: list[Measured]) -> None:
    """Print the medians of a side's runs."""
    rate, used, wanted, cpu, held, most = (median(values) for values in zip(*runs, strict=True))
    print(
        f"  {side}: {rate:.1f} images/s, utilisation {used:.2f}, work for {wanted:.2f} of the "
        f"cores; processor {cpu:.1f} s; peak {held / 1e9:.2f} GB; {most:.0f} requests at once",
        flush=True,
    )


@click.command()
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--situation", "chosen", multiple=True, type=click.Choice([*SITUATIONS]))
@click.option("--network", "networks", multiple=True, default=(TINY, "InceptionV3"))
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--copies", default=2, show_default=True, type=click.IntRange(1))
def main(
    before: Path | None,
    chosen: tuple[str, ...],
    networks: tuple[str, ...],
    rounds: int,
    copies: int,
) -> None:
    """Each situation on each network, both sides in turns."""
    print(describe_machine(), flush=True)
    work = PROJECT / ".work" / "read-ahead"
    draw_large(work / "large", LARGE, DIFFERENT)
    sides = {"now": PROJECT} if before is None else {"before": before.resolve(), "now": PROJECT}
    for network in networks:
        checkpoint = checkpoint_of(network, work)
        for key in chosen or SITUATIONS:
            print(f"{network}, {SITUATIONS[key].name}", flush=True)
            runs = one_situation(SITUATIONS[key], work, checkpoint, sides, rounds, copies)
            for side, measured in runs.items():
                tell(side, measured)


def one_situation(
    situation: Situation,
    work: Path,
    checkpoint: Path,
    sides: dict[str, Path],
    rounds: int,
    copies: int,
) -> dict[str, list[Measured]]:
    """All runs of a situation, by side."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        source = work / "large" if situation.is_large else images_folder()
        settings = {"CHECKPOINT": str(checkpoint), "TF_CPP_MIN_LOG_LEVEL": "2"}
        list_images(folder, source, copies * NAMES_OF_LARGE if situation.is_large else copies)
        store = None
        if situation.delay is not None:
            path = os.pathsep.join(map(str, (PROJECT, PROJECT / "tests" / "helpers")))
            store = start_store(Site(folder, {"PYTHONPATH": path}), source, situation.delay)
            stack.enter_context(store.process)
            settings |= store.settings
        runs: dict[str, list[Measured]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side, code in sides.items():
                site = Site(folder, {**settings, "PYTHONPATH": str(code)})
                runs[side].append(measure(site, store))
        return runs


if __name__ == "__main__":
    main()
