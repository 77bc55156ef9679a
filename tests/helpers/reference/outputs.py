"""Small runs in a ledger of their own, and what `--format json` prints of them."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from click.testing import CliRunner
from sqlalchemy import update
from stored import Stored, bytes_of, store_run

from db.queries.refusals import Wanted, note_refusal
from db.queries.speeds import Machine, Rates, note_speed
from db.session import open_database
from db.tables import Batch, Image, Worker
from producer.cli import main as producer
from report.cli import main as report

AT = ("--threshold", "0.5", "--format", "json")
CLASSES = {"classes": ["mel", "NV", "df"], "positive": ["mel"]}
MEL, NV = (0.75, 0.25, 0.0), (0.125, 0.625, 0.25)
CARD = {"threshold": {"value": 0.4, "how": "chosen"}}


def reports() -> list[dict[str, Any]]:
    """Runs with and without errors, labels, classes, groups, clusters; imported and combined."""
    with _ledger() as folder:
        url = os.environ["DATABASE_URL"]
        plain = store_run(url, list(_images()), card=CARD, name="plain")
        of_classes = store_run(url, list(_images(probable=True)), card=CLASSES, digest="cd" * 32)
        one_class = store_run(url, [Stored("0.jpg", 1, 0.9)], digest="ef" * 32)
        perfect = store_run(
            url,
            [Stored(f"{at}.jpg", at % 2, 0.9 - 0.8 * (at % 2 == 0)) for at in range(20)],
            digest="01" * 32,
        )
        large = store_run(url, list(_many()), card=CLASSES, name="large", digest="45" * 32)
        folders = store_run(url, list(_of_folders()), name="folders", digest="23" * 32)
        with closing(open_database(url)) as database, database.write() as session:
            session.execute(update(Image).where(Image.run_id == plain).values(gone_at=1.0))
        (folder / "scores.csv").write_text(
            "image,score\n" + "".join(f"{at},0.{at % 9 + 1}\n" for at in range(30))
        )
        (folder / "truth.csv").write_text(
            "image,label\n" + "".join(f"{at},{at % 2}\n" for at in range(32))
        )
        _run("import-scores", "scores.csv", "--truth", "truth.csv", "--name", "theirs")
        _run("combine", str(plain), str(perfect), "--name", "both", allowed=True)
        _run("choose-threshold", str(plain), "--target-sensitivity", "0.9", allowed=True)
        asked = [
            (str(plain), *AT),
            (str(plain), "--format", "json"),
            (str(plain), *AT, "--by", "sex", "--prevalence", "0.02"),
            (str(large), *AT, "--by", "sex"),
            (str(large), *AT, "--classes", "dx"),
            (str(plain), *AT, "--cluster", "lesion"),
            (str(plain), *AT, "--per", "lesion"),
            (str(plain), *AT, "--unique"),
            (str(of_classes), *AT, "--classes", "dx"),
            (str(one_class), *AT),
            (str(folders), *AT),
            (str(perfect), *AT),
            (str(perfect), "--format", "json", "--threshold-from", str(plain)),
            ("theirs", *AT),
            ("both", *AT),
        ]
        return [found for words in asked if (found := _run(*words, allowed=True)) is not None]


def statuses() -> list[dict[str, Any]]:
    """A run that is finished, and one that waits while a worker refuses its checkpoint."""
    with _ledger():
        url = os.environ["DATABASE_URL"]
        store_run(url, list(_images()), name="done")
        part = [Stored(f"{at}.jpg", 1, 0.5 if at < 64 else None) for at in range(128)]
        begun = store_run(url, part, digest="ef" * 32)
        waits = store_run(url, [Stored("0.jpg", 1, None)], digest="cd" * 32)
        empty = _status()
        with closing(open_database(url)) as database, database.write() as session:
            session.add(Worker(name="one@host 1"))
            wanted = Wanted("cd" * 32, "float32")
            note_refusal(session, "one@host 1", wanted, "a reason")
            note_speed(session, wanted, Machine("host", "a processor"), Rates(10.0, 20.0))
            batch = session.get(Batch, (waits, 1))
            assert batch is not None
            batch.worker, batch.leased_until = "one@host 1", time.time() + 30
            first = session.get(Batch, (begun, 1))
            assert first is not None
            first.worker = "one@host 1"
        return [empty, _status()]


def _images(*, probable: bool = False) -> Iterator[Stored]:
    for at in range(60):
        label = at % 2 if at < 56 else None
        score: float | str = (at * 37 % 100) / 100 if at != 3 else "corrupt"
        given = {
            "sex": ("f", "m", "")[at // 2 % 3],
            "lesion": str(at // 2),
            "dx": ("nv", "mel")[at % 2],
        }
        classes = (NV, MEL)[at % 2] if probable and at != 3 else None
        yield Stored(f"{at}.jpg", label, score, given, bytes_of(at // 4 * 2 + at % 2), classes)


def _many() -> Iterator[Stored]:
    """Enough images of each class and group for every interval; a few of a class not asked for."""
    for at in range(400):
        label = at % 2
        score = ((at * 37) % 100 + 40 * label) / 200
        rest = (1 - score) / 2
        given = {"sex": ("f", "m")[at // 2 % 2], "dx": ("nv", "mel", "df", "mel")[at % 4]}
        if at % 40 == 6:
            given["dx"] = "bcc"
        yield Stored(f"{at}.jpg", label, score, given, bytes_of(at), (score, rest, rest))


def _of_folders() -> Iterator[Stored]:
    """Class folders, with two copies of one image and one of both labels."""
    for at in range(8):
        folder = ("nevus", "melanoma")[at % 2]
        yield Stored(f"data/test/{folder}/{at}.jpg", at % 2, at / 8, digest=bytes_of(max(at, 3)))


def _run(*words: str, allowed: bool = False) -> dict[str, Any] | None:
    done = CliRunner().invoke(report, words, prog_name="report")
    assert allowed or done.exit_code == 0, done.output
    if done.exit_code:
        print(words, done.output[-300:])
    return json.loads(done.stdout) if "json" in words and done.stdout else None


def _status() -> dict[str, Any]:
    done = CliRunner().invoke(producer, ("status", "--format", "json"), prog_name="producer")
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def _ledger() -> Iterator[Path]:
    """An empty folder that holds the ledger and is the working directory."""
    kept: Mapping[str, str] = dict(os.environ)
    before = Path.cwd()
    with TemporaryDirectory() as name:
        os.environ["DATABASE_URL"] = f"sqlite:///{name}/ledger.db"
        os.chdir(name)
        try:
            yield Path(name)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(kept)
