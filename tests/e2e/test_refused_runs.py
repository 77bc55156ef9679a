"""Runs that no worker scores, or of which nothing could be scored: what the commands say."""

import json
import shutil
from pathlib import Path
from typing import Any, get_args

import pytest
from colours import draw_folder
from faults import colour_site, stub_worker
from processes import GREETED, Done, Site, error_lines

from imaging.errors import ErrorCode
from imaging.nothing_scored import CAUSES, nothing_scored


def status(site: Site) -> dict[str, Any]:
    (run,) = json.loads(site.succeed("producer", "status", "--format", "json").stdout)["runs"]
    return dict(run)


def test_a_run_that_every_worker_refuses_is_not_waited_for(tmp_path: Path) -> None:
    site = colour_site(tmp_path)
    expected = draw_folder(tmp_path, range(4))
    site.succeed("producer", "enqueue", "images")
    with stub_worker(site) as worker:
        worker.await_output(GREETED)
        worker.await_true(lambda: not site.ledger.unfinished(), "it can")
        draw_folder(tmp_path, range(4, 8))
        (tmp_path / "refuse").touch()

        done = site.run("producer", "enqueue", "images", "--wait")

        reason = f"{tmp_path / 'stub.keras'} cannot be run: the stub was told to refuse it"
        assert done.code == 1
        (line,) = error_lines(done.stderr)
        assert line.startswith(
            f"Error: run 1: every worker that is alive refuses it: {reason} (worker "
        )
        assert "next:" not in done.stdout
        run = status(site)
        assert [one["reason"] for one in run["refused"]] == [reason]
        (told,) = run["stuck"]
        assert told.startswith(f"every worker that is alive refuses it: {reason} (worker ")
        assert reason in " ".join(site.succeed("producer", "status").stdout.split())

        (tmp_path / "refuse").unlink()
        again = site.succeed("producer", "enqueue", "images", "--wait")
        assert again.stdout.splitlines()[-1].startswith("next: report --run 1")
    assert expected.items() <= site.ledger.scores().items()
    assert len(site.ledger.scores()) == 8
    assert site.ledger.rows("SELECT * FROM refusals") == []


def test_a_worker_that_ends_because_it_refuses_says_so_in_the_ledger(tmp_path: Path) -> None:
    site = colour_site(tmp_path)
    draw_folder(tmp_path, range(2))
    site.succeed("producer", "enqueue", "images")
    (tmp_path / "refuse").touch()

    with stub_worker(site) as worker:
        assert worker.await_end() == 1, "nothing else is owed"

    (told, *_) = status(site)["stuck"]
    assert "refuse" in told
    assert "the stub was told to refuse it" in told


@pytest.fixture(scope="module")
def missing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Site, Done, str]:
    """A run all of whose images were taken away; how `enqueue --wait` ended, what a worker said."""
    site = colour_site(tmp_path_factory.mktemp("missing"))
    draw_folder(site.folder, range(3), "images/nevus")
    site.succeed("producer", "enqueue", "images")
    shutil.move(site.folder / "images", site.folder / "elsewhere")
    with stub_worker(site, "--drain") as worker:
        assert worker.await_end() == 0
        said = worker.output
    shutil.move(site.folder / "elsewhere", site.folder / "images")
    return site, site.run("producer", "enqueue", "images", "--wait"), said


SENTENCE = (
    "run 1: could not score any of its 3 images (3 missing), such as images/nevus/000000.png and "
    "images/nevus/000001.jpg: DATA_ROOT of the workers is probably not that of the producer; "
    "once that is fixed, `producer retry 1 --error missing`"
)


def test_waiting_for_a_run_of_which_nothing_was_scored(missing: tuple[Site, Done, str]) -> None:
    _, done, _ = missing
    assert (done.code, done.stderr) == (4, f"Error: {SENTENCE}\n")
    assert "next:" not in done.stdout


def test_a_draining_worker_says_that_nothing_was_scored(missing: tuple[Site, Done, str]) -> None:
    assert f"ERROR {SENTENCE}" in missing[2]


def test_a_report_of_nothing(missing: tuple[Site, Done, str], tmp_path: Path) -> None:
    site, _, _ = missing
    done = site.run("report", "--threshold", "0.5", "--format", "json")
    assert (done.code, done.stderr) == (4, f"Error: {SENTENCE}\n")
    assert json.loads(done.stdout)["flow"]["scored"] == 0
    page = site.run("report", "page", "--threshold", "0.5", "-o", str(tmp_path / "r.html"))
    assert page.code == 4
    assert SENTENCE in page.stderr


def test_the_status_of_nothing(missing: tuple[Site, Done, str]) -> None:
    site, _, _ = missing
    assert status(site)["stuck"] == [SENTENCE.removeprefix("run 1: ")]
    assert SENTENCE in " ".join(site.succeed("producer", "status").stdout.split())


def test_every_error_has_a_likely_cause() -> None:
    assert set(CAUSES) == set(get_args(ErrorCode))


def test_of_several_errors_the_most_frequent_gives_the_cause() -> None:
    said = nothing_scored(3, {"empty": 2, "missing": 1}, ["a\n.jpg", "b.jpg"])
    assert said.startswith("could not score any of its 3 images (2 empty, 1 missing), such as ")
    assert "copied in part" in said
    assert "\n" not in said
    assert nothing_scored(3, {"new_code": 1}, ["a.jpg"]).startswith(
        "could not score its only image"
    )
