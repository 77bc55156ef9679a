"""`report import-scores` of a million rows against plain pandas: `read_csv`, `merge`, `to_sql`.

Aim: at least 40,000 rows per second into SQLite and PostgreSQL alike, under 1 GB. Both are whole
processes, imports included, on the same two files, whose rows stand in different orders. The plain
side checks nothing and leaves one flat table without an index, which no report could be made of.
PostgreSQL and SQLite are as durable as they come (fsync on). Fewer rows: `bench_import.py ROWS`.
"""

import csv
import itertools
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from common import describe_machine, line
from servers import new_database, postgres_server
from sqlalchemy import make_url

from db.session import open_database

ROWS = 1_000_000
ROUNDS = 3
REPORT = str(Path(sys.executable).parent / "report")
IMPORT = [REPORT, "import-scores", "scores.csv", "--truth", "truth.csv", "--name", "benchmark"]
PLAIN = """
import sys
import pandas
from sqlalchemy import create_engine
frame = pandas.read_csv("truth.csv").merge(pandas.read_csv("scores.csv"), on="image_id", how="left")
frame.to_sql("scores", create_engine(sys.argv[1]), index=False, chunksize=10_000)
"""


class Cost(NamedTuple):
    """Of a whole process; `cpu` is its user and system time, without the server's."""

    seconds: float
    cpu: float
    peak_mb: float


def write_inputs(folder: Path, rows: int) -> None:
    """A truth in the style of the ISIC archive, and its scores shuffled."""
    ids = [f"ISIC_{at:07d}" for at in range(rows)]
    with (folder / "truth.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "label", "age_approx", "sex"])
        for at, image in enumerate(ids):
            writer.writerow([image, int(at % 5 == 0), 20 + at % 60, ("female", "male")[at % 2]])
    draw = random.Random(7)  # noqa: S311 - no secret
    draw.shuffle(ids)
    with (folder / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image_id", "melanoma"])
        writer.writerows([image, draw.random()] for image in ids)


def cost(command: Sequence[str], folder: Path, database: str) -> Cost:
    """Run a command to its end."""
    began = time.perf_counter()
    environment = {**os.environ, "DATABASE_URL": database}
    with subprocess.Popen(  # noqa: S603
        command, cwd=folder, env=environment, stdout=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return Cost(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def ours(folder: Path, database: str) -> Cost:
    """The command into an empty ledger, whose schema is not counted."""
    open_database(database).close()
    return cost(IMPORT, folder, database)


def plain(folder: Path, database: str) -> Cost:
    """Pandas into an empty database."""
    address = make_url(database)
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    url = address.render_as_string(hide_password=False)
    return cost([sys.executable, "-c", PLAIN, url], folder, database)


def compare(name: str, folder: Path, rows: int, fresh: Callable[[], str]) -> None:
    """Both sides in turn, each into a database of its own."""
    rounds = [(plain(folder, fresh()), ours(folder, fresh())) for _ in range(ROUNDS)]
    for what, costs in zip(("pandas", "import-scores"), zip(*rounds, strict=True), strict=True):
        print(line(f"{name}: {what}", [rows / one.seconds for one in costs], "rows/s"))
        print(line(f"{name}: {what}, CPU time", [one.cpu for one in costs], "s"))
        print(line(f"{name}: {what}, peak memory", [one.peak_mb for one in costs], "MB"))
    pandas, whole = (median(one.seconds for one in costs) for costs in zip(*rounds, strict=True))
    print(
        f"{name}: import-scores takes {whole / pandas:.2f} times pandas' seconds "
        "(aim: 40,000 rows/s, 1 GB)",
        flush=True,
    )


def main() -> None:
    """SQLite, then PostgreSQL."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    numbers = itertools.count()
    print(f"importing scores of {rows:,} images\n{describe_machine()}", flush=True)
    with (
        tempfile.TemporaryDirectory() as name,
        postgres_server(Path(name) / "postgres", durable=True) as uri,
    ):
        folder = Path(name)
        write_inputs(folder, rows)
        compare("SQLite", folder, rows, lambda: f"sqlite:///{folder}/{next(numbers)}.db")
        compare("PostgreSQL", folder, rows, lambda: new_database(uri, f"bench_{next(numbers)}"))


if __name__ == "__main__":
    main()
