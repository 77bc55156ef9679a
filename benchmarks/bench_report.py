"""`report` on a million predictions against bare `pandas.read_sql` and `roc_auc_score`.

Aim: at most 2 times its seconds, under 1 GB. Both are whole processes, imports included, on the
same ledger; the bare side computes one figure, the report all of them. Then a run of 600 images,
which must take under two seconds. Then the same with `--by` and `--cluster`, on a run whose images
have attributes: at most 3 times the plain report, under 1.5 GB. Fewer rows: `bench_report.py
IMAGES`; only the last part: `bench_report.py IMAGES attributes`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import NamedTuple

from common import describe_machine, line
from sites import both_databases
from sqlalchemy import make_url, text

from db.connection.bulk import ImageRow, insert_images
from db.queries.runs import add_checkpoint
from db.session import open_database
from db.tables import Run

IMAGES = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ONLY_ATTRIBUTES = sys.argv[2:] == ["attributes"]
DEMO = 600
ROUNDS = 5
# Any spread of scores does; those of malignant images lie a little higher.
PREDICTIONS = """
INSERT INTO predictions (image_id, score, worker)
SELECT id, (id * 2654435761 % 1000003 / 1000003.0 + 0.3 * label) / 1.3, 'benchmark' FROM images
WHERE run_id = :run
"""
REPORT = [str(Path(sys.executable).parent / "report"), "--threshold", "0.5"]
BARE = """
import sys
import pandas
from sklearn.metrics import roc_auc_score
from sqlalchemy import create_engine
frame = pandas.read_sql(
    "SELECT label, score FROM images JOIN predictions ON image_id = images.id WHERE run_id = 1",
    create_engine(sys.argv[1]),
)
print(roc_auc_score(frame["label"], frame["score"]))
"""


class Cost(NamedTuple):
    """Of a whole process."""

    seconds: float
    peak_mb: float


def fill(url: str, images: int, *, analyse: bool = True, attributes: bool = False) -> int:
    """A scored run of so many images, a fifth of them malignant; returns its number.

    With attributes, three images are of each lesion.
    """
    with closing(open_database(url)) as database:
        with database.write() as session:
            checkpoint = add_checkpoint(session, "0" * 64, "any.keras", {})
            run = Run(source="any", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
            session.add(run)
            session.flush()
            given = _attributes if attributes else lambda _: None
            rows = (
                ImageRow(run.id, at // 64, f"images/{at:07d}.jpg", int(at % 5 == 0), given(at))
                for at in range(images)
            )
            insert_images(session, rows)
            session.execute(text(PREDICTIONS), {"run": run.id})
            number = run.id
        if analyse and not url.startswith("sqlite"):
            # What PostgreSQL does by itself within a minute of such an insert.
            with database.engine.connect() as connection:
                connection.exec_driver_sql("ANALYZE")
                connection.commit()
        return number


def _attributes(at: int) -> str:
    """As many as ISIC's metadata have."""
    sex, site = ("female", "male")[at % 2], ("torso", "arm", "leg")[at // 7 % 3]
    return json.dumps(
        {
            "lesion_id": f"IL_{at // 3:07d}",
            "sex": sex,
            "age_approx": str(at % 18 * 5),
            "anatom_site_general": site,
            "diagnosis": "nevus",
        }
    )


def cost(command: Sequence[str], url: str) -> Cost:
    """Run a command to its end."""
    began = time.perf_counter()
    environment = {**os.environ, "DATABASE_URL": url}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return Cost(seconds, usage.ru_maxrss / 1024)


def compare(name: str, url: str) -> None:
    """Both sides in turn, after one round each that is not counted."""
    run, demo = str(fill(url, IMAGES)), str(fill(url, DEMO))
    driver = make_url(url)
    if driver.drivername == "postgresql":
        driver = driver.set(drivername="postgresql+psycopg")
    plain = [sys.executable, "-c", BARE, driver.render_as_string(hide_password=False)]
    whole = [*REPORT, "--run", run]
    rounds = [(cost(plain, url), cost(whole, url)) for _ in range(ROUNDS + 1)][1:]
    bare, ours = zip(*rounds, strict=True)
    print(line(f"{name}: bare read_sql + roc_auc_score", [one.seconds for one in bare], "s"))
    print(line(f"{name}: report", [one.seconds for one in ours], "s"))
    ratio = median(one.seconds for one in ours) / median(one.seconds for one in bare)
    print(f"{name}: ratio of the medians {ratio:.2f} (aim: at most 2)")
    print(line(f"{name}: peak of the bare side", [one.peak_mb for one in bare], "MB"))
    print(line(f"{name}: peak of report", [one.peak_mb for one in ours], "MB; aim: 1000"))
    small = [cost([*REPORT, "--run", demo], url).seconds for _ in range(ROUNDS)]
    print(line(f"{name}: report on {DEMO} images", small, "s; aim: 2"), flush=True)


def compare_attributes(name: str, url: str) -> None:
    """The report of a run with attributes, plain, by sex, by lesion, and both."""
    run = [*REPORT, "--run", str(fill(url, IMAGES, attributes=True))]
    by, cluster = ["--by", "sex"], ["--cluster", "lesion_id"]
    sides = {"report": [], "--by": by, "--cluster": cluster, "both": by + cluster}
    rounds = [{what: cost([*run, *more], url) for what, more in sides.items()} for _ in range(3)]
    plain = median(each["report"].seconds for each in rounds)
    for what in sides:
        seconds = [each[what].seconds for each in rounds]
        print(line(f"{name}, attributes: {what}", seconds, "s"))
        print(f"{name}, attributes: {what}: {median(seconds) / plain:.2f} times the plain report")
        print(line(f"{name}, attributes: {what}", [each[what].peak_mb for each in rounds], "MB"))


def main() -> None:
    """SQLite, then PostgreSQL."""
    print(f"report on {IMAGES:,} predictions\n{describe_machine()}", flush=True)
    with both_databases() as databases:
        for name, url in databases.items():
            if not ONLY_ATTRIBUTES:
                compare(name, url)
            compare_attributes(name, url)


if __name__ == "__main__":
    main()
