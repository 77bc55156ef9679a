import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import pytest
from sqlalchemy import delete, select, update

from base.listed_image import ListedImage
from db.clock import Now
from db.errors import DatabaseError
from db.queries.leases import BatchKey, take_leases
from db.queries.listing import cut_batches, stage_images
from db.queries.outcomes import Outcome, Seconds, store_outcomes
from db.queries.refusals import Refused, forget_refusals, is_refused_by_all, refusals_of
from db.queries.retry import clear_errors
from db.queries.runs import RunSpec, add_checkpoint, group_runs
from db.queries.unfinished import claim_expired
from db.queries.workers import note_seen
from db.session import Database
from db.tables import Batch, Image, Prediction, Refusal, Run, Worker
from imaging.errors import ImageError
from model.errors import CheckpointError
from worker.health.activity import ActivityTracker
from worker.health.database_retry import DatabaseRetry
from worker.health.heartbeat import Heartbeat
from worker.scoring.batch_ledger import MAX_STARTS
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.batch_scores import BatchScores, KnownDigests, RunScores


class Killed(BaseException):
    """Stands for the end of the process: what comes after it in the worker does not happen."""


class NameEngine:
    """Scores an image by the number that is its file's name; `7.bad` cannot be decoded.

    What is said of `8.bad` holds characters that no database takes.

    Runs get the same scores, but for those in `halved`. Checkpoints in `absent` are not found.
    """

    def __init__(self) -> None:
        self.decoded: list[list[str]] = []
        self.runs: list[list[int]] = []
        self.halved: set[int] = set()
        self.absent: set[str] = set()
        self.before_score: Callable[[list[str]], None] = lambda _names: None
        self.device = "nothing"

    def prepare(self, spec: RunSpec) -> None:
        if spec.digest in self.absent:
            raise CheckpointError(f"checkpoint {spec.digest[:4]} was not found")

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], _known: KnownDigests
    ) -> BatchScores:
        self.decoded.append(list(paths))
        self.runs.append([spec.run_id for spec in runs])
        self.before_score(list(paths))
        good = [at for at, path in enumerate(paths) if not path.endswith(".bad")]
        errors = {
            at: ImageError("corrupt", f"{path} is damaged" + "\0\udcff" * (path == "8.bad"))
            for at, path in enumerate(paths)
            if at not in good
        }
        digests = {at: f"digest of {paths[at]}" for at in good}
        return BatchScores(
            [
                RunScores(
                    {at: float(paths[at]) / (1 + (spec.run_id in self.halved)) for at in good},
                    errors,
                    digests,
                    {},
                )
                for spec in runs
            ],
            Seconds(read=1, decode=2, compute=4),
        )

    def failure(self, digest: str, _precision: str) -> None:
        raise NotImplementedError(digest)

    def close(self) -> None:
        raise NotImplementedError


@pytest.fixture
def scorer() -> NameEngine:
    return NameEngine()


@pytest.fixture
def scoring(database: Database, scorer: NameEngine) -> BatchProcessor:
    return BatchProcessor(database, scorer, "ana")


