"""`report export` of a million predictions as CSV against the driver's own rows through `csv`.

Aim: under 20 s on SQLite and PostgreSQL alike. Both are whole processes, imports included, on the
same ledger. The bare side reads the same columns in the same order, and writes them as they come.
Fewer rows: `bench_export.py IMAGES`.
"""

import sys
from pathlib import Path
from statistics import median

from bench_report import IMAGES, cost, fill
from common import describe_machine, line
from sites import both_databases

ROUNDS = 3
EXPORT = [str(Path(sys.executable).parent / "report"), "export", "1"]
BARE = """
import csv, sys
query = (
    "SELECT path, label, score, error, detail, image_digest, attributes "
    "FROM images JOIN predictions ON image_id = images.id WHERE run_id = 1 ORDER BY images.id"
)
if sys.argv[1].startswith("sqlite"):
    import sqlite3
    rows = sqlite3.connect(sys.argv[1].removeprefix("sqlite:///")).execute(query)
else:
    import psycopg
    rows = psycopg.connect(sys.argv[1]).cursor("rows")
    rows.itersize = 10_000
    rows.execute(query)
csv.writer(sys.stdout).writerows(rows)
"""


def compare(name: str, url: str) -> None:
    """Both sides in turn, after one round each that is not counted."""
    fill(url, IMAGES)
    plain = [sys.executable, "-c", BARE, url]
    rounds = [(cost(plain, url), cost(EXPORT, url)) for _ in range(ROUNDS + 1)][1:]
    bare, ours = zip(*rounds, strict=True)
    print(line(f"{name}: bare rows", [one.seconds for one in bare], "s"))
    print(line(f"{name}: report export", [one.seconds for one in ours], "s; aim: 20"))
    ratio = median(one.seconds for one in ours) / median(one.seconds for one in bare)
    print(f"{name}: ratio of the medians {ratio:.2f}")
    print(line(f"{name}: peak", [one.peak_mb for one in ours], "MB"), flush=True)


def main() -> None:
    """SQLite, then PostgreSQL."""
    print(f"report export of {IMAGES:,} predictions\n{describe_machine()}", flush=True)
    with both_databases() as databases:
        for name, url in databases.items():
            compare(name, url)


if __name__ == "__main__":
    main()
