"""Images that a checkpoint was trained on flatter it: the report counts them and says so."""

import json
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.queries.results import count_digests
from db.session import Database, open_database
from db.tables import Run
from report.cli import main

WARNING = "warning: the checkpoint was trained on 2 of the 3 scored images"


class Stored(NamedTuple):
    """What a worker found: the image's bytes, named by a number, and its score or none."""

    content: int | None
    score: float | None = 0.5


def digest(content: int) -> str:
    return sha256(str(content).encode()).hexdigest()


def store(database: Database, images: Sequence[Stored], trained_on: Sequence[int] | None) -> int:
    """A finished run; an image without score could not be read. Returns the run's number."""
    card = {} if trained_on is None else {"data": {"images": [digest(one) for one in trained_on]}}
    with database.write() as session:
        checkpoint = runs.add_checkpoint(session, "ab" * 32, "checkpoints/x.keras", card)
        run = Run(
            source="data/test", checkpoint_id=checkpoint.id, precision="float32", batch_size=64
        )
        session.add(run)
        session.flush()
        rows = [ListedImage(f"{at}.jpg", at % 2, None) for at in range(len(images))]
        listing.stage_images(session, run, rows)
        listing.cut_batches(session, run.id)
        pending = leases.pending_images(session, [leases.BatchKey(run.id, 1)])
        stored = [outcome(row, images[int(Path(path).stem)]) for _, row, path, *_ in pending]
        outcomes.store_outcomes(session, "worker", stored)
        return run.id


def outcome(row: int, stored: Stored) -> outcomes.Outcome:
    of = None if stored.content is None else digest(stored.content)
    if stored.score is None:
        return outcomes.Outcome(row, None, "corrupt", "a sentence", of)
    return outcomes.Outcome(row, stored.score, None, None, of)


def count(database: Database, run: int, contents: Sequence[int]) -> int:
    with database.read() as session:
        return count_digests(session, run, [digest(one) for one in contents])


def test_scored_images_are_counted_by_their_bytes(database: Database) -> None:
    run = store(database, [Stored(1), Stored(2), Stored(2), Stored(3)], [])
    assert count(database, run, [1]) == 1
    assert count(database, run, [2]) == 2
    assert count(database, run, [1, 2, 99]) == 3
    assert count(database, run, [99]) == 0
    assert count(database, run, []) == 0


def test_an_image_without_score_or_digest_is_not_counted(database: Database) -> None:
    run = store(database, [Stored(1, None), Stored(None), Stored(2)], [])
    assert count(database, run, [1, 2]) == 1


def test_another_runs_images_are_not_counted(database: Database) -> None:
    first = store(database, [Stored(1), Stored(2)], [])
    second = store(database, [Stored(2), Stored(3)], [])
    assert count(database, first, [1, 2, 3]) == 2
    assert count(database, second, [1]) == 0


def test_many_thousand_training_images_are_asked_for_in_parts(database: Database) -> None:
    run = store(database, [Stored(1), Stored(10_000), Stored(10_001), Stored(35_000)], [])
    assert count(database, run, range(1, 35_001)) == 4


@pytest.fixture
def ledger_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    url = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", url)
    return url


def report(url: str, trained_on: Sequence[int] | None, *options: str) -> str:
    """The report of four images, of which the third could not be read."""
    with closing(open_database(url)) as database:
        store(database, [Stored(1), Stored(2), Stored(3, None), Stored(4)], trained_on)
    result = CliRunner().invoke(main, ["--threshold", "0.5", *options], prog_name="report")
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_text_warns(ledger_here: str) -> None:
    assert WARNING in report(ledger_here, [1, 3, 4, 99])


def test_json_and_csv_count_them(ledger_here: str) -> None:
    assert json.loads(report(ledger_here, [1, 3, 4], "--format", "json"))["flow"]["trained_on"] == 2
    assert "\ntrained_on,2,,,\n" in report(ledger_here, [1, 3, 4], "--format", "csv")


@pytest.mark.parametrize("trained_on", [None, [], [3, 99]], ids=["no card", "none", "others"])
def test_without_such_images_nothing_is_said(
    ledger_here: str, trained_on: list[int] | None
) -> None:
    assert "warning" not in report(ledger_here, trained_on)
    as_json = json.loads(report(ledger_here, trained_on, "--format", "json"))
    assert as_json["flow"]["trained_on"] == 0


@pytest.mark.parametrize("data", [None, [], {"images": None}, {"images": "abc"}, {"images": [1]}])
def test_a_card_that_says_something_else_is_no_hindrance(ledger_here: str, data: object) -> None:
    with closing(open_database(ledger_here)) as database:
        store(database, [Stored(1), Stored(2)], None)
        with database.write() as session:
            runs.add_checkpoint(session, "ab" * 32, "checkpoints/x.keras", {"data": data})
    result = CliRunner().invoke(main, ["--threshold", "0.5"], prog_name="report")
    assert result.exit_code == 0, result.output
    assert "warning" not in result.output