def store_run(database: Database, *names: str, digest: str = "a" * 64) -> BatchKey:
    """A run of one batch of images of these names."""
    with database.write() as session:
        checkpoint = add_checkpoint(session, digest, "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage(name, None, None) for name in names])
        cut_batches(session, run.id)
        return BatchKey(run.id, 1)


def store_run_with_digests(database: Database, digests: dict[str, str | None]) -> BatchKey:
    """A run of one batch of images by name, with the digest that the manifest gives of each."""
    key = store_run(database)
    with database.write() as session:
        listed = [
            ListedImage(name, None, None if digest is None else {"sha256": digest, "sex": "f"})
            for name, digest in digests.items()
        ]
        stage_images(session, session.get_one(Run, key.run_id), listed)
        cut_batches(session, key.run_id)
    return key


def stored(database: Database, run_id: int = 1) -> dict[str, float | str | None]:
    """Image to score or error code."""
    with database.read() as session:
        rows = session.execute(
            select(Image.path, Prediction.score, Prediction.error)
            .join(Prediction, Prediction.image_id == Image.id)
            .where(Image.run_id == run_id)
            .order_by(Image.id)
        )
        return {row.path: row.error or row.score for row in rows}


def batch(database: Database, key: BatchKey) -> Batch:
    with database.read() as session:
        return session.get_one(Batch, key)


def free(database: Database) -> None:
    """Let every lease have run out."""
    with database.write() as session:
        session.execute(
            update(Batch).where(Batch.leased_until.is_not(None)).values(leased_until=Now() - 1)
        )


class HexEngine(NameEngine):
    """The digest of an image is 64 times the first letter of its name."""

    def score(
        self, runs: Sequence[RunSpec], paths: Sequence[str], known: KnownDigests
    ) -> BatchScores:
        scored = super().score(runs, paths, known)
        digests = {at: path[0] * 64 for at, path in enumerate(paths) if path != "0.gone.bad"}
        return scored._replace(runs=[run._replace(digests=digests) for run in scored.runs])


def test_a_file_of_another_digest_than_the_manifests_is_not_scored(database: Database) -> None:
    key = store_run_with_digests(
        database,
        {
            "0.1": "0" * 64,
            "0.2": "1" * 64,  # another file's
            "0.3": None,
            "0.4": "",
            "0.bad": "1" * 64,
            "0.5.bad": "0" * 64,
            "0.gone.bad": "1" * 64,  # never read: no digest to compare
        },
    )

    BatchProcessor(database, HexEngine(), "ana").score(key)

    assert stored(database) == {
        "0.1": 0.1,
        "0.2": "wrong_digest",
        "0.3": 0.3,
        "0.4": 0.4,
        "0.bad": "wrong_digest",
        "0.5.bad": "corrupt",
        "0.gone.bad": "corrupt",
    }
    with database.read() as session:
        (wrong, _) = session.scalars(select(Prediction).where(Prediction.error == "wrong_digest"))
        assert wrong.image_digest == "0" * 64
        assert wrong.detail == f"its SHA-256 is {'0' * 64}, not that of the manifest"
    assert batch(database, key).finished_at is not None


def test_a_digest_is_of_one_run_and_not_of_the_file(database: Database) -> None:
    first = store_run_with_digests(database, {"0.1": "1" * 64})
    second = store_run_with_digests(database, {"0.1": "0" * 64})
    with database.write() as session:
        group_runs(session, [first.run_id, second.run_id])

    BatchProcessor(database, HexEngine(), "ana").score(first)

    assert stored(database, first.run_id) == {"0.1": "wrong_digest"}
    assert stored(database, second.run_id) == {"0.1": 0.1}


def die_on(name: str) -> Callable[[list[str]], None]:
    def die(names: list[str]) -> None:
        if name in names:
            raise Killed

    return die


def attempt(database: Database, scoring: BatchProcessor, key: BatchKey) -> None:
    """One worker's attempt, from which it may not return."""
    free(database)
    with suppress(Killed):
        scoring.score(key)


def test_a_batch_is_scored_as_a_whole(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.125", "7.bad", "0.5", "1", "0")

    scoring.score(key)

    assert scorer.decoded == [["0.125", "7.bad", "0.5", "1", "0"]]
    assert stored(database) == {"0.125": 0.125, "7.bad": "corrupt", "0.5": 0.5, "1": 1, "0": 0}
    assert batch(database, key).finished_at
    assert batch(database, key).leased_until is None


def test_an_error_can_be_stored_whatever_its_words(
    database: Database, scoring: BatchProcessor
) -> None:
    key = store_run(database, "8.bad", "0.5")

    scoring.score(key)

    assert batch(database, key).finished_at
    with database.read() as session:
        assert list(session.scalars(select(Prediction.detail).order_by(Prediction.image_id))) == [
            "8.bad is damaged\\0\\udcff",
            None,
        ]


def test_an_outcome_says_all_that_is_known(database: Database, scoring: BatchProcessor) -> None:
    scoring.score(store_run(database, "7.bad", "0.5"))

    with database.read() as session:
        bad, good = session.scalars(select(Prediction).order_by(Prediction.image_id))
    assert (bad.detail, bad.image_digest, bad.worker) == ("7.bad is damaged", None, "ana")
    assert (good.detail, good.image_digest, good.worker) == (None, "digest of 0.5", "ana")


def test_a_batch_of_bad_images_alone_is_finished(
    database: Database, scoring: BatchProcessor
) -> None:
    key = store_run(database, "1.bad", "2.bad")

    scoring.score(key)

    assert stored(database) == {"1.bad": "corrupt", "2.bad": "corrupt"}
    assert batch(database, key).finished_at


def test_a_message_delivered_twice_finds_nothing_to_do(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.5")
    scoring.score(key)

    scoring.score(key)

    assert scorer.decoded == [["0.5"]]
    assert batch(database, key).attempts == 1


def test_a_batch_that_another_worker_holds_is_left_alone(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.5")
    with database.write() as session:
        take_leases(session, key, "ben", 60)

    scoring.score(key)

    assert scorer.decoded == []
    assert batch(database, key).worker == "ben"


def test_the_same_batch_delivered_while_it_is_scored_is_scored_once(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.5")
    other = NameEngine()
    scorer.before_score = lambda _names: BatchProcessor(database, other, "ben").score(key)

    scoring.score(key)

    assert other.decoded == []
    assert stored(database) == {"0.5": 0.5}


def test_what_is_no_number_becomes_an_error_of_its_image(
    database: Database, scoring: BatchProcessor
) -> None:
    """One odd image can make it, and it says nothing of the scores of others."""
    scoring.score(store_run(database, "nan", "0.5"))

    assert stored(database) == {"nan": "bad_score", "0.5": 0.5}


def test_what_float32_rounds_past_the_bounds_is_a_score(
    database: Database, scoring: BatchProcessor
) -> None:
    scoring.score(store_run(database, "1.0000002", "-0.0000002", "1", "0"))

    assert stored(database) == {"1.0000002": 1, "-0.0000002": 0, "1": 1, "0": 0}


@pytest.mark.parametrize("score", ["1.5", "-0.5", "inf", "-inf", "1.00001", "-7"])
@pytest.mark.parametrize("attempts_before", [0, 1])
def test_a_score_that_is_none_stops_the_run_and_loses_no_image(
    database: Database, scoring: BatchProcessor, score: str, attempts_before: int
) -> None:
    """Left out, such images would be the most suspicious ones."""
    key = store_run(database, score, "7.bad", "0.5")
    with database.write() as session:
        session.execute(update(Batch).values(attempts=attempts_before))

    scoring.score(key)

    assert stored(database) == {}
    left = batch(database, key)
    assert (left.attempts, left.leased_until, left.finished_at) == (attempts_before, None, None)
    (refused,) = refusals(database, key)
    assert refused.stops
    assert refused.reason == (
        f"model.keras gave {float(score):.8g} for {score}, and a score is in [0, 1]: "
        "this model does not give probabilities"
    )


def test_a_stopped_run_is_taken_by_nobody_until_it_is_resumed(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "1.5")
    same_model = store_run(database, "0.5")
    other = store_run(database, "0.5", digest="b" * 64)
    scoring.score(key)
    assert scorer.decoded == [["1.5"]]

    ben = BatchProcessor(database, scorer, "ben")
    for one in (key, same_model, other):
        ben.score(one)

    assert scorer.decoded == [["1.5"], ["0.5"]]
    assert stored(database, other.run_id) == {"0.5": 0.5}
    assert lapsed(database) == []
    with database.write() as session:
        forget_refusals(session, [key.run_id])
    assert lapsed(database) == []
    with database.write() as session:
        forget_refusals(session, [key.run_id], stops=True)
    assert lapsed(database) == [key, same_model]
    ben.score(same_model)
    assert stored(database, same_model.run_id) == {"0.5": 0.5}


def test_a_model_that_is_wrong_stops_its_own_run_alone(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    wrong = store_run(database, "0.25", "1.5")
    right = store_run(database, "0.25", "1.5", digest="b" * 64)
    together(database, wrong, right)
    scorer.halved = {right.run_id}

    scoring.score(wrong)

    assert stored(database, wrong.run_id) == {}
    assert batch(database, wrong).finished_at is None
    assert stored(database, right.run_id) == {"0.25": 0.125, "1.5": 0.75}
    assert batch(database, right).finished_at


def lapsed(database: Database) -> list[BatchKey]:
    """What the next sweep would send."""
    with database.write() as session:
        return claim_expired(session, -1, unstarted=True)


def refusals(database: Database, key: BatchKey) -> list[Refused]:
    with database.read() as session:
        return refusals_of(session, key.run_id)


def test_what_a_worker_refuses_is_written_down_until_it_can(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.5")
    scorer.absent = {"a" * 64}
    for _ in range(2):
        with pytest.raises(CheckpointError):
            scoring.score(key)
    ben = BatchProcessor(database, scorer, "ben")
    with pytest.raises(CheckpointError):
        ben.score(key)

    found = refusals(database, key)
    assert {(one.worker, one.reason, one.stops) for one in found} == {
        ("ana", "checkpoint aaaa was not found", False),
        ("ben", "checkpoint aaaa was not found", False),
    }
    scorer.absent.clear()
    scoring.score(key)

    assert [one.worker for one in refusals(database, key)] == ["ben"]
    assert stored(database) == {"0.5": 0.5}


def test_only_where_every_worker_that_lives_refuses_nobody_is_left(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.5")

    def by_all(held: int = 0) -> bool:
        with database.read() as session:
            return is_refused_by_all(session, refusals_of(session, key.run_id), held)

    assert not by_all()
    scorer.absent = {"a" * 64}
    with pytest.raises(CheckpointError):
        scoring.score(key)
    assert by_all(), "it refused a moment ago, and nobody else is there"
    assert not by_all(held=1), "a worker of an older release scores it"
    seen(database, "ana", "ben")
    assert not by_all(), "ben has not tried yet"
    with pytest.raises(CheckpointError):
        BatchProcessor(database, scorer, "ben").score(key)
    assert by_all()
    age_refusals(database, 60)
    assert by_all(), "both live, and have not taken it back"
    seen(database)
    assert [one.counts for one in refusals(database, key)] == [False, False]
    assert not by_all(), "both have ended since"
    age_refusals(database, 1000)
    assert refusals(database, key) == []


def seen(database: Database, *names: str) -> None:
    """Let these workers live, and no others."""
    with database.write() as session:
        session.execute(delete(Worker))
        for name in names:
            note_seen(session, name)


def age_refusals(database: Database, seconds: float) -> None:
    with database.write() as session:
        session.execute(update(Refusal).values(refused_at=Refusal.refused_at - seconds))


def test_an_exception_gives_the_batch_back_at_once(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5")

    def fail(_names: list[str]) -> None:
        raise MemoryError

    scorer.before_score = fail
    with pytest.raises(MemoryError):
        scoring.score(key)

    with database.read() as session:  # by now, for any clock has ticked
        assert session.scalar(select(Batch.leased_until <= Now()))
    assert stored(database) == {}
    assert batch(database, key).attempts == 1


def test_a_second_attempt_goes_image_by_image(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "7.bad", "0.5")
    with database.write() as session:
        take_leases(session, key, "ben", 60)
    free(database)

    scoring.score(key)

    assert scorer.decoded == [["0.25"], ["7.bad"], ["0.5"]]
    assert stored(database) == {"0.25": 0.25, "7.bad": "corrupt", "0.5": 0.5}
    assert batch(database, key).finished_at


def test_on_a_second_attempt_each_image_is_written_down_before_and_stored_after(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    with database.write() as session:
        take_leases(session, key, "ben", 60)
    free(database)
    with database.read() as session:
        ids = list(session.scalars(select(Image.id).order_by(Image.id)))
    seen: list[tuple[int | None, int, int]] = []

    def look(_names: list[str]) -> None:
        now = batch(database, key)
        seen.append((now.suspect_id, now.suspect_starts, len(stored(database))))

    scorer.before_score = look
    scoring.score(key)

    assert seen == [(ids[0], 1, 0), (ids[1], 1, 1), (ids[2], 1, 2)]


def test_images_with_a_prediction_are_not_scored_again(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    scorer.before_score = die_on("0.5")
    attempt(database, scoring, key)  # as a whole: nothing is stored
    attempt(database, scoring, key)  # one by one: the first is stored

    scorer.decoded.clear()
    scorer.before_score = lambda _names: None
    attempt(database, scoring, key)

    assert scorer.decoded == [["0.5"], ["0.75"]]
    assert stored(database) == {"0.25": 0.25, "0.5": 0.5, "0.75": 0.75}


def test_an_image_that_kills_every_worker_costs_only_itself(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    scorer.before_score = die_on("0.5")

    for _ in range(1 + MAX_STARTS):  # once in company, then alone
        attempt(database, scoring, key)
        assert not batch(database, key).finished_at
    attempt(database, scoring, key)

    assert stored(database) == {"0.25": 0.25, "0.5": "worker_died", "0.75": 0.75}
    assert batch(database, key).finished_at
    assert sum("0.5" in names for names in scorer.decoded) == 1 + MAX_STARTS


def test_two_images_that_kill_every_worker_cost_only_themselves(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75", "1")

    def die(names: list[str]) -> None:
        die_on("0.5")(names)
        die_on("0.75")(names)

    scorer.before_score = die
    attempts = 0
    while not batch(database, key).finished_at:
        attempt(database, scoring, key)
        attempts += 1
        assert attempts < 20

    assert attempts == 1 + 2 * MAX_STARTS + 1
    assert stored(database) == {"0.25": 0.25, "0.5": "worker_died", "0.75": "worker_died", "1": 1}


def test_a_worker_that_came_late_changes_nothing(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5")

    def be_overtaken(_names: list[str]) -> None:
        scorer.before_score = lambda _names: None
        free(database)
        BatchProcessor(database, NameEngine(), "ben").score(key)

    scorer.before_score = be_overtaken
    scoring.score(key)

    with database.read() as session:
        assert set(session.scalars(select(Prediction.worker))) == {"ben"}
    assert stored(database) == {"0.25": 0.25, "0.5": 0.5}
    assert batch(database, key).leased_until is None


def test_a_worker_that_was_overtaken_between_two_images_stops(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5", "0.75")
    scorer.before_score = die_on("0.25")
    attempt(database, scoring, key)

    def be_overtaken(_names: list[str]) -> None:
        free(database)
        with database.write() as session:
            take_leases(session, key, "ben", 60)

    scorer.decoded.clear()
    scorer.before_score = be_overtaken
    scoring.score(key)

    assert scorer.decoded == [["0.25"]]
    held = batch(database, key)
    assert (held.worker, held.attempts, held.suspect_starts) == ("ben", 3, 1)
    assert (held.leased_until or 0) > time.time(), "what another holds is not given back"


def test_a_lease_that_could_not_be_given_back_is_not_renewed(
    database: Database, scorer: NameEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker lives on: it would renew a lease for ever, and nobody be at the batch."""
    activity = ActivityTracker()
    key = store_run(database, "0.5")

    def be_cut_off(*_: object) -> None:
        raise DatabaseError("the connection was cut")

    def fail(_names: list[str]) -> None:
        assert activity.held == [key]
        raise DatabaseError("the connection was cut")

    scorer.before_score = fail
    monkeypatch.setattr("worker.scoring.batch_ledger.release_leases", be_cut_off)
    with pytest.raises(DatabaseError):
        BatchProcessor(database, scorer, "ana", activity).score(key)

    before = batch(database, key).leased_until
    assert before is not None
    Heartbeat(database, "ana", activity, DatabaseRetry(activity)).beat()
    assert batch(database, key).leased_until == before


def test_an_image_that_is_retried_is_tried_again_also_in_a_batch_that_did_not_end(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.25", "0.5")
    scorer.before_score = die_on("0.5")
    for _ in range(1 + MAX_STARTS):
        attempt(database, scoring, key)
    with database.write() as session:  # as a worker does that is killed right after it
        died = Outcome(batch(database, key).suspect_id or 0, None, "worker_died", "thrice", None)
        store_outcomes(session, "ana", [died])

    with database.write() as session:
        assert clear_errors(session, key.run_id, ["worker_died"]) == {"worker_died": 1}
    scorer.before_score = lambda _names: None
    attempt(database, scoring, key)

    assert stored(database) == {"0.25": 0.25, "0.5": 0.5}


def test_a_batch_that_is_not_in_the_ledger_is_left_alone(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    key = store_run(database, "0.5")

    scoring.score(BatchKey(key.run_id, 2))

    assert scorer.decoded == []


def together(database: Database, *keys: BatchKey) -> None:
    with database.write() as session:
        group_runs(session, [key.run_id for key in keys])


def test_runs_enqueued_together_are_decoded_once(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    one = store_run(database, "0.25", "7.bad", "0.5")
    two = store_run(database, "0.25", "7.bad", "0.5", digest="b" * 64)
    apart = store_run(database, "0.25", digest="c" * 64)
    together(database, one, two)
    scorer.halved = {two.run_id}

    scoring.score(one)

    assert scorer.decoded == [["0.25", "7.bad", "0.5"]]
    assert stored(database, one.run_id) == {"0.25": 0.25, "7.bad": "corrupt", "0.5": 0.5}
    assert stored(database, two.run_id) == {"0.25": 0.125, "7.bad": "corrupt", "0.5": 0.25}
    assert batch(database, two).finished_at
    assert stored(database, apart.run_id) == {}


def test_runs_together_that_list_different_images_each_get_their_own(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    one = store_run(database, "0.25", "0.5")
    two = store_run(database, "0.5", "0.75", digest="b" * 64)
    together(database, one, two)
    scorer.halved = {two.run_id}

    scoring.score(two)

    assert scorer.decoded == [["0.25", "0.5", "0.75"]]
    assert stored(database, one.run_id) == {"0.25": 0.25, "0.5": 0.5}
    assert stored(database, two.run_id) == {"0.5": 0.25, "0.75": 0.375}


def test_a_run_whose_checkpoint_is_away_does_not_hold_up_the_other(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    one = store_run(database, "0.25")
    two = store_run(database, "0.25", digest="b" * 64)
    together(database, one, two)
    scorer.absent = {"b" * 64}

    scoring.score(one)

    assert stored(database, one.run_id) == {"0.25": 0.25}
    left = batch(database, two)
    assert (left.attempts, left.leased_until, left.finished_at) == (0, None, None)
    with pytest.raises(CheckpointError, match="bbbb was not found"):
        scoring.score(two)
    scorer.absent.clear()
    scoring.score(two)
    assert stored(database, two.run_id) == {"0.25": 0.25}
    assert scorer.runs == [[one.run_id], [two.run_id]]


def test_an_image_that_kills_workers_costs_only_itself_in_runs_together(
    database: Database, scoring: BatchProcessor, scorer: NameEngine
) -> None:
    one = store_run(database, "0.25", "0.5", "0.75")
    two = store_run(database, "0.25", "0.5", "0.75", digest="b" * 64)
    together(database, one, two)
    scorer.before_score = die_on("0.5")

    for _ in range(1 + MAX_STARTS + 1):
        attempt(database, scoring, one)

    expected = {"0.25": 0.25, "0.5": "worker_died", "0.75": 0.75}
    assert stored(database, one.run_id) == stored(database, two.run_id) == expected
    assert batch(database, one).finished_at
    assert batch(database, two).finished_at


def test_a_batch_says_where_its_time_went(database: Database, scoring: BatchProcessor) -> None:
    key = store_run(database, "0.25", "0.5")

    scoring.score(key)

    row = batch(database, key)
    assert (row.read_seconds, row.decode_seconds, row.compute_seconds) == (1, 2, 4)
    assert row.write_seconds is not None
    assert row.write_seconds > 0
