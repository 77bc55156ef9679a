"""The three commands with no server: SQLite and the queue folder, real processes and signals."""

import re
import shutil
import signal
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from faults import colour_site, stub_worker
from invariants import half_batches
from processes import (
    CleanRun,
    Done,
    Ledger,
    Prediction,
    Process,
    Site,
    Trained,
    error_lines,
    fresh_site,
    kill_a_holder,
)

pytestmark = pytest.mark.usefixtures("measured")

IMAGES = 150
# Of the data set: enough that a signal finds the worker in the midst of it.
COPIES = 12
ADDED = 5
# Where the four that cannot be scored stand among the 64 of a manifest.
BROKEN = {
    0: ("empty.jpg", "empty"),
    21: ("text.jpg", "not_an_image"),
    42: ("truncated.jpg", "corrupt"),
    63: ("absent.jpg", "missing"),
}


class Healing(NamedTuple):
    """Faults that happened, and the workers that were started afterwards to `--drain`."""

    killed: Site
    code_of_the_killed: int
    half_at_the_kill: int
    unfinished_at_the_kill: int
    second: Process
    wiped: Site
    messages_before_the_wipe: int
    first_of_the_wiped: Process


@pytest.fixture(scope="module")
def healing(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Healing]:
    """Two runs that meet a fault.

    What heals them waits for half a minute, so they begin first and are looked at last.
    """
    wiped = fresh_site(tmp_path_factory.mktemp("wiped"), trained)
    killed = fresh_site(tmp_path_factory.mktemp("killed"), trained)
    wiped.succeed("producer", "enqueue", "data/test")
    messages = wiped.waiting()
    shutil.rmtree(wiped.folder / "dermscore.queue")
    killed.succeed("producer", "enqueue", "data/test")
    with ExitStack() as started:
        first = started.enter_context(killed.worker())
        kill_a_holder([first], killed.ledger)
        yield Healing(
            killed=killed,
            code_of_the_killed=first.await_end(),
            half_at_the_kill=half_batches(killed.ledger, 1),
            unfinished_at_the_kill=killed.ledger.unfinished(),
            second=started.enter_context(killed.worker("--drain")),
            wiped=wiped,
            messages_before_the_wipe=messages,
            first_of_the_wiped=started.enter_context(wiped.worker("--drain")),
        )


def assert_every_image_has_one_prediction(ledger: Ledger, run: int, images: int) -> None:
    predictions = ledger.predictions(run)
    listed = ledger.images(run)
    assert len(listed) == images
    assert [prediction.path for prediction in predictions] == listed
    owed = "SELECT number FROM batches WHERE run_id = :run AND finished_at IS NULL"
    assert ledger.rows(owed, run=run) == []


def test_a_kill_in_mid_batch_leaves_the_batch_owed(healing: Healing) -> None:
    assert healing.code_of_the_killed == -signal.SIGKILL
    assert healing.half_at_the_kill == 0
    assert healing.unfinished_at_the_kill > 0


def test_the_three_commands_score_every_image_once(clean: CleanRun) -> None:
    assert_every_image_has_one_prediction(clean.site.ledger, 1, IMAGES)
    assert len(clean.scores) == IMAGES
    assert len(set(clean.scores.values())) > IMAGES / 2, "the model tells images apart"
    assert "run 1: 150 images (150 new)" in clean.enqueued.stdout
    assert "3 batches enqueued" in clean.enqueued.stdout
    assert re.search(r"scored +150\n", clean.reported.stdout)
    assert clean.reported.stderr == ""


def test_the_labels_are_those_of_the_class_folders(clean: CleanRun) -> None:
    rows = clean.site.ledger.rows("SELECT path, label FROM images")
    for path, label in rows:
        assert label == int("/melanoma/" in path), path
    assert sum(label for _, label in rows) == round(0.23 * IMAGES)


def test_enqueueing_a_finished_run_again_changes_nothing(clean: CleanRun) -> None:
    before = snapshot(clean.site.ledger)
    again = clean.site.succeed("producer", "enqueue", "data/test")
    assert "run 1: 150 images (0 new)" in again.stdout
    assert "enqueued" not in again.stdout
    assert clean.site.waiting() == 0
    assert snapshot(clean.site.ledger) == before


