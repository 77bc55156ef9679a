"""`producer status`, `runs` and `delete`: real commands on a real ledger."""

import io
import json
import re
import signal
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from faults import colour_site, enqueue, stub_worker
from processes import SCRIPTS, Site, Trained, fresh_site
from rich.console import Console
from sqlalchemy import text, update
from stored import enlist, finish

from db.clock import Now
from db.errors import DatabaseError
from db.queries.deleting import close_run, delete_images, delete_run
from db.queries.leases import BatchKey, pending_images, take_leases
from db.queries.outcomes import Seconds
from db.queries.results import Progress
from db.queries.runs import RunSpec
from db.queries.status import BatchCounts, work_on, workers
from db.queries.workers import forget_dead, note_ended, note_seen
from db.session import Database
from db.tables import Batch
from producer.diagnosis import RunState, diagnose
from producer.status import RunStatus, Status
from producer.status_view import as_list, as_tables
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.batch_scores import BatchScores, KnownDigests, RunScores

WORKING = BatchCounts(unfinished=3, held=1, finished_lately=0, attempts=1)
IDLE = WORKING._replace(held=0)


def seen(**changes: Any) -> RunState:
    plain = RunState("'data/test set'", Progress(10, 4, 0, 6), 0, WORKING, None, None, 0)
    return plain._replace(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"counts": Progress(10, 9, 1, 0), "work": IDLE, "broker": "away"}, []),
        ({"work": IDLE}, ["no worker is working on it: start one"]),
        ({"work": IDLE, "alive": 2}, ["no worker is working on it, 2 alive"]),
        ({"work": IDLE._replace(finished_lately=1)}, []),
        ({"work": IDLE, "broker": "broker away"}, ["broker away", "no worker"]),
        ({"work": IDLE, "checkpoint": "gone"}, ["gone", "no worker"]),
        ({"staged": 6, "work": BatchCounts(0, 0, 0, 0)}, ["producer enqueue 'data/test set'"]),
        ({"work": WORKING._replace(attempts=2)}, ["attempt 2"]),
    ],
)
def test_what_keeps_a_run_is_said(changes: dict[str, Any], expected: list[str]) -> None:
    found = diagnose(seen(**changes))
    assert len(found) == len(expected)
    for words, sentence in zip(expected, found, strict=True):
        assert words in sentence


def test_workers_are_known_by_what_they_hold_and_finished(database: Database) -> None:
    run = enlist(database, 6)
    finish(database, BatchKey(run, 1), "ana")
    with database.write() as session:
        take_leases(session, BatchKey(run, 2), "ana", 600)
        take_leases(session, BatchKey(run, 3), "bob", 600)
    with database.read() as session:
        ana, bob = workers(session)
        assert work_on(session, run) == BatchCounts(
            unfinished=2, held=2, finished_lately=1, attempts=1
        )
    assert ana.finished == f"run {run} batch 1"
    assert ana.finished_seconds_ago is not None
    assert 0 <= ana.finished_seconds_ago < 300
    assert ana.held == [f"run {run} batch 2"]
    assert ana.lease_seconds is not None
    assert 300 < ana.lease_seconds <= 600
    assert (bob.name, bob.finished, bob.held) == ("bob", None, [f"run {run} batch 3"])
    assert ana.alive, "its lease says so"


def test_workers_that_live_are_told_from_those_that_ended(database: Database) -> None:
    run = enlist(database, 4)
    finish(database, BatchKey(run, 1), "ended")
    finish(database, BatchKey(run, 2), "idle")
    with database.write() as session:
        for name in ("ended", "idle", "killed", "new", "old"):
            note_seen(session, name)
        note_ended(session, "ended")
        session.execute(text("UPDATE workers SET seen_at = seen_at - 21 WHERE name = 'killed'"))
        session.execute(text("UPDATE workers SET seen_at = seen_at - 90000 WHERE name = 'old'"))
        forget_dead(session)
        note_seen(session, "idle")
    with database.read() as session:
        found = {one.name: (one.alive, one.finished) for one in workers(session)}
        assert session.scalar(text("SELECT count(*) FROM workers")) == 3, "the old one is forgotten"
    assert found == {
        "ended": (False, f"run {run} batch 1"),
        "idle": (True, f"run {run} batch 2"),
        "new": (True, None),
    }


