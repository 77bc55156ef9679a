"""The ledger's file is deleted, moved or replaced under those who have it open."""

import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from colours import draw_folder
from faults import colour_site, stub_worker
from processes import Process, Site

GONE = "dermscore.db was deleted or moved while it was in use"
REPLACED = "dermscore.db was replaced by another file while it was in use"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site whose run 1 has one batch of eight images."""
    made = colour_site(tmp_path / "site")
    draw_folder(made.folder, range(8), "old")
    made.succeed("producer", "enqueue", "old")
    return made


def files(site: Site) -> list[Path]:
    """The ledger's file and what SQLite keeps beside it."""
    return sorted(site.folder.glob("dermscore.db*"))


def delete(site: Site) -> None:
    for file in files(site):
        file.unlink()


def move(site: Site) -> None:
    (site.folder / "away").mkdir()
    for file in files(site):
        file.rename(site.folder / "away" / file.name)


def restore(site: Site) -> None:
    """Put a backup in its place, as `mv` does."""
    backup = site.folder / "backup"
    with (
        closing(sqlite3.connect(site.folder / "dermscore.db")) as source,
        closing(sqlite3.connect(backup)) as target,
    ):
        source.backup(target)
    delete(site)
    backup.rename(site.folder / "dermscore.db")


def make_another(site: Site) -> dict[str, float]:
    """Another ledger at the same path, whose run 1 has other images; path to score."""
    delete(site)
    expected = draw_folder(site.folder, range(100, 108), "new")
    site.succeed("producer", "enqueue", "new")
    return dict(expected)


def assert_ends_with(site: Site, worker: Process, words: str) -> None:
    """It ends with exit code 1, and one line says why."""
    assert worker.await_end() == 1, worker.last_words
    assert "Traceback" not in worker.output, worker.last_words
    told = [line for line in worker.output.splitlines() if " ERROR " in line]
    assert len(told) == 1, worker.last_words
    assert f"the database {site.folder}/{words}; this worker ends" in told[0], worker.last_words


@pytest.mark.parametrize(("happens", "words"), [(delete, GONE), (move, GONE), (restore, REPLACED)])
def test_an_idle_worker_ends(site: Site, happens: Callable[[Site], object], words: str) -> None:
    with stub_worker(site) as worker:
        worker.await_output("run 1 batch 1: 8 images")
        happens(site)
        before = files(site)
        assert_ends_with(site, worker, words)
        assert files(site)[:1] == before[:1], "it makes none, and takes none away"


@pytest.mark.parametrize(
    ("point", "happens", "words"),
    [
        pytest.param("predict", move, GONE, id="moved after computing"),
        pytest.param("predict", make_another, REPLACED, id="made anew after computing"),
        pytest.param("commit", restore, REPLACED, id="restored before the commit"),
        pytest.param("commit", make_another, REPLACED, id="made anew before the commit"),
    ],
)
def test_what_was_computed_for_one_ledger_goes_into_no_other(
    site: Site, point: str, happens: Callable[[Site], object], words: str
) -> None:
    """The numbers of runs, batches and images are the same in both."""
    (site.folder / f"stop.{point}").touch()
    with stub_worker(site) as worker:
        worker.await_standstill(site.folder / f"stopped.{point}")
        happens(site)
        worker.send(signal.SIGCONT)
        assert_ends_with(site, worker, words)
        assert "images/s" not in worker.output, "no batch is told as stored"
    if files(site):
        assert site.ledger.scores() == {}
        assert site.ledger.rows("PRAGMA integrity_check") == [("ok",)]


def test_the_next_worker_scores_what_is_there(site: Site) -> None:
    (site.folder / "stop.predict").touch()
    with stub_worker(site) as worker:
        worker.await_standstill(site.folder / "stopped.predict")
        expected = make_another(site)
        worker.send(signal.SIGCONT)
        assert_ends_with(site, worker, REPLACED)
    with stub_worker(site, "--drain") as another:
        assert another.await_end() == 0, another.last_words
    assert site.ledger.scores() == expected


def test_no_ledger_is_made_beside_what_a_deleted_one_left(site: Site) -> None:
    """A worker that has the deleted file open would share SQLite's memory with the new one."""
    with stub_worker(site) as worker:
        worker.await_output("run 1 batch 1: 8 images")
        worker.send(signal.SIGSTOP)
        (site.folder / "dermscore.db").unlink()
        done = site.run("producer", "enqueue", "old")
        assert done.code == 1
        (line,) = done.stderr.splitlines()
        assert f"there is no database {site.folder}/dermscore.db, but dermscore.db-wal" in line
        assert "stop the workers that still use it" in line
        assert not (site.folder / "dermscore.db").exists()
        worker.send(signal.SIGCONT)
        assert_ends_with(site, worker, GONE)
    delete(site)
    assert "8 new" in site.succeed("producer", "enqueue", "old").stdout


@pytest.mark.parametrize(
    "command",
    [
        ("producer", "enqueue", "old", "--wait"),
        ("producer", "status", "--watch"),
        ("producer", "status", "1", "--watch"),
    ],
    ids=" ".join,
)
def test_who_waits_for_a_run_is_told(site: Site, command: tuple[str, ...]) -> None:
    with site.start(*command) as waiting:
        waiting.await_output("0 of 8 images")
        move(site)
        assert waiting.await_end() == 1, waiting.last_words
        assert waiting.output.splitlines()[-1] == (f"Error: the database {site.folder}/{GONE}")
