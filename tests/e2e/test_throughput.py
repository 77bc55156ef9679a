"""Images per second: one definition, with values that can be counted by hand."""

from types import SimpleNamespace

import pytest
from sqlalchemy import text
from stored import enlist, finish

from db.queries.leases import BatchKey
from db.queries.results import throughput
from db.session import Database
from db.throughput import Finished, images_per_second, seconds_left
from worker.observability import throughput as worker_throughput
from worker.observability.throughput import Throughput


def in_a_row(number: int, seconds: float, images: int, end: float) -> list[Finished]:
    """Batches one after the other, the last of which was finished at `end`."""
    return [Finished(end - at * seconds, seconds, images) for at in reversed(range(number))]


def test_the_first_batch_has_its_own_images_per_second() -> None:
    assert images_per_second([Finished(1002, 2, 60)], 1002) == 30


def test_nothing_finished_is_zero() -> None:
    assert images_per_second([], 1000) == 0
    assert images_per_second([Finished(1000, 0, 60)], 1000) == 0, "no time has passed"


@pytest.mark.parametrize("batches", [2, 7, 30, 31, 50])
def test_batches_in_a_row_have_the_same_however_many_there_were(batches: int) -> None:
    assert images_per_second(in_a_row(batches, 2, 64, 1000), 1000) == 32


def test_batches_that_overlap_count_over_the_time_that_they_took_together() -> None:
    assert images_per_second([Finished(1004, 4, 64), Finished(1006, 5, 64)], 1006) == 128 / 6


def test_a_pause_within_the_minute_counts() -> None:
    batches = [Finished(1002, 2, 60), Finished(1020, 2, 60)]
    assert images_per_second(batches, 1020) == 120 / 20


def test_what_was_before_the_last_minute_does_not_count() -> None:
    assert images_per_second([Finished(1000, 2, 999), Finished(1100, 2, 60)], 1100) == 30


def test_a_batch_that_began_before_the_minute_counts_with_a_part() -> None:
    # 60 of its 100 seconds lie in the minute, and so 600 of its 1000 images.
    assert images_per_second([Finished(1100, 100, 1000)], 1100) == 600 / 60


def test_time_counts_once_the_next_batch_takes_longer_than_any_did() -> None:
    batches = in_a_row(3, 2, 60, 1006)
    for now, expected in [(1006, 180 / 6), (1008, 180 / 6), (1012, 180 / 10), (1070, 0)]:
        assert images_per_second(batches, now) == expected
    # The minute before 1067 - 2 began at 1005, in the middle of the last batch.
    assert images_per_second(batches, 1067) == 30 / 60


def test_time_left_is_said_where_there_is_a_pace() -> None:
    assert seconds_left(90, 30.0) == 3
    assert seconds_left(0, 30.0) is seconds_left(90, 0.0) is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """This machine's clock in seconds, to be put forward; the ledger's is a thousand ahead."""
    now = [0.0]
    monkeypatch.setattr(worker_throughput, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_worker_that_holds_no_batch_for_an_instant_begins_nothing_anew(
    clock: list[float],
) -> None:
    worker = Throughput()
    rates = []
    for at in range(1, 20):
        clock[0] = 2.0 * at  # one batch at a time, and none in between
        rates.append(worker.add(1, Finished(1000 + clock[0], 2, 60)))
    assert rates == [30.0] * 19


def test_a_worker_has_the_sum_of_its_runs_and_falls_to_zero_when_idle(clock: list[float]) -> None:
    worker = Throughput()
    assert worker.now() == 0
    clock[0] = 2.0
    assert worker.add(1, Finished(1002, 2, 60)) == 30
    assert worker.add(2, Finished(1002, 1, 60)) == 60
    assert worker.now() == 90
    for later, expected in [(4.0, 30 + 30), (6.0, 15 + 15), (64.1, 0.0), (500.0, 0.0)]:
        clock[0] = later
        assert worker.now() == pytest.approx(expected, abs=0.01), later


def test_short_batches_are_counted_together(clock: list[float]) -> None:
    worker = Throughput()
    for at in range(1, 10_001):  # a minute's worth at 160 a second
        clock[0] = at * 0.00625
        rate = worker.add(1, Finished(1000 + clock[0], 0.00625, 5))
    assert rate == pytest.approx(800)
    assert worker.now() == pytest.approx(800)


def test_the_ledger_counts_what_a_run_got_lately_and_not_what_was_kept(database: Database) -> None:
    run, other = enlist(database, 6), enlist(database, 2)
    for number in (1, 2, 3):
        finish(database, BatchKey(run, number), "ana")
    finish(database, BatchKey(other, 1), "ana")
    with database.write() as session:
        # Finished at 10, 14 and 16 s; the second got one of its two images long before.
        session.execute(text("UPDATE predictions SET scored_at = scored_at - 1000000"))
        session.execute(
            text(
                "UPDATE batches SET read_seconds = 1, decode_seconds = 1, compute_seconds = 2, "
                "finished_at = (SELECT max(finished_at) FROM batches) - :ago "
                "WHERE run_id = :run AND number = :number"
            ),
            [{"run": run, "number": at, "ago": 6.0 - ago} for at, ago in ((1, 0), (2, 4), (3, 6))],
        )
        session.execute(
            text(
                "UPDATE predictions SET scored_at = (SELECT finished_at - 0.1 FROM batches "
                "JOIN images ON images.batch = number AND images.run_id = batches.run_id "
                "WHERE images.id = image_id) "
                "WHERE image_id <> (SELECT min(id) FROM images WHERE run_id = :run AND batch = 2)"
            ),
            {"run": run},
        )
        assert throughput(session, run) == pytest.approx(5 / 10, rel=0.01)