def test_a_worker_stands_in_the_status_by_the_name_that_it_was_given_until_it_ends(
    tmp_path: Path,
) -> None:
    site = colour_site(tmp_path)
    enqueue(site, 3)

    def status() -> tuple[list[dict[str, Any]], str]:
        found = json.loads(site.succeed("producer", "status", "--format", "json").stdout)
        return found["workers"], site.succeed("producer", "status").stdout

    with stub_worker(site, "-n", "ana@%h") as worker:
        worker.await_true(lambda: not site.ledger.unfinished(), "it scored all")
        ((one,), table) = status()
        worker.send(signal.SIGTERM)
        assert worker.await_end() == 0
        ((then,), table_then) = status()
    assert one["name"].startswith(f"ana@{socket.gethostname()}-{worker.pid}-")
    assert (one["alive"], then["alive"], one["name"]) == (True, False, then["name"])
    assert re.search(r"^ana@\S+ +alive +run 1 batch 1", table, re.MULTILINE)
    assert re.search(r"^ana@\S+ +ended +run 1 batch 1", table_then, re.MULTILINE)


# What a person sees at a terminal: the command in a pseudo-terminal.
# With the signal that ends it when the terminal goes, which nohup would take from it.
IN_TERMINAL = """
import pty, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.exit(pty.spawn(sys.argv[1:]))
"""


@pytest.mark.parametrize("waiting", ["enqueue images --wait", "status 1 --watch"])
@pytest.mark.parametrize("terminal", [False, True])
def test_who_waits_is_told_at_once_and_in_full_that_no_worker_answers(
    waiting: str, terminal: bool, tmp_path: Path
) -> None:
    site = colour_site(tmp_path, COLUMNS="60", TERM="xterm")
    enqueue(site, 3)
    words = [*waiting.split()]
    if terminal:
        started = site.start("python", "-c", IN_TERMINAL, str(SCRIPTS / "producer"), *words)
    else:
        started = site.start("producer", *words)
    progress = "0/3" if terminal else "0 of 3 images"
    with started as process:
        process.await_output(progress)
        before = process.output.split(progress)[0]
    assert "no worker answers: start one with `celery -A worker worker`" in shown_lines(before)


def test_who_waits_waits_for_a_database_that_is_away(
    postgres_uri: str, postgres_url: str, tmp_path: Path
) -> None:
    site = colour_site(tmp_path, DATABASE_URL=postgres_url)
    enqueue(site, 3)
    name = urlsplit(postgres_url).path.lstrip("/")
    with (
        psycopg.connect(postgres_uri, autocommit=True) as superuser,
        site.start("producer", "status", "1", "--watch") as process,
    ):
        process.await_output("0 of 3 images")
        superuser.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        superuser.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        process.await_output("(DATABASE_URL); waiting for it")
        superuser.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
        process.await_output("the database answers again")
        site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
        assert process.await_end() == 0
    assert process.output.count("waiting for it") == 1
    assert "3 of 3 images" in process.output


