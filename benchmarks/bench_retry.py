"""`producer retry` of a million images, all missing, against a bare DELETE of as many rows.

Aim: under 30 s on SQLite and PostgreSQL alike, its messages to the embedded broker included. The
run is the second of its ledger, and newer than PostgreSQL's statistics. PostgreSQL and SQLite are
as durable as they come (fsync on). Fewer images: `bench_retry.py IMAGES`.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from bench_report import IMAGES, fill
from common import describe_machine
from sites import both_databases
from sqlalchemy import text

from db.session import open_database

RETRY = [str(Path(sys.executable).parent / "producer"), "retry", "2", "--error", "missing"]
# `fill` scores every image and leaves batches to whom they concern.
BATCHES = """
INSERT INTO batches (run_id, number, attempts, finished_at)
SELECT DISTINCT run_id, batch, 1, 1.7e9 + batch FROM images
"""
MISSING = """
UPDATE predictions SET score = NULL, error = 'missing'
WHERE image_id IN (SELECT id FROM images WHERE run_id = 2)
"""
BARE = "DELETE FROM predictions WHERE error IS NULL"


def change(url: str, *statements: str) -> float:
    """Seconds for these statements in one transaction."""
    with closing(open_database(url)) as database:
        began = time.perf_counter()
        with database.write() as session:
            for statement in statements:
                session.execute(text(statement))
        return time.perf_counter() - began


def retry(url: str, queue: str) -> float:
    """Seconds of the command, as a process of its own."""
    began = time.perf_counter()
    subprocess.run(  # noqa: S603
        RETRY, env={**os.environ, "DATABASE_URL": url, "QUEUE_DIR": queue}, check=True
    )
    return time.perf_counter() - began


def compare(name: str, url: str) -> None:
    """The command, then the bare side on the other run's predictions."""
    fill(url, IMAGES)
    fill(url, IMAGES, analyse=False)
    change(url, BATCHES, MISSING)
    with tempfile.TemporaryDirectory() as queue:
        ours = retry(url, queue)
    bare = change(url, BARE)
    print(
        f"{name}: retry {ours:.1f} s (aim: 30); bare DELETE {bare:.1f} s; ratio {ours / bare:.2f}",
        flush=True,
    )


def main() -> None:
    """SQLite, then PostgreSQL."""
    print(f"producer retry of {IMAGES:,} images\n{describe_machine()}", flush=True)
    with both_databases() as databases:
        for name, url in databases.items():
            compare(name, url)


if __name__ == "__main__":
    main()
