"""Queue and ledger alone: one worker on a stub model that takes no time, against bare inserts.

Aim: at least 10,000 images per second on PostgreSQL, 5,000 on SQLite. The other side is the
database alone: the same predictions, 64 in a transaction, by its driver from one process.
"""

import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from statistics import median

import psycopg
from common import describe_machine, line
from processes import Site
from sites import BACKENDS, finished, newest_run, start_worker, stub_site, write_manifest

IMAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
BATCH = 64
ROUNDS = 3
AIMS = dict(zip(BACKENDS, (5_000, 10_000), strict=True))
INSERT = (
    "INSERT INTO predictions (image_id, score, worker, scored_at) VALUES ({0}, {0}, {0}, {0}) "
    "ON CONFLICT DO NOTHING"
)
Row = tuple[int, float, str, float]


def bare_inserts(site: Site, run: int) -> float:
    """Images per second of the driver alone; what it inserted is taken back."""
    ids = [
        number for (number,) in site.ledger.rows("SELECT id FROM images WHERE run_id = :r", r=run)
    ]
    batches = [ids[start : start + BATCH] for start in range(0, len(ids), BATCH)]
    rows = ([(image, 0.5, "bare", time.time()) for image in batch] for batch in batches)
    url = site.settings.get("DATABASE_URL")
    seconds = _into_postgresql(url, rows) if url else _into_sqlite(site, rows)
    site.ledger.change("DELETE FROM predictions WHERE worker = 'bare'")
    return len(ids) / seconds


def _into_sqlite(site: Site, batches: Iterator[list[Row]]) -> float:
    with closing(sqlite3.connect(site.folder / "dermscore.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        began = time.perf_counter()
        for rows in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT.format("?"), rows)
            connection.execute("COMMIT")
        return time.perf_counter() - began


def _into_postgresql(url: str, batches: Iterator[list[Row]]) -> float:
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        began = time.perf_counter()
        for rows in batches:
            cursor.executemany(INSERT.format("%s"), rows)
            connection.commit()
        return time.perf_counter() - began


def one_worker(site: Site, run: int) -> float:
    """Images per second of a worker that drains the run, by the ledger's times."""
    with start_worker(site, "--drain") as worker:
        code = worker.await_end()
        if code:
            raise SystemExit(worker.last_words)
    return finished(site, run).rate


def main() -> None:
    """Both sides in turn on the same run, a new run each round."""
    print(f"queue and ledger alone, {IMAGES:,} images in batches of {BATCH}")
    print(describe_machine())
    for backend in BACKENDS:
        bare, whole = [], []
        with stub_site(backend) as site:
            manifest = write_manifest(site.folder, IMAGES)
            for _ in range(ROUNDS):
                site.succeed("producer", "enqueue", manifest, "--allow-missing", "--new-run")
                run = newest_run(site)
                bare.append(bare_inserts(site, run))
                whole.append(one_worker(site, run))
        print(line(f"{backend}: bare inserts", bare, "images/s"))
        print(line(f"{backend}: one worker", whole, f"images/s; aim {AIMS[backend]:,}"))
        print(f"ratio of the medians: {median(whole) / median(bare):.2f}")


if __name__ == "__main__":
    main()
