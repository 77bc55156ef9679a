"""`producer enqueue` of a manifest of a million rows against bare bulk inserts of the same rows.

Aim: at least 50,000 rows per second into SQLite and PostgreSQL alike, messages included, under
300 MB; and the same manifest again as a second run (`--new-run`), which PostgreSQL's statistics do
not know, within 1.2 times the seconds of the first. The same manifest again, of which nothing has
changed, is measured too. The bare side parses the rows with `csv.reader` and puts them into an
empty ledger with the driver's own executemany or COPY, in one transaction, and sends no messages.
PostgreSQL and SQLite are as durable as they come (fsync on). Fewer rows: `bench_enqueue.py ROWS`.
"""

import csv
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import psycopg
from common import describe_machine, line
from processes import stub_checkpoint
from servers import RedisServer, new_database, postgres_server, redis_server

from db.queries.runs import add_checkpoint
from db.session import open_database
from db.tables import Run

ROWS = 1_000_000
BATCH = 64
INSERT = "INSERT INTO images (run_id, batch, path, label, attributes) VALUES (?, ?, ?, ?, ?)"
COPY = "COPY images (run_id, batch, path, label, attributes) FROM STDIN"
PRODUCER = str(Path(sys.executable).parent / "producer")

Row = tuple[int, int, str, int, str]


class Enqueued(NamedTuple):
    """One run of the producer: seconds until all is listed, and published; its peak memory."""

    listed: float
    total: float
    peak_mb: float


def write_inputs(folder: Path, rows: int) -> None:
    """A manifest in the style of the ISIC archive, and a checkpoint that is a file with a card."""
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["filepath", "label", "age_approx", "sex"])
        for at in range(rows):
            name = f"images/{at // 10_000:04d}/ISIC_{at:07d}.jpg"
            writer.writerow([name, int(at % 5 == 0), 20 + at % 60, ("female", "male")[at % 2]])
    stub_checkpoint(folder, name="any.keras")


def enqueue(folder: Path, database: str, broker: str, *options: str) -> Enqueued:
    """The command as a process of its own; its own lines say when listing ended."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "DATABASE_URL": database}
    environment |= {"BROKER_URL": broker, "QUEUE_DIR": str(folder / f"queue-{time.time_ns()}")}
    began = time.perf_counter()
    command = [PRODUCER, "enqueue", "manifest.csv", "--allow-missing", "--checkpoint", "any.keras"]
    command += options
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE) as process:  # noqa: S603
        output = process.stdout or sys.stdin.buffer  # for mypy: there is a pipe
        output.readline()  # run 1: 1000000 images ...
        listed = time.perf_counter() - began
        output.read()
        _, status, usage = os.wait4(process.pid, 0)
        total = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"producer ended with {process.returncode}")
    return Enqueued(listed, total, usage.ru_maxrss / 1024)


def bare(folder: Path, database: str) -> float:
    """Seconds for the same rows into an empty ledger, past everything of ours but its tables."""
    run_id = empty_run(database)
    began = time.perf_counter()
    with (folder / "manifest.csv").open(newline="") as file:
        if database.startswith("sqlite"):
            bare_sqlite(database.removeprefix("sqlite:///"), parsed(file, run_id))
        else:
            bare_postgres(database, parsed(file, run_id))
    return time.perf_counter() - began


def empty_run(database: str) -> int:
    """The number of a run that lists nothing, in a new ledger."""
    ledger = open_database(database)
    with ledger.write() as session:
        checkpoint = add_checkpoint(session, "0" * 64, "any.keras", {})
        run = Run(source="m", checkpoint_id=checkpoint.id, precision="float32", batch_size=BATCH)
        session.add(run)
        session.flush()
        run_id = run.id
    ledger.close()
    return run_id


def parsed(file: Iterator[str], run_id: int) -> Iterator[Row]:
    """Rows of the table `images`."""
    reader = csv.reader(file)
    next(reader)
    for at, (path, label, age, sex) in enumerate(reader):
        yield run_id, at // BATCH, path, int(label), json.dumps({"age_approx": age, "sex": sex})


def bare_sqlite(file: str, rows: Iterator[Row]) -> None:
    """One executemany, as durable as the ledger: WAL, synchronous=FULL."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(INSERT, rows)
    connection.execute("COMMIT")
    connection.close()


def bare_postgres(uri: str, rows: Iterator[Row]) -> None:
    """One COPY."""
    with (
        psycopg.connect(uri) as connection,
        connection.cursor() as cursor,
        cursor.copy(COPY) as copy,
    ):
        for row in rows:
            copy.write_row(row)


def analyse(database: str) -> None:
    """What PostgreSQL does by itself within a minute of such an insert."""
    if not database.startswith("sqlite"):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("ANALYZE")


def compare(folder: Path, rows: int, fresh: Callable[[], str], redis: RedisServer) -> None:
    """The bare side before and after the producer with each broker, each into a new ledger."""
    bares = [bare(folder, fresh())]
    done, unchanged, again = {}, {}, {}
    for broker, url in (("embedded broker", ""), ("Redis", redis.url)):
        database = fresh()
        done[broker] = enqueue(folder, database, url)
        unchanged[broker] = enqueue(folder, database, url)
        analyse(database)
        again[broker] = enqueue(folder, database, url, "--new-run")
        bares.append(bare(folder, fresh()))
    print(line("  bare bulk insert", [rows / seconds for seconds in bares], "rows/s"))
    for broker, result in done.items():
        messages = -(-rows // BATCH) / (result.total - result.listed)
        print(
            f"  producer, {broker}: {rows / result.total:,.0f} rows/s (aim: 50,000); listing "
            f"{rows / result.listed:,.0f} rows/s, then {messages:,.0f} messages/s; peak "
            f"{result.peak_mb:.0f} MB (aim: 300); {result.total / mean(bares):.2f} times the "
            f"bare insert's seconds, listing alone {result.listed / mean(bares):.2f}"
        )
        same = unchanged[broker]
        print(
            f"  the same again, nothing changed, {broker}: {rows / same.total:,.0f} rows/s, peak "
            f"{same.peak_mb:.0f} MB; listing alone {rows / same.listed:,.0f} rows/s"
        )
        second = again[broker]
        print(
            f"  the same as a second run, {broker}: {rows / second.total:,.0f} rows/s, peak "
            f"{second.peak_mb:.0f} MB; {second.total / result.total:.2f} times the first run's "
            f"seconds (aim: 1.2), listing alone {second.listed / result.listed:.2f}"
        )


def main() -> None:
    """Both databases, both brokers."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    numbers = itertools.count()
    print(f"enqueueing a manifest of {rows:,} rows\n{describe_machine()}", flush=True)
    with (
        tempfile.TemporaryDirectory() as name,
        redis_server(Path(name) / "redis") as redis,
        postgres_server(Path(name) / "postgres", durable=True) as uri,
    ):
        folder = Path(name)
        write_inputs(folder, rows)
        print("SQLite", flush=True)
        compare(folder, rows, lambda: f"sqlite:///{folder}/{next(numbers)}.db", redis)
        print("PostgreSQL, fsync on", flush=True)
        compare(folder, rows, lambda: new_database(uri, f"bench_{next(numbers)}"), redis)


if __name__ == "__main__":
    main()
