"""Faults of Redis, PostgreSQL, SQLite and the queue folder; workers must outlive them."""

import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from colours import draw_folder
from faults import Crew, Row, colour_site, crew, enqueue, predictions, recovered
from invariants import Outcome
from network import FarHost, far_host, why_no_hosts
from processes import Site, error_lines, freeze, name_if_holding
from servers import (
    PostgresServer,
    RedisServer,
    fill_disk,
    new_database,
    postgres,
    redis_server,
    small_disk,
)
from tls import proxy

EMBEDDED, ON_REDIS = "embedded + SQLite", "Redis + SQLite"
ON_POSTGRES, ON_BOTH = "embedded + PostgreSQL", "Redis + PostgreSQL"
# A batch of 16 takes half a second, and what is left of a run at its fault some four: a fault that
# takes a second or two to begin finds the run in the midst of it.
IMAGE_SECONDS = "0.03"
# A file that may not grow beyond this: less than a ledger, more than a worker's log.
SMALL_FILE = 64 * 1024
# What a worker says of a database or a broker that is away.
OUTAGES = (r"ERROR database .*; waiting for it", r"WARNING consumer: Connection to broker lost")


class Scale(NamedTuple):
    """How often the fault strikes, spread over the scoring of so many images.

    `engine` is what sites set for another engine than the stub.
    """

    times: int
    images: int
    engine: Mapping[str, str] = {}


class Strike(NamedTuple):
    """A fault, with what it is called; done, it says when it was there, by `time.time`."""

    name: str
    backend: str
    do: Callable[[], float]


def redis_faults(folder: Path, scale: Scale) -> Iterator[Row]:
    """Each fault of Redis on its own run of one site."""
    with redis_server(folder / "redis") as redis:
        site = colour_site(
            folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS, BROKER_URL=redis.url
        )
        faults = {
            "Redis restarted": (redis.stop, 1.0, redis.start),
            "Redis killed -9": (redis.kill, 1.0, redis.start),
            "Redis frozen for 10 s": (redis.freeze, 10.0, redis.thaw),
            "Redis full for 5 s": (lambda: _limit(redis, 1), 5.0, lambda: _limit(redis, 0)),
        }
        strikes = [Strike(name, ON_REDIS, _for_seconds(*fault)) for name, fault in faults.items()]
        yield from struck(site, strikes, scale)


def redis_wiped(folder: Path, scale: Scale) -> Iterator[Row]:
    """All messages are gone; the ledger misses them after half a minute."""
    with redis_server(folder / "redis") as redis:
        site = colour_site(
            folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS, BROKER_URL=redis.url
        )
        yield from struck(site, [Strike("Redis wiped", ON_REDIS, lambda: _wipe(redis))], scale)


def folder_wiped(folder: Path, scale: Scale) -> Iterator[Row]:
    """The same with the embedded broker."""
    site = colour_site(folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS)
    yield from struck(
        site, [Strike("queue folder wiped", EMBEDDED, lambda: _wipe_folder(site))], scale
    )


def postgres_faults(folder: Path, scale: Scale) -> Iterator[Row]:
    """Short faults of PostgreSQL, with the embedded broker."""
    with postgres_site(folder, scale) as (server, site):
        strikes = [
            Strike("PostgreSQL restarted", ON_POSTGRES, _for_seconds(server.stop, 0, server.start)),
            Strike("PostgreSQL killed -9", ON_POSTGRES, _for_seconds(server.kill, 1, server.start)),
            Strike("PostgreSQL connections cut", ON_POSTGRES, lambda: _cut(server)),
        ]
        yield from struck(site, strikes, scale)


def postgres_away(folder: Path, scale: Scale) -> Iterator[Row]:
    """PostgreSQL away for as long as a lease lasts; then both servers at once."""
    with redis_server(folder / "redis") as redis, postgres_site(folder, scale) as (server, site):
        both = Site(site.folder, {**site.settings, "BROKER_URL": redis.url})
        strikes = [
            Strike(
                "PostgreSQL away for 30 s", ON_BOTH, _for_seconds(server.stop, 30, server.start)
            ),
            Strike("Redis and PostgreSQL restarted", ON_BOTH, lambda: _restart(redis, server)),
        ]
        yield from struck(both, strikes, scale)


