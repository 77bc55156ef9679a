"""No statement reads rows that it does not need, whatever the database's statistics know.

Every function of `db` that asks the database is called on a ledger of many runs: with statistics,
without them, and with some that are older than the run. The rows that are read for it are
compared with those that it is about.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from plan_work import LARGE, Work, watched
from servers import new_database
from sqlalchemy import text
from sqlalchemy.orm import Session

import db
from base.listed_image import ListedImage
from db import unused_ledger
from db.connection import bulk
from db.connection.bulk import ImageRow, insert_images
from db.queries import (
    deleting,
    following,
    history,
    leases,
    listing,
    outcomes,
    refusals,
    results,
    resuming,
    retry,
    runs,
    speeds,
    status,
    unfinished,
    workers,
)
from db.queries.leases import BatchKey
from db.queries.outcomes import Outcome
from db.queries.report import (
    classes,
    columns,
    copies,
    export,
    imports,
    page,
    thresholds,
    unscored,
)
from db.queries.report.imports import ImportedImage, ImportedScores
from db.session import Database, open_database
from db.tables import Run

OLDER, IMAGES, BATCH = 10, 2_000, 8
BATCHES = IMAGES // BATCH
WORKER = "ana"
SOURCE = "data/test"


class Ledger(NamedTuple):
    """Many finished runs, and a last one of which half is scored."""

    database: Database
    run: int
    empty: int
    first_image: int

    def batch(self, number: int) -> BatchKey:
        return BatchKey(self.run, number)

    def some(self) -> list[int]:
        """As many images as `PATHS` has."""
        return list(range(self.first_image, self.first_image + len(PATHS)))


class Case(NamedTuple):
    """A call of a function of `db`, and how many rows it is about."""

    call: Callable[[Session, Ledger], object]
    rows: int


FEW = 3 * BATCH  # a batch of images, their predictions, and what is read on the way
RUN = 2 * IMAGES + BATCHES  # images, predictions and batches
HALF = BATCHES // 2
OPEN = HALF + 1  # a batch that nobody finished
PATHS = [f"images/{at:05}.jpg" for at in range(100)]
NEW = [ListedImage(f"new/{at}.jpg", 1, {"sex": "f"}) for at in range(100)]
DIGEST = "0" * 64
WANTED = refusals.Wanted(DIGEST, "float32")


def consumed(rows: Any) -> None:
    for _ in rows:
        pass


def staged(session: Session, on: Ledger) -> tuple[int, int]:
    span = listing.stage_images(session, runs.run_by_id(session, on.run), NEW)
    assert span is not None
    return span


def cut(session: Session, on: Ledger) -> None:
    staged(session, on)
    listing.cut_batches(session, on.run)


def unstaged(session: Session, on: Ledger) -> None:
    listing.unstage_images(session, on.run, *staged(session, on))


def changed(session: Session, on: Ledger) -> None:
    changes = [following.ChangedImage(path, None, '{"sex": "m"}') for path in PATHS]
    following.change_images(session, on.run, following.packed(changes))
    stored = listing.stored_images(session, on.run, PATHS)
    assert stored.attributes == ({"sex": "m"},) * len(PATHS)


def both_columns(session: Session, on: Ledger) -> None:
    columns.columns(session, on.run)
    columns.columns(session, on.run, on.some(), ("sex",))
    assert len(columns.columns(session, on.run, on.some()).labels) == IMAGES - len(PATHS)


def copied(session: Session, on: Ledger) -> None:
    """Every image of the run has the bytes of another one."""
    digests = (
        "UPDATE predictions SET image_digest = (image_id / 2) || 'y' "
        "WHERE image_id IN (SELECT id FROM images WHERE run_id = :run)"
    )
    session.execute(text(digests), {"run": on.run})
    assert copies.copies(session, on.run)


def gone(session: Session, on: Ledger) -> None:
    following.mark_gone(session, on.some())
    assert copies.gone(session, on.run).images == len(PATHS)


def deleted(session: Session, on: Ledger) -> None:
    deleting.delete_images(session, on.empty)
    deleting.delete_run(session, on.empty)


def imported(session: Session, _: Ledger) -> None:
    images = [ImportedImage(image, 0.5) for image in NEW]
    scores = ImportedScores("e" * 64, "theirs.csv", {})
    imports.store_imported(session, "theirs", "truth.csv", scores, images, lambda _: None)


def checkpoint(session: Session, on: Ledger) -> Any:
    return runs.checkpoint_of(session, runs.run_by_id(session, on.run))


def finished(session: Session, on: Ledger) -> None:
    pending = leases.pending_images(session, [on.batch(OPEN)])
    scored = [Outcome(image.id, 0.5, None, None, DIGEST) for image in pending]
    outcomes.store_outcomes(session, WORKER, scored)
    assert outcomes.finish_batch(session, on.batch(OPEN))


def failed(session: Session, on: Ledger) -> None:
    """Every image of the run is made missing first."""
    of_run = "FROM images WHERE run_id = :run"
    for statement in (
        f"DELETE FROM predictions WHERE image_id IN (SELECT id {of_run})",
        (
            "INSERT INTO predictions (image_id, error, worker) "
            f"SELECT id, 'missing', '{WORKER}' {of_run}"
        ),
    ):
        session.execute(text(statement), {"run": on.run})
    assert results.failed_wholly(session, on.run)


CASES: dict[Callable[..., Any], Case] = {
    retry.clear_errors: Case(lambda s, on: retry.clear_errors(s, on.run, ["missing"]), 3 * RUN),
    bulk.insert_images: Case(
        lambda s, on: bulk.insert_images(s, [ImageRow(on.run, 900, "x", 1, None)]), FEW
    ),
    classes.scored_attributes: Case(
        lambda s, on: consumed(classes.scored_attributes(s, on.run, on.some())), RUN
    ),
    columns.columns: Case(both_columns, RUN),
    columns.described: Case(lambda s, on: consumed(columns.described(s, on.run, on.some())), RUN),
    deleting.close_run: Case(lambda s, on: deleting.close_run(s, on.run), 3 * BATCHES),
    deleting.delete_images: Case(lambda s, on: deleting.delete_images(s, on.run), RUN),
    deleting.delete_run: Case(deleted, FEW),
    deleting.thresholds_of: Case(lambda s, on: deleting.thresholds_of(s, on.run), FEW),
    export.stream_images: Case(lambda s, on: consumed(export.stream_images(s, on.run)), RUN),
    export.stream_scored: Case(lambda s, on: consumed(export.stream_scored(s, on.run)), RUN),
    imports.store_imported: Case(imported, 6 * len(NEW)),
    leases.take_leases: Case(lambda s, on: leases.take_leases(s, on.batch(OPEN), WORKER, 30), FEW),
    leases.pending_images: Case(lambda s, on: leases.pending_images(s, [on.batch(OPEN)]), FEW),
    leases.renew_leases: Case(
        lambda s, on: leases.renew_leases(s, WORKER, 30, [on.batch(OPEN)]), FEW
    ),
    leases.still_held: Case(lambda s, on: leases.still_held(s, [on.batch(OPEN)], WORKER), FEW),
    leases.release_leases: Case(
        lambda s, on: leases.release_leases(s, [on.batch(OPEN)], WORKER), FEW
    ),
    leases.return_untried: Case(
        lambda s, on: leases.return_untried(s, [on.batch(OPEN)], WORKER), FEW
    ),
    listing.lock_run: Case(lambda s, on: listing.lock_run(s, on.run), FEW),
    listing.stored_images: Case(
        lambda s, on: listing.stored_images(s, on.run, PATHS), 2 * len(PATHS)
    ),
    listing.highest_batch: Case(lambda s, on: listing.highest_batch(s, on.run), FEW),
    following.change_images: Case(changed, 3 * len(PATHS)),
    following.count_images: Case(lambda s, on: following.count_images(s, on.run, BATCHES), RUN),
    following.image_ids: Case(lambda s, on: consumed(following.image_ids(s, on.run, BATCHES)), RUN),
    following.paths_of: Case(lambda s, on: following.paths_of(s, [on.first_image]), FEW),
    following.mark_gone: Case(lambda s, on: following.mark_gone(s, on.some()), 2 * len(PATHS)),
    following.mark_back: Case(lambda s, on: following.mark_back(s, on.some()), 2 * len(PATHS)),
    following.prune_images: Case(
        lambda s, on: following.prune_images(s, on.run, on.some()), 4 * len(PATHS)
    ),
    following.take_out_other_bytes: Case(
        lambda s, on: following.take_out_other_bytes(s, on.run, dict.fromkeys(on.some(), "0")),
        4 * len(PATHS),
    ),
    history.note_change: Case(lambda s, on: history.note_change(s, on.run, "pruned", 3), FEW),
    history.history: Case(lambda s, on: history.history(s, on.run), FEW),
    listing.stage_images: Case(staged, FEW),
    listing.unstage_images: Case(unstaged, 3 * len(NEW)),
    listing.drop_run_if_empty: Case(lambda s, on: listing.drop_run_if_empty(s, on.run), FEW),
    listing.cut_batches: Case(cut, RUN),
    listing.claim_unleased: Case(lambda s, on: listing.claim_unleased(s, on.run), 2 * BATCHES),
    outcomes.known_digests: Case(
        lambda s, _: outcomes.known_digests(s, SOURCE, PATHS[:BATCH]), (OLDER + 1) * FEW
    ),
    outcomes.note_start: Case(
        lambda s, on: outcomes.note_start(s, on.batch(OPEN), on.first_image, 1), FEW
    ),
    outcomes.store_outcomes: Case(finished, 3 * FEW),
    outcomes.lock_batches: Case(lambda s, on: outcomes.lock_batches(s, [on.batch(OPEN)]), FEW),
    outcomes.finish_batch: Case(finished, 3 * FEW),
    unfinished.claim_expired: Case(
        lambda s, _: unfinished.claim_expired(s, 30, unstarted=True), 3 * BATCHES
    ),
    unfinished.count_unfinished: Case(lambda s, _: unfinished.count_unfinished(s), BATCHES),
    unfinished.unfinished_checkpoints: Case(
        lambda s, _: unfinished.unfinished_checkpoints(s), BATCHES
    ),
    unfinished.unfinished_runs: Case(lambda s, _: unfinished.unfinished_runs(s), BATCHES),
    copies.copies: Case(copied, 3 * RUN),
    copies.gone: Case(gone, RUN),
    page.extremes: Case(lambda s, on: page.extremes(s, on.run, 1, 5), RUN),
    page.unreadable: Case(lambda s, on: page.unreadable(s, on.run, 5), RUN),
    page.times: Case(lambda s, on: page.times(s, on.run), RUN),
    results.progress: Case(lambda s, on: results.progress(s, on.run), RUN),
    results.errors: Case(lambda s, on: results.errors(s, on.run), RUN),
    unscored.errors_by_label: Case(lambda s, on: unscored.errors_by_label(s, on.run), RUN),
    results.staged: Case(lambda s, on: results.staged(s, on.run), RUN),
    results.failed_wholly: Case(failed, 2 * RUN),
    results.throughput: Case(lambda s, on: results.throughput(s, on.run), BATCHES + IMAGES),
    results.stream_labelled: Case(
        lambda s, on: consumed(results.stream_labelled(s, on.run)), IMAGES
    ),
    results.count_digests: Case(lambda s, on: results.count_digests(s, on.run, [DIGEST]), RUN),
    results.count_shared: Case(lambda s, on: results.count_shared(s, on.run, on.run), 2 * RUN),
    results.sample_scored: Case(lambda s, on: results.sample_scored(s, on.run, 9, 1), RUN),
    refusals.note_refusal: Case(
        lambda s, _: refusals.note_refusal(s, WORKER, WANTED, "no file"), FEW
    ),
    refusals.note_hung: Case(lambda s, _: refusals.note_hung(s, WORKER, WANTED, 300.0), FEW),
    refusals.why_not_loaded: Case(lambda s, _: refusals.why_not_loaded(s, WANTED), FEW),
    refusals.clear_refusal: Case(lambda s, _: refusals.clear_refusal(s, WORKER, WANTED), FEW),
    refusals.forget_refusals: Case(lambda s, on: refusals.forget_refusals(s, [on.run]), FEW),
    refusals.why_stopped: Case(lambda s, on: refusals.why_stopped(s, [on.run]), FEW),
    refusals.stops: Case(lambda s, _: refusals.stops(s), FEW),
    refusals.refusals_of: Case(lambda s, on: refusals.refusals_of(s, on.run), FEW),
    refusals.is_refused_by_all: Case(
        lambda s, on: refusals.is_refused_by_all(s, refusals.refusals_of(s, on.run), 0), FEW
    ),
    speeds.note_speed: Case(
        lambda s, _: speeds.note_speed(s, WANTED, speeds.Machine("host", "CPU"), None), FEW
    ),
    speeds.is_timed: Case(
        lambda s, _: speeds.is_timed(s, WANTED, speeds.Machine("host", "CPU")), FEW
    ),
    speeds.speeds_of: Case(lambda s, on: speeds.speeds_of(s, on.run), FEW),
    workers.note_seen: Case(lambda s, _: workers.note_seen(s, WORKER), FEW),
    workers.note_ended: Case(lambda s, _: workers.note_ended(s, WORKER), FEW),
    workers.forget_dead: Case(lambda s, _: workers.forget_dead(s), FEW),
    workers.alive: Case(lambda s, _: workers.alive(s), FEW),
    runs.add_checkpoint: Case(lambda s, _: runs.add_checkpoint(s, "f" * 64, "x.keras", {}), FEW),
    runs.drop_checkpoint_if_unused: Case(lambda s, _: runs.drop_checkpoint_if_unused(s, 1), FEW),
    runs.newest_checkpoint: Case(lambda s, _: runs.newest_checkpoint(s), FEW),
    runs.wanted_first: Case(lambda s, _: runs.wanted_first(s), BATCHES),
    runs.find_run: Case(lambda s, _: runs.find_run(s, SOURCE, 1, "float32", 1), FEW),
    runs.group_runs: Case(lambda s, on: runs.group_runs(s, [on.run, 1]), FEW),
    runs.keep_features: Case(lambda s, on: runs.keep_features(s, [on.run]), FEW),
    runs.refuse_name: Case(lambda s, _: runs.refuse_name(s, "none"), FEW),
    runs.named_run: Case(lambda s, _: runs.named_run(s, "none"), FEW),
    runs.get_run: Case(lambda s, _: runs.get_run(s), FEW),
    runs.run_by_id: Case(lambda s, on: runs.run_by_id(s, on.run), FEW),
    runs.all_runs: Case(lambda s, _: runs.all_runs(s), FEW),
    resuming.enqueue_again: Case(
        lambda s, on: resuming.enqueue_again(s, runs.run_by_id(s, on.run)), FEW
    ),
    runs.checkpoint_of: Case(checkpoint, FEW),
    runs.get_run_spec: Case(lambda s, on: runs.get_run_spec(s, on.run), FEW),
    status.work_on: Case(lambda s, on: status.work_on(s, on.run), BATCHES),
    status.workers: Case(lambda s, _: status.workers(s), BATCHES),
    thresholds.add_threshold: Case(
        lambda s, on: thresholds.add_threshold(s, runs.run_by_id(s, on.run), "cost", 0.5, "so"),
        FEW,
    ),
    unused_ledger.holds_nothing: Case(lambda s, _: unused_ledger.holds_nothing(s), FEW),
    thresholds.all_chosen: Case(lambda s, _: thresholds.all_chosen(s), FEW),
    thresholds.choosers: Case(lambda s, _: thresholds.choosers(s), FEW),
    thresholds.forget_threshold: Case(lambda s, _: thresholds.forget_threshold(s, 1), FEW),
    thresholds.chosen_last: Case(lambda s, _: thresholds.chosen_last(s, 1, 1), FEW),
    thresholds.chosen_on: Case(lambda s, on: thresholds.chosen_on(s, on.run), FEW),
    thresholds.same_model: Case(lambda s, _: thresholds.same_model(s, 1), FEW),
}


def asking() -> set[Callable[..., Any]]:
    """Every public function of `db` that is given a session."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(db.__path__, "db.")
        if not found.ispkg and "migrations" not in found.name
    ]
    return {
        function
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and "session" in inspect.signature(function).parameters
    }