def shown_lines(output: str) -> list[str]:
    """The lines of a terminal, without its colours and its moves."""
    return [line.strip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", output).split("\n")]


def test_a_worker_whose_lease_ran_out_is_not_at_work(database: Database) -> None:
    run = enlist(database, 2)
    with database.write() as session:
        take_leases(session, BatchKey(run, 1), "gone", 30)
        session.execute(update(Batch).values(leased_until=Now() - 1))
    with database.read() as session:
        assert workers(session) == []
        assert work_on(session, run) == BatchCounts(
            unfinished=1, held=0, finished_lately=0, attempts=1
        )


def test_a_deleted_run_takes_nothing_else_along(database: Database) -> None:
    first, second = enlist(database, 5), enlist(database, 3)
    finish(database, BatchKey(first, 1), "ana")
    finish(database, BatchKey(second, 1), "ana")
    with database.write() as session:
        close_run(session, first)
    with database.write() as session:
        assert delete_images(session, first) == 5
        assert delete_images(session, first) == 0
        delete_run(session, first)
    with database.read() as session:
        counts = {
            table: session.scalar(text(f"SELECT count(*) FROM {table}"))
            for table in ("runs", "batches", "images", "predictions", "checkpoints")
        }
    assert counts == {"runs": 1, "batches": 2, "images": 3, "predictions": 2, "checkpoints": 1}


def test_a_run_that_a_worker_scores_is_not_deleted(database: Database) -> None:
    run = enlist(database, 2)
    with database.write() as session:
        take_leases(session, BatchKey(run, 1), "ana", 30)
    with (
        pytest.raises(DatabaseError, match="worker ana is scoring batch 1"),
        database.write() as session,
    ):
        close_run(session, run)
    with database.read() as session:
        assert len(pending_images(session, [BatchKey(run, 1)])) == 2


def test_the_number_of_a_deleted_run_is_not_given_again(database: Database) -> None:
    enlist(database, 2)
    last = enlist(database, 2)
    with database.write() as session:
        close_run(session, last)
        delete_images(session, last)
        delete_run(session, last)
    assert enlist(database, 2) > last


@pytest.fixture(scope="module")
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A run of which nothing is scored yet."""
    made = fresh_site(tmp_path_factory.mktemp("status"), trained)
    made.succeed("producer", "enqueue", "data/test", "--name", "[red]ana")
    return made


def test_an_idle_run_says_that_no_worker_is_there(site: Site) -> None:
    done = site.succeed("producer", "status")
    assert "no worker is working on it: start one with `celery -A worker worker`" in done.stdout
    assert "1 [red]ana" in done.stdout  # not taken for markup
    assert "150" in done.stdout


def test_a_narrow_terminal_cuts_nothing_off() -> None:
    source = "data/photographs/2026/november"
    counts = Progress(1_000_000, 900_000, 10_000, 90_000)
    run = RunStatus(12, "first", source, "ab" * 32, "float32", 0.0, counts, {}, 20.0, [], [])
    status = Status([run], [])
    for width in (60, 80):
        console = Console(width=width, file=io.StringIO(), force_terminal=True, color_system=None)
        with console.capture() as capture:
            console.print(as_tables(status, details=False))
            console.print(as_list(status.runs))
        assert "…" not in capture.get()
    for word in ("12 first", "unreadable", "1000000", "1 h 15 min"):
        assert word in capture.get()


def test_json_has_counts_and_reasons(site: Site) -> None:
    status = json.loads(site.succeed("producer", "status", "--format", "json").stdout)
    (run,) = status["runs"]
    assert status["workers"] == []
    assert (run["listed"], run["scored"], run["unreadable"], run["pending"]) == (150, 0, 0, 150)
    assert (run["name"], run["precision"], run["seconds_left"]) == ("[red]ana", "float32", None)
    assert len(run["stuck"]) == 1
    assert json.loads(site.succeed("producer", "runs", "--format", "json").stdout)[0]["run"] == 1


def test_a_checkpoint_that_is_gone_and_a_broker_that_is_away_are_named(
    site: Site, tmp_path: Path
) -> None:
    ledger = site.ledger
    ((path,),) = ledger.rows("SELECT path FROM checkpoints")
    ledger.change("UPDATE checkpoints SET path = :path", path=str(tmp_path / "gone.keras"))
    away = Site(site.folder, {**site.settings, "BROKER_URL": "redis://:secret@127.0.0.1:1/0"})
    try:
        said = away.succeed("producer", "status").stdout
    finally:
        ledger.change("UPDATE checkpoints SET path = :path", path=path)
    assert "gone.keras: No such file or directory" in " ".join(said.split())
    assert "broker redis://:***@127.0.0.1:1/0" in said
    assert "secret" not in said


def test_watching_goes_on_until_all_is_scored(site: Site) -> None:
    with site.start("producer", "status", "--watch") as watching:
        watching.await_output("0 of 150 images")
        site.drain()
        assert watching.await_end() == 0
        assert "150 of 150 images" in watching.output
    state = json.loads(site.succeed("producer", "status", "--format", "json").stdout)
    (run,) = state["runs"]
    assert (run["scored"], run["pending"], run["stuck"]) == (150, 0, [])
    (worker,) = state["workers"]
    assert worker["finished"].startswith("run 1 batch ")


def test_what_to_type_next_names_a_threshold_only_where_none_is_kept(site: Site) -> None:
    said = site.succeed("producer", "enqueue", "data/test").stdout
    assert said.splitlines()[-1] == "next: report --run 1 --threshold 0.23"
    site.succeed("report", "choose-threshold", "1", "--youden")
    said = site.succeed("producer", "enqueue", "data/test").stdout
    assert said.splitlines()[-1] == "next: report --run 1"


def test_ctrl_c_ends_the_watching_alone(site: Site) -> None:
    number = site.succeed("producer", "enqueue", "data/test", "--new-run").stdout.split()[1][:-1]
    with site.start("producer", "status", "--watch") as watching:
        watching.await_output("0 of 150 images")
        watching.send(signal.SIGINT)
        assert watching.await_end() == 130
        assert watching.output.splitlines()[-1] == ("interrupted; runs go on without this terminal")
    with site.start("producer", "status", number, "--watch") as watching:
        watching.await_output("0 of 150 images")
        site.succeed("producer", "delete", number, "--yes")
        assert watching.await_end() == 1
        assert f"Error: there is no run {number}" in watching.output


def test_deleting_asks_first(site: Site) -> None:
    before = site.ledger.counts()
    asked = site.run("producer", "delete", "1", stdin="n\n")
    assert asked.code == 1
    assert "delete 150 images with" in asked.stdout
    assert site.ledger.counts() == before


def test_deleting_leaves_nothing_of_the_run(trained: Trained, tmp_path: Path) -> None:
    site = fresh_site(tmp_path, trained)
    site.succeed("producer", "enqueue", "data/test")
    done = site.succeed("producer", "delete", "1", "--yes")
    assert done.stdout == "run 1 is deleted; image files and checkpoint are untouched\n"
    counts = site.ledger.counts()
    assert counts == {"checkpoints": 1, "runs": 0, "batches": 0, "images": 0, "predictions": 0}
    assert len(list((tmp_path / "data" / "test").rglob("*.jpg"))) == 150
    # Its messages are still in the queue: a worker drops them with a line, and goes on.
    again = site.succeed("producer", "enqueue", "data/test")
    assert "run 2: 150 images (150 new)" in again.stdout
    said = site.drain()
    assert "there is no run 1" in said
    assert len(site.ledger.scores(2)) == 150


@pytest.mark.parametrize("attempts_before", [0, 1])
def test_a_worker_at_a_standstill_stores_nothing_for_a_deleted_run(
    database: Database, attempts_before: int
) -> None:
    """Whatever has its images' numbers by now: SQLite gives them to the next run."""
    run = enlist(database, 2)
    with database.write() as session:
        session.execute(update(Batch).values(attempts=attempts_before))
    later: list[int] = []

    def stand_still(_names: list[str]) -> None:
        with database.write() as session:
            session.execute(update(Batch).values(leased_until=Now() - 1))
        with database.write() as session:
            close_run(session, run)
            delete_images(session, run)
            delete_run(session, run)
        later.append(enlist(database, 2))

    engine = NumberEngine(stand_still)
    BatchProcessor(database, engine, "ana").score(BatchKey(run, 1))

    assert engine.asked == 1
    with database.read() as session:
        assert session.scalar(text("SELECT count(*) FROM predictions")) == 0
        assert work_on(session, later[0]).unfinished == 1


class NumberEngine:
    """Scores every image 0.5, after `before_score`; the second batch is never asked for."""

    device = "nothing"

    def __init__(self, before_score: Callable[[list[str]], None]) -> None:
        self._before_score = before_score
        self.asked = 0

    def prepare(self, spec: RunSpec) -> None:
        """All is at hand."""

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], _known: KnownDigests
    ) -> BatchScores:
        self.asked += 1
        self._before_score(list(paths))
        scores = dict.fromkeys(range(len(paths)), 0.5)
        return BatchScores([RunScores(scores, {}, {}, {}) for _ in runs], Seconds())

    def failure(self, digest: str, precision: str) -> None:
        raise NotImplementedError(digest, precision)

    def close(self) -> None:
        raise NotImplementedError