def network_cut(folder: Path, scale: Scale) -> Iterator[Row]:
    """A worker's host is cut off for longer than a lease; only root can make a host."""
    with (
        far_host() as host,
        redis_server(folder / "redis") as redis,
        postgres_site(folder, scale) as (server, site),
        proxy(host.here, redis.connect) as redis_port,
        proxy(host.here, server.connect) as postgres_port,
    ):
        near = Site(site.folder, {**site.settings, "BROKER_URL": redis.url})
        addresses = {
            "BROKER_URL": f"redis://{host.here}:{redis_port}/0",
            "DATABASE_URL": f"postgresql://postgres@{host.here}:{postgres_port}/faults",
        }
        far = Site(site.folder, {**site.settings, **addresses}, host.enter)
        with crew(near, 1) as here, crew(far, 1) as there:
            here.await_up()
            there.await_up()
            yield from _cut_off(host, here, there, scale.images)
            assert_outlived(here, 0)
            assert_outlived(there, 1)


def disks_full(folder: Path, scale: Scale) -> Iterator[Row]:
    """No room for predictions, for five seconds; only root can mount a small disk."""
    with own_folder() as here, small_disk(here / "disk", 160) as disk:
        do = _for_seconds(lambda: fill_disk(disk / "ballast"), 5, (disk / "ballast").unlink)
        with postgres_site(folder, scale, disk) as (_, site):
            yield from struck(site, [Strike("disk full", ON_POSTGRES, do)], scale)
    with small_disk(folder / "sqlite", 32) as disk:
        address = f"sqlite:///{disk / 'dermscore.db'}"
        site = colour_site(
            folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS, DATABASE_URL=address
        )
        do = _for_seconds(lambda: fill_disk(disk / "ballast"), 5, (disk / "ballast").unlink)
        yield from struck(site, [Strike("disk full", EMBEDDED, do)], scale)


def sqlite_faults(folder: Path, scale: Scale) -> Iterator[Row]:
    """The ledger's file locked by another, the queue folder read-only."""
    site = colour_site(folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS)
    strikes = [
        Strike("SQLite locked for 6 s", EMBEDDED, lambda: _lock(site, 6)),
        Strike("queue folder read-only for 3 s", EMBEDDED, lambda: _read_only(site, 3)),
    ]
    yield from struck(site, strikes, scale)


def file_limits(folder: Path, scale: Scale) -> Iterator[Row]:
    """The ledger may not grow, for five seconds: what a quota does, and needs no root."""
    site = colour_site(folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS)
    with crew(site) as workers:
        workers.await_up()
        with _held_up(workers):
            expected = enqueue(site, scale.images, "--batch-size", "16")
        strike = _for_seconds(
            lambda: _limit_files(workers, SMALL_FILE),
            5,
            lambda: _limit_files(workers, resource.RLIM_INFINITY),
        )
        began = 0.0
        for moment in _moments(scale, 0):
            _await_scored(workers, moment)
            began = strike()
        yield recovered(workers, "SQLite may not grow for 5 s", EMBEDDED, scale.times, expected)
        assert _last_finished(site, 1) > began, "it came when all was done"
        assert_outlived(workers, scale.times)


def enqueued_while_away(folder: Path, scale: Scale) -> Iterator[Row]:
    """The producer finds no Redis: one line for its user, and the workers find what is owed."""
    with redis_server(folder / "redis") as redis:
        site = colour_site(folder, **scale.engine, BROKER_URL=redis.url)
        first = enqueue(site, 16)
        with crew(site) as workers:
            recovered(workers, "none", ON_REDIS, 0, first)
            workers.await_up()
            redis.stop()
            expected = owed(site, scale.images)
            redis.start()
            name = "enqueued while Redis was away"
            yield recovered(workers, name, ON_REDIS, 1, expected, 2)
            assert_outlived(workers, 1)


