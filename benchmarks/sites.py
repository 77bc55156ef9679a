"""Workers on a stub model, over both pairs of broker and database, for the benchmarks."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from common import PROJECT
from processes import Process, Site, stub_checkpoint
from servers import new_database, postgres_server, redis_server

BACKENDS = ("embedded broker + SQLite", "Redis + PostgreSQL")


@contextmanager
def both_databases() -> Iterator[dict[str, str]]:
    """Name to address of an empty SQLite file and an empty database of PostgreSQL, with fsync."""
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_server(Path(name) / "postgres", durable=True) as uri,
    ):
        yield {
            "SQLite": f"sqlite:///{name}/ledger.db",
            "PostgreSQL": new_database(uri, "benchmark"),
        }


class Finished(NamedTuple):
    """What a run's batches say: images finished after the first batch, and in how many seconds."""

    images: int
    seconds: float

    @property
    def rate(self) -> float:
        """Images per second."""
        return self.images / self.seconds


@contextmanager
def stub_site(backend: str, **settings: str) -> Iterator[Site]:
    """A folder with a checkpoint for the stub; on PostgreSQL with fsync, as in earnest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = os.pathsep.join(
            [str(PROJECT), str(PROJECT / "tests" / "helpers"), str(PROJECT / "benchmarks")]
        )
        checkpoint = stub_checkpoint(folder)
        settings = {"CHECKPOINT": str(checkpoint), "PYTHONPATH": path, **settings}
        if backend == BACKENDS[0]:
            yield Site(folder, settings)
            return
        with (
            redis_server(folder / "redis") as redis,
            postgres_server(folder / "postgres", durable=True) as uri,
        ):
            address = new_database(uri, "benchmark")
            yield Site(folder, {"BROKER_URL": redis.url, "DATABASE_URL": address, **settings})


def write_manifest(folder: Path, images: int) -> str:
    """A manifest of images that need not exist; returns its name."""
    rows = "".join(f"images/{at:07d}.jpg,{at % 2}\n" for at in range(images))
    (folder / "manifest.csv").write_text(f"path,label\n{rows}")
    return "manifest.csv"


def start_worker(site: Site, *options: str, module: str = "stub_worker") -> Process:
    """A worker on the stub model."""
    return site.start("celery", "-A", module, "worker", *options)


def finished(site: Site, run: int) -> Finished:
    """The throughput of a finished run by the ledger's own times: start-up is left out."""
    ((first, last),) = site.ledger.rows(
        "SELECT min(finished_at), max(finished_at) FROM batches WHERE run_id = :run", run=run
    )
    ((images,),) = site.ledger.rows(
        "SELECT count(*) FROM images JOIN batches ON batches.run_id = images.run_id AND "
        "number = batch WHERE images.run_id = :run AND finished_at > :first",
        run=run,
        first=first,
    )
    return Finished(images, last - first)


def newest_run(site: Site) -> int:
    """The number of the run enqueued last."""
    ((run,),) = site.ledger.rows("SELECT max(id) FROM runs")
    return int(run)