def test_every_function_that_asks_the_database_has_its_case() -> None:
    assert set(CASES) == asking()


def add_run(session: Session, checkpoint_id: int) -> int:
    made = Run(source=SOURCE, checkpoint_id=checkpoint_id, precision="float32", batch_size=BATCH)
    session.add(made)
    session.flush()
    return made.id


def fill(session: Session, run: int, images: int, scored: int) -> None:
    """A run of which so many images have their outcome; every tenth is missing."""
    rows = (
        ImageRow(run, at // BATCH + 1, f"images/{at:05}.jpg", at % 2, '{"sex": "f"}')
        for at in range(images)
    )
    insert_images(session, rows)
    values = {"run": run, "scored": scored // BATCH}
    session.execute(
        text(
            "INSERT INTO predictions (image_id, score, error, image_digest, worker) "
            "SELECT id, CASE WHEN id % 10 > 0 THEN (id % 1000) / 1000.0 END, "
            f"CASE WHEN id % 10 = 0 THEN 'missing' END, id || 'x', '{WORKER}' "
            "FROM images WHERE run_id = :run AND batch <= :scored"
        ),
        values,
    )
    session.execute(
        text(
            "INSERT INTO batches (run_id, number, worker, published_at, finished_at) SELECT "
            f"DISTINCT run_id, batch, '{WORKER}', 1.0, "
            "CASE WHEN batch <= :scored THEN run_id + batch / 1000.0 END "
            "FROM images WHERE run_id = :run"
        ),
        values,
    )


def analyse(database: Database) -> None:
    with database.write() as session:
        session.execute(text("ANALYZE"))


def filled(url: str, past: "Past") -> Ledger:
    database = open_database(url)
    with database.write() as session:
        made = runs.add_checkpoint(session, DIGEST, "x.keras", {})
        if not url.startswith("sqlite"):
            for table in LARGE:  # nothing analyses them meanwhile
                session.execute(text(f"ALTER TABLE {table} SET (autovacuum_enabled = false)"))
        for images in past.runs:
            fill(session, add_run(session, made.id), images, images)
    if past.statistics == "older":
        analyse(database)
    with database.write() as session:
        run, empty = add_run(session, made.id), add_run(session, made.id)
        fill(session, run, IMAGES, IMAGES // 2)
        first = session.scalar(text("SELECT min(id) FROM images WHERE run_id = :r"), {"r": run})
    if past.statistics == "of all":
        analyse(database)
    database.close()
    return Ledger(open_database(url), run, empty, first or 0)


class Past(NamedTuple):
    """The sizes of the runs before, and what the statistics know: nothing, all, or only those."""

    statistics: str
    runs: tuple[int, ...]

    def __str__(self) -> str:
        return f"statistics {self.statistics}, {len(self.runs)} before"


MANY, LARGE_ONE = (IMAGES,) * OLDER, (OLDER * IMAGES,)
PASTS = [Past("none", MANY), Past("of all", MANY), Past("older", MANY), Past("older", LARGE_ONE)]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=PASTS, ids=str)
def many(
    request: pytest.FixtureRequest, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    if kind == "sqlite":
        url = f"sqlite:///{tmp_path_factory.mktemp('plans') / 'ledger.db'}"
    else:
        uri: str = request.getfixturevalue("postgres_uri")
        url = new_database(uri, f"plans {request.param}")
    on = filled(url, request.param)
    yield on
    on.database.close()


def work_of(case: Case, on: Ledger) -> list[Work]:
    """What one call costs; nothing of it is kept."""
    with on.database.write() as session:
        with watched(session) as work:
            case.call(session, on)
        session.rollback()
    return work


@pytest.mark.parametrize("function", CASES, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_a_statement_reads_what_it_is_about(function: Callable[..., Any], many: Ledger) -> None:
    case = CASES[function]
    for one in work_of(case, many):
        assert one.rows <= 2 * case.rows, f"{one.rows} rows\n{one.statement}\n{one.plan}"
        assert not one.scans, f"{one.statement}\n{one.plan}"