def test_enqueueing_an_owed_run_again_adds_no_rows(trained: Trained, tmp_path: Path) -> None:
    site = fresh_site(tmp_path, trained)
    first = site.succeed("producer", "enqueue", "data/test")
    counts = site.ledger.counts()
    second = site.succeed("producer", "enqueue", "data/test")
    assert site.ledger.counts() == counts
    assert counts == {"checkpoints": 1, "runs": 1, "batches": 3, "images": 150, "predictions": 0}
    assert "run 1: 150 images (150 new)" in first.stdout
    assert "run 1: 150 images (0 new)" in second.stdout


def snapshot(ledger: Ledger) -> list[list[tuple[object, ...]]]:
    """Every row of every table, times included."""
    tables = ("checkpoints", "runs", "batches", "images", "predictions")
    return [ledger.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables]


class Grown(NamedTuple):
    """The folder of the clean run, copied, with more to score, after one drain."""

    site: Site
    resumed: Done
    before: list[Prediction]
    worker_output: str


@pytest.fixture(scope="module")
def grown(clean: CleanRun, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """Run 1 with added files; run 2 a manifest, run 3 on standard input, run 4 with bad images."""
    folder = tmp_path_factory.mktemp("grown") / "site"
    shutil.copytree(clean.site.folder, folder)
    site = Site(folder)
    before = site.ledger.predictions()
    for image in sorted((folder / "data" / "valid" / "nevus").iterdir())[:ADDED]:
        shutil.copy(image, folder / "data" / "test" / "nevus")
    resumed = site.succeed("producer", "enqueue", "data/test")
    some = list(clean.scores)[:6]
    (folder / "some.csv").write_text(manifest(some))
    site.succeed("producer", "enqueue", "some.csv")
    site.succeed("producer", "enqueue", "-", stdin=manifest(some))
    (folder / "mixed.csv").write_text("path\n" + "\n".join(mixed(folder, list(clean.scores))))
    site.succeed("producer", "enqueue", "mixed.csv")
    return Grown(site, resumed, before, site.drain())


def manifest(paths: list[str]) -> str:
    """Labels 0, 1 and none in turn, and two attributes."""
    labels = ("0", "1", "")
    rows = [f"{at},{path},{labels[at % 3]},{50 + at},back" for at, path in enumerate(paths)]
    return "\n".join([",filepath,label,age,site", *rows]) + "\n"


def mixed(folder: Path, good: list[str]) -> list[str]:
    """60 good paths with four bad ones among them, whose files are made."""
    (folder / "bad").mkdir()
    (folder / "bad" / "empty.jpg").touch()
    (folder / "bad" / "text.jpg").write_text("this is no picture\n" * 9)
    whole = (folder / good[0]).read_bytes()
    (folder / "bad" / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    paths = iter(good)
    return [f"bad/{BROKEN[at][0]}" if at in BROKEN else next(paths) for at in range(64)]


def test_of_a_run_with_added_files_only_those_are_scored(grown: Grown) -> None:
    assert f"run 1: {IMAGES + ADDED} images ({ADDED} new)" in grown.resumed.stdout
    assert "1 batch enqueued" in grown.resumed.stdout
    after = grown.site.ledger.predictions()
    assert after[:IMAGES] == grown.before, "old predictions keep their scores and times"
    assert_every_image_has_one_prediction(grown.site.ledger, 1, IMAGES + ADDED)


def test_a_manifest_keeps_labels_and_attributes(grown: Grown, clean: CleanRun) -> None:
    rows = grown.site.ledger.rows(
        "SELECT path, label, attributes ->> 'age', attributes ->> 'site' FROM images "
        "WHERE run_id = 2 ORDER BY id"
    )
    labels = (0, 1, None)
    expected = list(clean.scores)[:6]
    assert rows == [(p, labels[at % 3], str(50 + at), "back") for at, p in enumerate(expected)]
    assert grown.site.ledger.scores(2) == {path: clean.scores[path] for path in expected}


def test_a_manifest_on_standard_input_is_as_good_as_a_file(grown: Grown) -> None:
    assert grown.site.ledger.scores(3) == grown.site.ledger.scores(2)
    listed = "SELECT path, label, attributes FROM images WHERE run_id = :run ORDER BY id"
    assert grown.site.ledger.rows(listed, run=3) == grown.site.ledger.rows(listed, run=2)


def test_bad_images_end_as_errors_and_leave_their_batch_as_it_was(
    grown: Grown, clean: CleanRun
) -> None:
    assert_every_image_has_one_prediction(grown.site.ledger, 4, 64)
    predictions = grown.site.ledger.predictions(4)
    bad = {at: row for at, row in enumerate(predictions) if row.error is not None}
    assert {at: (Path(row.path).name, row.error) for at, row in bad.items()} == BROKEN
    for row in bad.values():
        assert row.score is None
        assert row.detail is not None
        assert len(row.detail.split()) > 3, "a sentence for a person"
    scores = grown.site.ledger.scores(4)
    assert len(scores) == 60
    assert scores == {path: clean.scores[path] for path in scores}, "bit for bit"
    assert "run 4 batch 1: 64 images, 4 errors," in grown.worker_output


class Watched(NamedTuple):
    """A run that was waited for twice, and a second run whose worker got SIGTERM."""

    site: Site
    interrupted: tuple[int, str]
    counts_after_the_interrupt: dict[str, int]
    waited: Done
    code_of_the_worker: int
    worker_output: str
    predictions_after_it: int
    batches_after_it: list[tuple[object, ...]]
    drained: str


@pytest.fixture(scope="module")
def watched(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Ctrl-C during `--wait`, then a `--wait` to the end, then SIGTERM in mid-batch."""
    site = fresh_site(tmp_path_factory.mktemp("watched"), trained)
    for copy in range(COPIES):
        shutil.copytree(site.folder / "data" / "test", site.folder / "copies" / str(copy))
    with site.start("producer", "enqueue", "data/test", "--wait") as waiting:
        waiting.await_output("0 of 150 images")
        waiting.send(signal.SIGINT)
        interrupted = waiting.await_end(), waiting.output
    counts = site.ledger.counts()
    with site.worker() as worker:
        waited = site.succeed("producer", "enqueue", "data/test", "--wait")
        site.succeed("producer", "enqueue", "copies", "--batch-size", "16")
        worker.await_true(lambda: site.ledger.predictions(2), "it was at the second run")
        worker.await_true(site.ledger.leased, "it held a batch")
        worker.send(signal.SIGTERM)
        code, output = worker.await_end(), worker.output
    state = "SELECT finished_at IS NOT NULL, leased_until IS NOT NULL FROM batches WHERE run_id = 2"
    batches = site.ledger.rows(state)
    predictions = len(site.ledger.predictions(2))
    return Watched(
        site, interrupted, counts, waited, code, output, predictions, batches, site.drain()
    )


def test_ctrl_c_while_waiting_ends_the_terminal_and_not_the_run(watched: Watched) -> None:
    code, output = watched.interrupted
    assert code == 130
    assert "run 1 goes on without this terminal" in output
    assert "Traceback" not in output
    assert watched.counts_after_the_interrupt["batches"] == 3
    assert watched.counts_after_the_interrupt["images"] == IMAGES


def test_wait_ends_with_the_counts_when_everything_is_scored(watched: Watched) -> None:
    assert "150 scored, 0 unreadable" in watched.waited.stdout
    assert "next: report --run 1" in watched.waited.stdout
    assert_every_image_has_one_prediction(watched.site.ledger, 1, IMAGES)


def test_sigterm_in_mid_batch_finishes_what_is_begun_and_loses_nothing(
    watched: Watched, clean: CleanRun
) -> None:
    assert watched.code_of_the_worker == 0, watched.worker_output
    finished = [batch for batch in watched.batches_after_it if batch[0]]
    assert 0 < len(finished) < len(watched.batches_after_it), "it was a signal in the middle"
    assert not any(leased for _, leased in watched.batches_after_it), "no lease is left behind"
    assert watched.predictions_after_it == 16 * len(finished), "whole batches only"
    assert "sent again" not in watched.drained, "each message was still in the queue"
    assert "one by one" not in watched.drained, "no batch was begun in vain"
    assert_every_image_has_one_prediction(watched.site.ledger, 2, COPIES * IMAGES)
    for copy in range(COPIES):
        scores = {
            path.replace("data/test/", f"copies/{copy}/"): score
            for path, score in clean.scores.items()
        }
        assert scores.items() <= watched.site.ledger.scores(2).items()


def test_drain_with_nothing_to_do_ends_at_once(tmp_path: Path) -> None:
    site = colour_site(tmp_path)
    del site.settings["CHECKPOINT"]
    # It would wait for an hour for messages that might be lost; and it looks once.
    with stub_worker(site, "--drain", STUB_LEASE_SECONDS="3600") as worker:
        assert worker.await_end() == 1, worker.output  # perhaps it stands in a wrong folder
        assert "checkpoint none yet" in worker.output
        assert "holds no run and no checkpoint" in worker.output
    assert set(site.ledger.counts().values()) == {0}


def test_drain_without_the_runs_checkpoint_ends_with_a_line_that_names_it(
    trained: Trained, tmp_path: Path
) -> None:
    site = site_whose_checkpoint_is_gone(trained, tmp_path)
    with site.worker("--drain") as worker:
        assert worker.await_end() == 1, worker.output
        (line,) = error_lines(worker.output)
        assert trained.digest[:12] in line
        assert "soon-gone.keras" in line
        assert "Traceback" not in worker.output
    assert site.ledger.counts()["predictions"] == 0
    assert site.ledger.unfinished() == 3


def test_drain_with_another_checkpoint_at_hand_ends_too(trained: Trained, tmp_path: Path) -> None:
    site = site_whose_checkpoint_is_gone(trained, tmp_path)
    another = tmp_path / "checkpoints" / "another.keras"
    copy_checkpoint(trained.checkpoint, another)
    with zipfile.ZipFile(another, "a") as archive:
        archive.comment = b"another digest"
    card = another.with_suffix(".json")
    card.write_text(
        card.read_text().replace(trained.digest, sha256(another.read_bytes()).hexdigest())
    )
    with Site(tmp_path, {"CHECKPOINT": str(another)}).worker("--drain") as worker:
        assert worker.await_end() == 1, worker.output
        lines = [line for line in worker.output.splitlines() if "ERROR drain: " in line]
        assert len(lines) == 1, worker.output
        assert f"checkpoint {trained.digest[:12]}" in lines[0]
        assert "Traceback" not in worker.output
    assert site.ledger.counts()["predictions"] == 0
    assert site.ledger.unfinished() == 3


def site_whose_checkpoint_is_gone(trained: Trained, folder: Path) -> Site:
    """Enqueued with a copy of the checkpoint, which is then removed."""
    gone = folder / "checkpoints" / "soon-gone.keras"
    copy_checkpoint(trained.checkpoint, gone)
    fresh_site(folder, trained)
    site = Site(folder)
    site.succeed("producer", "enqueue", "data/test", "--checkpoint", str(gone))
    gone.unlink()
    return site


def copy_checkpoint(checkpoint: Path, to: Path) -> None:
    to.parent.mkdir(exist_ok=True)
    shutil.copy(checkpoint, to)
    shutil.copy(checkpoint.with_suffix(".json"), to.with_suffix(".json"))


def test_another_worker_finishes_what_a_killed_one_began(healing: Healing, clean: CleanRun) -> None:
    assert healing.second.await_end() == 0, healing.second.output
    ledger = healing.killed.ledger
    assert_every_image_has_one_prediction(ledger, 1, IMAGES)
    assert ledger.scores() == clean.scores, "as if nothing had happened"
    attempts = [count for (count,) in ledger.rows("SELECT attempts FROM batches ORDER BY number")]
    assert 2 in attempts, "what was begun was begun again"
    assert "sent again" in healing.second.output


def test_a_wiped_queue_is_filled_again_from_the_ledger(healing: Healing, clean: CleanRun) -> None:
    assert healing.messages_before_the_wipe == 3
    worker = healing.first_of_the_wiped
    assert worker.await_end() == 0, worker.output
    ledger = healing.wiped.ledger
    assert_every_image_has_one_prediction(ledger, 1, IMAGES)
    assert ledger.scores() == clean.scores
    assert "sent again" in worker.output
    assert "one by one" not in worker.output, "nothing was begun before"
