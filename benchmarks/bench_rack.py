"""A million images from manifest to report: four workers on a stub model, Redis and PostgreSQL.

No aim of its own: it shows that the whole path holds, and what each process and store needs.
Fewer rows: `bench_rack.py ROWS`. docs/scaling.md keeps the figures.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import psycopg
from common import describe_machine
from processes import SCRIPTS, Process, Site
from redis import Redis
from sites import BACKENDS, start_worker, stub_site, write_manifest

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
WORKERS = 4
MEGABYTE = 1_000_000


class Ended(NamedTuple):
    """A command that ended: wall seconds and peak memory in bytes."""

    seconds: float
    peak: int


def timed(site: Site, *command: str) -> Ended:
    """Run a command to its end; what it prints is dropped."""
    began = time.perf_counter()
    with (
        subprocess.Popen(  # noqa: S603 - our own commands
            [str(SCRIPTS / command[0]), *command[1:]],
            cwd=site.folder,
            env=site.environment,
            stdout=subprocess.DEVNULL,
        ) as process
    ):
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Ended(time.perf_counter() - began, usage.ru_maxrss * 1024)


def peak(pid: int) -> int:
    """The most memory that a process which runs has had, in bytes; 0 once it is gone."""
    with contextlib.suppress(OSError):
        for row in Path(f"/proc/{pid}/status").read_text().splitlines():
            if row.startswith("VmHWM"):
                return int(row.split()[1]) * 1024
    return 0


@contextlib.contextmanager
def watched(workers: list[Process]) -> Iterator[dict[int, int]]:
    """Peak memory by worker, looked at four times a second while the body runs."""
    peaks = {one.pid: 0 for one in workers}
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.25):
            for pid, known in peaks.items():
                peaks[pid] = max(known, peak(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def score(site: Site) -> tuple[float, list[int]]:
    """Four workers until nothing is owed: seconds by the ledger's times, peak memory of each."""
    with ExitStack() as stack:
        workers = [stack.enter_context(start_worker(site, "--drain")) for _ in range(WORKERS)]
        with watched(workers) as peaks:
            for one in workers:
                if one.await_end(3600):
                    raise SystemExit(one.last_words)
    ((first, last),) = site.ledger.rows("SELECT min(finished_at), max(finished_at) FROM batches")
    return float(last - first), sorted(peaks.values())


def check(site: Site) -> None:
    """Nothing lost and nothing twice: a prediction for each image is a primary key's own matter."""
    counts = site.ledger.counts()
    if not counts["images"] == counts["predictions"] == ROWS or site.ledger.unfinished():
        raise SystemExit(f"lost or doubled: {counts}")


def main() -> None:
    """Enqueue, look at the stores, score, report."""
    print(f"{ROWS:,} images, {WORKERS} workers on a stub model, {BACKENDS[1]}")
    print(describe_machine(), flush=True)
    with stub_site(BACKENDS[1]) as site:
        manifest = write_manifest(site.folder, ROWS)
        listed = timed(site, "producer", "enqueue", manifest, "--allow-missing")
        with Redis.from_url(site.settings["BROKER_URL"]) as redis:
            queue = int(redis.info("memory")["used_memory"])
        print(
            f"producer enqueue: {listed.seconds:.1f} s, {ROWS / listed.seconds:,.0f} rows/s, peak "
            f"{listed.peak / MEGABYTE:.0f} MB; Redis then holds {queue / MEGABYTE:.0f} MB",
            flush=True,
        )
        seconds, peaks = score(site)
        check(site)
        memory = ", ".join(f"{one / MEGABYTE:.0f}" for one in peaks)
        print(
            f"{WORKERS} workers: {seconds:.1f} s, {ROWS / seconds:,.0f} images/s; peak {memory} MB"
        )
        with psycopg.connect(site.settings["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        size = row[0] if row else 0
        print(f"database: {size / MEGABYTE:.0f} MB, {size / ROWS:.0f} bytes an image", flush=True)
        reported = timed(site, "report", "--threshold", "0.5")
        print(f"report: {reported.seconds:.1f} s, peak {reported.peak / MEGABYTE:.0f} MB")


if __name__ == "__main__":
    main()
