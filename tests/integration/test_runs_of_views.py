"""A run with `--views` is another run than one without, and everything that shows it says so."""

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from processes import Ledger
from stored import report, rows, store_run, succeed

from db.queries.resuming import enqueue_again
from db.queries.runs import add_checkpoint, get_run, get_run_spec
from db.session import Database
from producer.cli import main as producer
from producer.find_run import EnqueueError, EnqueueRequest, find_or_make_run

SCORES = (0.9, 0.8, 0.3, 0.1)


def make(database: Database, views: int, decode: dict[str, int] | None = None, **more: Any) -> int:
    card = {"decode": decode or {"height": 299, "width": 299}}
    with database.write() as session:
        checkpoint = add_checkpoint(session, "ab" * 32, "wide.keras", card)
        return find_or_make_run(
            session, EnqueueRequest("data", (), views=views, **more), checkpoint
        ).id


def test_each_number_of_views_is_a_run_that_is_found_again(database: Database) -> None:
    made = [make(database, views) for views in (1, 4, 8)]
    assert len(set(made)) == 3
    assert [make(database, views) for views in (1, 4, 8)] == made
    with database.read() as session:
        assert [get_run_spec(session, run_id).views for run_id in made] == [1, 4, 8]


def test_a_name_belongs_to_one_number_of_views(database: Database) -> None:
    make(database, 4, name="ana")
    with pytest.raises(EnqueueError, match="or number of views: choose another name"):
        make(database, 8, name="ana")


def test_quarter_turns_of_images_that_are_not_square_are_refused(database: Database) -> None:
    wide = {"height": 300, "width": 400}
    assert make(database, 4, wide)
    reason = r"--views 8 .* wide\.keras takes images of 400 x 300 pixels.*: use --views 4"
    with pytest.raises(EnqueueError, match=reason) as caught:
        make(database, 8, wide)
    assert "\n" not in caught.value.message


def test_other_numbers_are_refused() -> None:
    done = CliRunner().invoke(producer, ["enqueue", "data", "--views", "3"])
    assert done.exit_code == click.UsageError.exit_code
    assert "'3' is not one of '1', '4', '8'" in done.stderr


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Runs 1 and 2, of one view and of eight, of the same checkpoint."""
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    for _ in range(2):
        store_run(address, rows((1, 0, 1, 0), SCORES))
    Ledger(address).change("UPDATE runs SET views = 8 WHERE id = 2")
    return address


@pytest.mark.usefixtures("url")
def test_status_says_so() -> None:
    listed, status = (CliRunner().invoke(producer, [word]).stdout for word in ("runs", "status"))
    assert [line.count("8 views") for line in listed.splitlines()[1:3]] == [0, 1]
    assert [line.count("8 views") for line in status.splitlines()[2:4]] == [0, 1]
    as_json = json.loads(CliRunner().invoke(producer, ["runs", "--format", "json"]).stdout)
    assert [run["views"] for run in as_json] == [1, 8]


@pytest.mark.usefixtures("url")
def test_reports_say_so() -> None:
    assert succeed("1", "--threshold", "0.5").splitlines()[-1].endswith("float32, 0 errors")
    assert (
        succeed("2", "--threshold", "0.5").splitlines()[-1].endswith("float32, 8 views, 0 errors")
    )
    assert json.loads(succeed("2", "--threshold", "0.5", "--format", "json"))["run"]["views"] == 8
    assert "\nviews,8,,,\n" in succeed("2", "--threshold", "0.5", "--format", "csv")


@pytest.mark.usefixtures("url")
def test_a_page_says_so(tmp_path: Path) -> None:
    pages = tmp_path
    for run in ("1", "2"):
        succeed("page", run, "--threshold", "0.5", "-o", str(pages / run))
    words = "8: scores are means over flips and quarter turns"
    assert [words in (pages / run).read_text(encoding="utf-8") for run in "12"] == [False, True]


def threshold(run: str) -> float:
    value: float = json.loads(succeed(run, "--format", "json"))["threshold"]["value"]
    return value


def test_a_threshold_is_for_runs_of_as_many_views(url: str) -> None:
    """Means spread less than single scores: a threshold of the ones is wrong for the others."""
    succeed("choose-threshold", "1", "--target-sensitivity", "0.3")
    assert report("2").exit_code == 2, "no threshold is kept for it"
    said = succeed("choose-threshold", "2", "--target-sensitivity", "0.9")
    assert "in reports of its other runs of 8 views it is prespecified" in said
    assert "replaces" not in said
    assert (threshold("1"), threshold("2")) == (0.85, 0.2)

    lines = [line.split("  ") for line in succeed("thresholds").splitlines()]
    states = {words[0]: line for line in lines if (words := [w for w in line if w])}
    assert "in use" in " ".join(states["number 1"])
    assert "in use" in " ".join(states["number 2"])
    assert "of data/test, 8 views" in " ".join(states["number 2"])

    said = succeed("thresholds", "--forget", "2").splitlines()[1]
    assert said.startswith(
        "reports of x.keras (abababababab) with 8 views from now on: no threshold"
    )
    assert threshold("1") == 0.85
    assert Ledger(url).rows("SELECT count(*) FROM thresholds") == [(1,)]


def test_a_listing_goes_on_with_its_views(database: Database) -> None:
    make(database, 4)
    with database.read() as session:
        words = enqueue_again(session, get_run(session))
    assert words is not None
    assert words[-2:] == ["--views", "4"]