def redelivered(folder: Path, scale: Scale) -> Iterator[Row]:
    """A batch takes four times as long as Redis waits for its acknowledgement."""
    with redis_server(folder / "redis") as redis:
        site = colour_site(
            folder,
            **scale.engine,
            BROKER_URL=redis.url,
            STUB_IMAGE_SECONDS="0.25",
            STUB_VISIBILITY_SECONDS="1",
        )
        expected = enqueue(site, 64, "--batch-size", "16")
        with crew(site) as workers:
            name = "batch longer than the visibility timeout"
            yield recovered(workers, name, ON_REDIS, 1, expected)
            again = sum(worker.output.count("held by another") for worker in workers.workers)
            assert again, "no message came again"
            assert site.ledger.rows("SELECT max(attempts) FROM batches") == [(1,)]


SCENARIOS: dict[str, Callable[[Path, Scale], Iterator[Row]]] = {
    function.__name__: function
    for function in (
        network_cut,
        postgres_away,
        redis_wiped,
        folder_wiped,
        enqueued_while_away,
        redis_faults,
        sqlite_faults,
        postgres_faults,
        disks_full,
        file_limits,
        redelivered,
    )
}


@cache
def cannot(name: str) -> str | None:
    """Why a scenario cannot be had here, if so."""
    if name == "network_cut":
        return why_no_hosts()
    return "only root can mount a small disk" if name == "disks_full" and os.geteuid() else None


def struck(site: Site, strikes: Sequence[Strike], scale: Scale) -> Iterator[Row]:
    """A run for each fault, one after the other, under the same two workers."""
    with crew(site) as workers:
        workers.await_up()
        for number, strike in enumerate(strikes):
            before = predictions(site)
            with _held_up(workers):
                expected = enqueue(
                    site, scale.images, "--batch-size", "16", folder=f"images{number}"
                )
            began = 0.0
            for moment in _moments(scale, before):
                _await_scored(workers, moment)
                began = strike.do()
            # PostgreSQL leaves out numbers when it recovers from a crash.
            ((run,),) = site.ledger.rows("SELECT max(id) FROM runs")
            yield recovered(workers, strike.name, strike.backend, scale.times, expected, run)
            assert _last_finished(site, run) > began, f"{strike.name} came when all was done"
            assert_outlived(workers, scale.times * (number + 1))


def assert_outlived(workers: Crew, outages: int) -> None:
    """No worker ended, and each told an outage in a line; there were so many at most."""
    assert not workers.ended, workers.last_words
    for worker in workers.workers:
        assert "Traceback" not in worker.output, worker.output
        for pattern in OUTAGES:
            told = re.findall(pattern, worker.output)
            assert len(told) <= outages, worker.output


def owed(site: Site, images: int) -> dict[str, Outcome]:
    """Enqueue where the broker is away; returns path to score."""
    expected: dict[str, Outcome] = dict(draw_folder(site.folder, range(images), "later"))
    done = site.run("producer", "enqueue", "later")
    assert done.code == 1, done
    (line,) = error_lines(done.stderr)
    assert "BROKER_URL" in line, done
    assert "workers find the batches in the ledger" in line, done
    assert "Traceback" not in done.stderr
    assert len(site.ledger.images(2)) == images
    return expected


@contextmanager
def own_folder() -> Iterator[Path]:
    """For PostgreSQL; pytest's own folder another pytest would close to the server's user."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def postgres_site(
    folder: Path, scale: Scale, disk: Path | None = None
) -> Iterator[tuple[PostgresServer, Site]]:
    """A PostgreSQL of its own, which only this scenario breaks, and a site on it."""
    with ExitStack() as opened:
        place = disk or opened.enter_context(own_folder())
        server = opened.enter_context(postgres(place / "data"))
        address = new_database(server.uri, "faults")
        yield (
            server,
            colour_site(
                folder, **scale.engine, STUB_IMAGE_SECONDS=IMAGE_SECONDS, DATABASE_URL=address
            ),
        )


def _moments(scale: Scale, before: int) -> list[float]:
    """After how many predictions to strike, spread over the first half of a run."""
    return [before + scale.images * (at + 0.5) / scale.times / 2 for at in range(scale.times)]


@contextmanager
def _held_up(workers: Crew) -> Iterator[None]:
    """The workers do not begin before the producer has come to its end."""
    for worker in workers.workers:
        freeze(worker, workers.site.ledger)
    yield
    for worker in workers.workers:
        worker.send(signal.SIGCONT)


def _cut_off(host: FarHost, here: Crew, there: Crew, images: int) -> Iterator[Row]:
    """The worker `here` does alone what both had begun; back again, `there` does a run alone."""
    (far,) = there.workers
    with _held_up(here), _held_up(there):
        expected = enqueue(here.site, images, "--batch-size", "16")
    _await_scored(here, images / 4)
    here.await_true(lambda: name_if_holding(far, here.site.ledger), "the far one held a batch")
    host.cut()
    yield recovered(here, "network of a worker cut", ON_BOTH, 1, expected)
    host.mend()
    began = time.time()
    with _held_up(here):
        expected = enqueue(here.site, images, "--batch-size", "16", folder="more")
        name = "network there again after so long"
        yield recovered(there, name, ON_BOTH, 1, expected, 2, since=began)


def _last_finished(site: Site, run: int) -> float:
    """When the run's last batch was finished, in seconds since 1970."""
    ((last,),) = site.ledger.rows(
        "SELECT max(finished_at) FROM batches WHERE run_id = :run", run=run
    )
    return float(last)


def _await_scored(workers: Crew, images: float) -> None:
    workers.await_true(lambda: predictions(workers.site) >= images, f"{images} were scored")


def _for_seconds(
    begin: Callable[[], object], seconds: float, end: Callable[[], object]
) -> Callable[[], float]:
    def fault() -> float:
        begin()
        began = time.time()
        time.sleep(seconds)  # how long the fault lasts: nothing to await
        end()
        return began

    return fault


def _limit(redis: RedisServer, limit: int) -> None:
    with redis.client() as client:
        client.config_set("maxmemory", limit)


def _wipe(redis: RedisServer) -> float:
    with redis.client() as client:
        client.flushall()
    return time.time()


def _cut(server: PostgresServer) -> float:
    assert server.cut_connections("faults") > 0
    return time.time()


def _restart(redis: RedisServer, server: PostgresServer) -> float:
    redis.stop()
    server.stop()
    began = time.time()
    time.sleep(2)
    server.start()
    redis.start()
    return began


def _lock(site: Site, seconds: float) -> float:
    with closing(sqlite3.connect(site.folder / "dermscore.db", timeout=60)) as other:
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        began = time.time()
        time.sleep(seconds)
        other.execute("ROLLBACK")
        return began


def _limit_files(workers: Crew, limit: int) -> None:
    for worker in workers.workers:
        _, hard = resource.prlimit(worker.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (limit, hard))


def _wipe_folder(site: Site) -> float:
    away = site.folder / "dermscore.wiped"
    (site.folder / "dermscore.queue").rename(away)  # at once: workers make it anew
    shutil.rmtree(away)
    return time.time()


def _read_only(site: Site, seconds: float) -> float:
    """For root, whom no permission hinders, by mounting the folder upon itself."""
    queue = site.folder / "dermscore.queue"
    if os.geteuid():
        folders = [queue, *(path for path in queue.rglob("*") if path.is_dir())]
        do = _for_seconds(lambda: _chmod(folders, 0o555), seconds, lambda: _chmod(folders, 0o755))
        return do()
    subprocess.run(["mount", "--bind", queue, queue], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", queue], check=True)
        began = time.time()
        time.sleep(seconds)
        return began
    finally:
        subprocess.run(["umount", "--lazy", queue], check=True)


def _chmod(folders: Sequence[Path], mode: int) -> None:
    for folder in folders:
        folder.chmod(mode)
