"""A run that is enqueued again follows its source: labels, attributes, and what is gone."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest
from sqlalchemy import func, select

from base.listed_image import ListedImage
from db.queries.following import image_ids
from db.queries.history import history
from db.queries.leases import BatchKey, pending_images, take_leases
from db.queries.listing import claim_unleased, highest_batch
from db.queries.outcomes import Outcome, finish_batch, lock_batches, store_outcomes
from db.queries.results import progress
from db.queries.runs import add_checkpoint
from db.session import Database
from db.tables import Batch, Image, Prediction, Run
from imaging.errors import SourceError
from producer import enqueue
from producer.enqueue import NOTHING, Allowed, list_into_runs
from producer.following import Following, MetImages, changes_in_words

BATCH_SIZE = 3
RELABEL, PRUNE, PRUNE_MOST = Allowed(relabel=True), Allowed(prune=1), Allowed(prune=2)
Row = tuple[str, int | None, dict[str, str] | None]


class Held(NamedTuple):
    """A batch that a worker leased, with the ids of the images that it read, by path."""

    batch: BatchKey
    images: dict[str, int]


@pytest.fixture
def run_id(database: Database) -> int:
    """A run of batches of 3 that lists nothing yet."""
    return add_run(database, "a")


def add_run(database: Database, checkpoint: str) -> int:
    with database.write() as session:
        made = add_checkpoint(session, checkpoint * 64, "model.keras", {})
        run = Run(source="m.csv", checkpoint_id=made.id, precision="float32", batch_size=BATCH_SIZE)
        session.add(run)
        session.flush()
        return run.id


@pytest.fixture(params=[2, 4], autouse=True)
def _chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one transaction."""
    monkeypatch.setattr(enqueue, "CHUNK", request.param)


def names(letters: str, label: int | None = 0) -> list[Row]:
    return [(letter, label, None) for letter in letters]


def listed(rows: Sequence[Row]) -> Iterator[ListedImage]:
    return (ListedImage(*row, f"m.csv:{line}") for line, row in enumerate(rows, start=2))


def enlist(
    database: Database, run_id: int, rows: Sequence[Row], allowed: Allowed = NOTHING
) -> Following:
    (listing,) = list_into_runs(database, [run_id], listed(rows), lambda _count: None, allowed)
    return listing.following


def images(database: Database, run_id: int) -> list[Row]:
    with database.read() as session:
        rows = session.execute(
            select(Image.path, Image.label, Image.attributes)
            .where(Image.run_id == run_id)
            .order_by(Image.path)
        )
        return [(path, label, attributes) for path, label, attributes in rows]


def paths(database: Database, run_id: int) -> str:
    return "".join(path for path, *_ in images(database, run_id))


def gone(database: Database) -> str:
    with database.read() as session:
        found = select(Image.path).where(Image.gone_at.is_not(None)).order_by(Image.path)
        return "".join(session.scalars(found))


def events(database: Database, run_id: int) -> list[tuple[str, int]]:
    with database.read() as session:
        return [(event.what, event.images) for event in history(session, run_id)]


def lease(database: Database, key: BatchKey, worker: str = "w") -> Held:
    with database.write() as session:
        assert take_leases(session, key, worker, 60)
        found = pending_images(session, [key])
        return Held(key, {image.path: image.id for image in found})


def score(database: Database, held: Held) -> bool:
    """As a worker stores a batch, which it does only while the batch is there."""
    with database.write() as session:
        if not lock_batches(session, [held.batch]):
            return False
        outcomes = [
            Outcome(image_id, ord(path) / 1000, None, None, path)
            for path, image_id in held.images.items()
        ]
        store_outcomes(session, "w", outcomes)
        return finish_batch(session, held.batch) is not None


def score_all(database: Database, run_id: int) -> None:
    with database.write() as session:
        numbers = claim_unleased(session, run_id)
    for number in numbers:
        assert score(database, lease(database, BatchKey(run_id, number)))


def require_own_scores(database: Database, run_id: int) -> None:
    """Each image has its own score, and every batch is finished and complete."""
    with database.read() as session:
        scores = session.execute(
            select(Image.path, Prediction.score)
            .outerjoin(Prediction, Prediction.image_id == Image.id)
            .where(Image.run_id == run_id)
        ).all()
        assert all(found == ord(path) / 1000 for path, found in scores), scores
        unfinished = select(func.count()).where(Batch.finished_at.is_(None))
        assert session.scalar(unfinished) == 0
        assert session.scalar(select(func.count()).select_from(Prediction)) == len(scores)


# Labels and attributes


def test_corrected_and_added_columns_are_taken_over(database: Database, run_id: int) -> None:
    enlist(database, run_id, [("a", 0, {"sex": "f"}), ("b", 1, {"sex": "m"}), ("c", 1, None)])

    found = enlist(
        database,
        run_id,
        [("a", 0, {"sex": "m"}), ("b", 1, {"sex": "m"}), ("c", 1, {"age": "é\t'\""})],
    )

    assert found.attributes_changed == 2
    assert images(database, run_id) == [
        ("a", 0, {"sex": "m"}),
        ("b", 1, {"sex": "m"}),
        ("c", 1, {"age": "é\t'\""}),
    ]
    assert changes_in_words(1, found) == ["run 1: 2 images with changed attributes"]
    assert events(database, run_id) == [("enqueued", 3), ("attributes changed", 2)]


def test_the_same_columns_in_another_order_are_no_change(database: Database, run_id: int) -> None:
    enlist(database, run_id, [("a", 0, {"sex": "f", "age": "50"}), ("b", 0, None), ("c", 0, {})])

    found = enlist(
        database, run_id, [("a", 0, {"age": "50", "sex": "f"}), ("b", 0, {}), ("c", 0, None)]
    )

    assert changes_in_words(run_id, found) == []
    assert events(database, run_id) == [("enqueued", 3)]


def test_columns_that_were_taken_out_of_the_manifest_are_gone(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, [("a", 0, {"sex": "f"})])
    enlist(database, run_id, names("a"))
    assert images(database, run_id) == names("a")


def test_a_label_where_there_was_none_is_added_without_scoring_again(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, names("abcd", None))
    score_all(database, run_id)

    found = enlist(database, run_id, [*names("ab", 1), *names("c", 0), *names("d", None)])

    assert (found.labels_added, found.relabelled) == (3, 0)
    assert images(database, run_id) == [*names("ab", 1), *names("c", 0), *names("d", None)]
    require_own_scores(database, run_id)
    assert events(database, run_id) == [("enqueued", 4), ("label added", 3)]
    assert changes_in_words(1, found) == ["run 1: 3 labels added"]


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            [*names("ab", 0), *names("c", 1), *names("d", 0), *names("e", None)],
            "m.csv:4: c has label 1 here and 0 in the run, and 1 more with another label: {}s {}",
        ),
        (
            [*names("abcd", 0), *names("e", None), *names("f", 1)],
            "m.csv:6: e has label none here and 0 in the run: {} {}",
        ),
    ],
)
def test_labels_that_changed_are_refused_in_one_go(
    database: Database, run_id: int, second: list[Row], message: str
) -> None:
    enlist(database, run_id, names("abcde", 0))
    before = images(database, run_id)

    with pytest.raises(SourceError) as caught:
        enlist(database, run_id, [*second, ("g", 0, None)])

    assert caught.value.message == message.format(
        "make the two agree, or take the new label", "over with --relabel, or use --new-run"
    )
    assert images(database, run_id) == before, "nothing is changed, and nothing is added"
    assert events(database, run_id) == [("enqueued", 5)]


def test_labels_that_changed_are_taken_over_where_that_is_asked_for(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, [*names("ab", 0), *names("c", 1), *names("d", None)])
    score_all(database, run_id)

    second = [*names("a", 0), *names("b", 1), *names("c", None), ("d", 1, {"sex": "f"})]
    found = enlist(database, run_id, second, RELABEL)

    assert (found.relabelled, found.labels_added, found.attributes_changed) == (2, 1, 1)
    assert images(database, run_id) == second
    require_own_scores(database, run_id)
    assert changes_in_words(1, found) == [
        "run 1: 1 label added, 2 labels changed, 1 image with changed attributes"
    ]
    assert events(database, run_id)[1:] == [
        ("label added", 1),
        ("relabelled", 2),
        ("attributes changed", 1),
    ]


@pytest.mark.parametrize("allowed", [NOTHING, RELABEL])
@pytest.mark.parametrize("stored", [None, 0, 1])
def test_two_rows_that_disagree_about_an_older_image_are_refused(
    database: Database, run_id: int, stored: int | None, allowed: Allowed
) -> None:
    enlist(database, run_id, names("abcd", stored))

    with pytest.raises(SourceError, match=r"^m\.csv:7: a has label 1 here and 0 in an earlier row"):
        enlist(database, run_id, [*names("a", 0), *names("bcde", stored), ("a", 1, None)], allowed)

    assert images(database, run_id) == names("abcd", stored)


def test_an_older_image_that_is_listed_twice_is_changed_once(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, names("abc", None))
    found = enlist(database, run_id, names("abcabaa", 1))
    assert (found.labels_added, found.gone) == (3, 0)


def test_a_bad_row_at_the_end_changes_nothing(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abcdef", None))

    def broken() -> Iterator[ListedImage]:
        yield from listed(names("abcd", 1))
        raise SourceError("line 9")

    with pytest.raises(SourceError, match="line 9"):
        list_into_runs(database, [run_id], broken(), lambda _count: None, PRUNE_MOST)

    assert images(database, run_id) == names("abcdef", None)
    assert gone(database) == ""


def test_runs_of_one_source_are_changed_alike(database: Database, run_id: int) -> None:
    both = [run_id, add_run(database, "b")]
    list_into_runs(database, both, listed(names("abcd", None)), lambda _count: None)

    list_into_runs(database, both, listed(names("bcd", 1)), lambda _count: None, PRUNE)

    for each in both:
        assert images(database, each) == names("bcd", 1)
        assert events(database, each) == [("enqueued", 4), ("label added", 3), ("pruned", 1)]


# Corrected digests


def digested(**digests: str) -> list[Row]:
    return [(path, 0, {"sha256": digest}) for path, digest in digests.items()]


def pending(database: Database, run_id: int) -> str:
    with database.read() as session:
        found = (
            select(Image.path)
            .outerjoin(Prediction, Prediction.image_id == Image.id)
            .where(Image.run_id == run_id, Prediction.image_id.is_(None))
            .order_by(Image.path)
        )
        return "".join(session.scalars(found))


def score_as(
    database: Database, run_id: int, found: dict[str, tuple[str | None, str | None]]
) -> None:
    """Store an error or a score and a digest for each path."""
    with database.write() as session:
        for number in claim_unleased(session, run_id):
            key = BatchKey(run_id, number)
            for image in pending_images(session, [key]):
                error, digest = found[image.path]
                score = None if error else ord(image.path) / 1000
                store_outcomes(session, "w", [Outcome(image.id, score, error, error, digest)])
            assert finish_batch(session, key) is not None


def test_a_score_of_other_bytes_than_the_corrected_digest_is_taken_out(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, [*names("abc"), *digested(d="d", e="e", f="f", g="", h="h")])
    score_all(database, run_id)  # each with its path for a digest

    corrected = [*digested(a="x", b="B"), *names("c"), *digested(d="x", e="x", f="F", g="x")]
    found = enlist(database, run_id, [*corrected, *names("h")])

    assert pending(database, run_id) == "adeg"
    assert changes_in_words(1, found) == [
        "run 1: 7 images with changed attributes",
        (
            "run 1: the sha256 of 4 images was corrected after scoring, so they are scored again: "
            "a, d, e and 1 more"
        ),
    ]
    assert events(database, run_id)[1:] == [("attributes changed", 7), ("sha256 corrected", 4)]
    score_all(database, run_id)
    require_own_scores(database, run_id)


def test_an_error_about_a_digest_that_was_corrected_is_taken_out(
    database: Database, run_id: int
) -> None:
    wrong = "wrong_digest"
    enlist(database, run_id, digested(a="x", b="x", c="x", d="x", e="x", f="f"))
    found_before: dict[str, tuple[str | None, str | None]] = {
        **{path: (wrong, path) for path in "abc"},
        "d": ("missing", None),
        "e": ("corrupt", "e"),
        "f": ("corrupt", "f"),
    }
    score_as(database, run_id, found_before)

    found = enlist(database, run_id, [*digested(a="a", b="y", c="", d="y", e="e", f="y")])

    assert (found.taken_out, pending(database, run_id)) == (4, "abcf")


def test_a_corrected_digest_is_compared_with_that_of_its_own_run(
    database: Database, run_id: int
) -> None:
    other = add_run(database, "b")
    for each in (other, run_id):
        enlist(database, each, names("abcd"))
        score_all(database, each)

    enlist(database, run_id, [*digested(a="x"), *names("bc")], PRUNE)

    assert (pending(database, run_id), pending(database, other)) == ("a", "")
    assert paths(database, run_id) == "abc"


def test_a_worker_that_compares_with_the_digest_before_stores_nothing(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, [*digested(a="a"), *names("bcd")])
    first, second = (lease(database, BatchKey(run_id, number)) for number in (1, 2))

    assert enlist(database, run_id, [*digested(a="x"), *names("bcd")]).taken_out == 0

    assert not score(database, first)
    assert score(database, second), "a batch without such an image goes on"
    score_all(database, run_id)
    require_own_scores(database, run_id)


# Images that are gone


def test_images_that_are_gone_are_counted_named_and_marked(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abcdefg"))

    found = enlist(database, run_id, names("cgh"))

    assert changes_in_words(1, found) == [
        "run 1: 5 images are no longer in the source: a, b, d and 2 more; --prune takes them out"
    ]
    assert (paths(database, run_id), gone(database)) == ("abcdefgh", "abdef")
    assert events(database, run_id) == [
        ("enqueued", 7),
        ("enqueued", 1),
        ("gone from the source", 5),
    ]


def test_what_was_gone_before_is_told_again_and_noted_once(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abc"))
    enlist(database, run_id, names("ab"))
    assert enlist(database, run_id, names("a")).gone == 2
    assert events(database, run_id)[1:] == [("gone from the source", 1)] * 2


def test_an_image_that_returns_is_no_longer_gone(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abcd"))
    enlist(database, run_id, names("a"))

    found = enlist(database, run_id, names("abc"))

    assert changes_in_words(1, found) == [
        "run 1: 2 images back in the source",
        "run 1: 1 image is no longer in the source: d; --prune takes it out",
    ]
    assert gone(database) == "d"
    assert events(database, run_id)[2:] == [("back in the source", 2)]


def test_another_runs_images_are_not_gone(database: Database, run_id: int) -> None:
    other = add_run(database, "b")
    enlist(database, other, names("xyz"))
    enlist(database, run_id, names("abc"))
    enlist(database, run_id, names("ab"), PRUNE)
    assert (paths(database, run_id), paths(database, other)) == ("ab", "xyz")


def test_images_that_are_gone_are_pruned_with_their_scores(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abcdefgh"))
    score_all(database, run_id)

    found = enlist(database, run_id, names("acdeg"), PRUNE)

    assert (found.pruned, paths(database, run_id)) == (3, "acdeg")
    require_own_scores(database, run_id)
    assert events(database, run_id) == [("enqueued", 8), ("pruned", 3)]
    assert changes_in_words(1, found) == [
        "run 1: 3 images are no longer in the source and taken out with all scores: b, f, h"
    ]
    with database.write() as session:
        assert claim_unleased(session, run_id) == [], "the rest is not scored again"


def test_images_that_were_gone_before_are_pruned(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abc"))
    enlist(database, run_id, names("ab"))
    assert enlist(database, run_id, names("ab"), PRUNE).pruned == 1
    assert paths(database, run_id) == "ab"


def test_pruning_more_than_half_is_refused_unless_it_is_asked_for_twice(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, names("abcde"))

    with pytest.raises(SourceError) as caught:
        enlist(database, run_id, names("aefgh", 0)[:1] + names("xyz"), PRUNE)

    assert caught.value.message == (
        f"--prune would take 4 of the 5 images out of run {run_id}, which is more than half, and "
        "nothing was changed: give --prune twice if the source is right"
    )
    assert (paths(database, run_id), gone(database)) == ("abcde", "")
    enlist(database, run_id, names("axyz"), PRUNE_MOST)
    assert paths(database, run_id) == "axyz"


def test_half_may_be_pruned(database: Database, run_id: int) -> None:
    enlist(database, run_id, names("abcd"))
    enlist(database, run_id, names("ab"), PRUNE)
    assert paths(database, run_id) == "ab"


def test_a_batch_whose_last_image_without_score_is_pruned_is_finished(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, names("abc"))
    held = lease(database, BatchKey(run_id, 1))
    with database.write() as session:
        store_outcomes(
            session,
            "w",
            [Outcome(held.images[path], ord(path) / 1000, None, None, None) for path in "ab"],
        )

    enlist(database, run_id, names("ab"), PRUNE)

    require_own_scores(database, run_id)


def test_a_worker_that_holds_a_batch_with_a_pruned_image_stores_nothing_for_it(
    database: Database, run_id: int
) -> None:
    """Ids come again on SQLite: the new image must not get the score of the one before it."""
    enlist(database, run_id, names("abcde"))
    first, second = (lease(database, BatchKey(run_id, number)) for number in (1, 2))
    enlist(database, run_id, names("abcd"), PRUNE)
    enlist(database, run_id, names("abcdx"))

    assert score(database, first), "a batch that lost no image goes on"
    assert not score(database, second)

    score_all(database, run_id)
    assert paths(database, run_id) == "abcdx"
    require_own_scores(database, run_id)


def test_a_number_of_a_batch_never_comes_again(database: Database, run_id: int) -> None:
    """Otherwise a worker that held a batch of pruned images would take new ones for its own."""
    enlist(database, run_id, names("abcd"))
    late = lease(database, BatchKey(run_id, 2))
    enlist(database, run_id, names("abc"), PRUNE)
    enlist(database, run_id, names("abcx"))

    assert not score(database, late)

    score_all(database, run_id)
    require_own_scores(database, run_id)


def test_what_a_worker_began_with_a_pruned_batch_does_not_count(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, names("abcd"))
    held = lease(database, BatchKey(run_id, 1))
    with database.write() as session:
        batch = session.get_one(Batch, (run_id, 1))
        batch.suspect_id, batch.suspect_starts = held.images["b"], 1

    enlist(database, run_id, names("acd"), PRUNE)

    with database.read() as session:
        batch = session.get_one(Batch, (run_id, 3))
        assert (batch.attempts, batch.leased_until, batch.suspect_id, batch.suspect_starts) == (
            0,
            None,
            None,
            0,
        )
        assert highest_batch(session, run_id) == 3


def test_staged_images_that_are_gone_are_pruned(database: Database, run_id: int) -> None:
    def interrupted() -> Iterator[ListedImage]:
        yield from listed(names("abcdefgh"))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list_into_runs(database, [run_id], interrupted(), lambda _count: None)

    enlist(database, run_id, names("bcdefghi"), PRUNE)

    assert paths(database, run_id) == "bcdefghi"
    score_all(database, run_id)
    require_own_scores(database, run_id)
    assert events(database, run_id)[-1] == ("pruned", 1)


def test_more_images_than_one_statement_names_are_pruned(
    database: Database, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enqueue, "CHUNK", 50_000)
    monkeypatch.setattr("db.queries.following.CHUNK", 7)
    many: list[Row] = [(str(at), 0, None) for at in range(100)]
    enlist(database, run_id, many)

    found = enlist(database, run_id, many[::2], PRUNE)

    assert found.pruned == 50
    assert images(database, run_id) == sorted(many[::2])
    with database.read() as session:
        assert progress(session, run_id).listed == 50
        assert len(list(image_ids(session, run_id, highest_batch(session, run_id)))) == 50


def test_images_are_met_whatever_their_ids() -> None:
    met, row = MetImages(), ListedImage("a", 1, None, "m.csv:2")
    ids = [1, 65_535, 65_536, 2**40]

    assert [met.meet(row, image_id) for image_id in ids] == [True] * 4
    assert [met.meet(row, image_id) for image_id in ids] == [False] * 4
    assert all(image_id in met for image_id in ids)
    assert not any(image_id + 1 in met for image_id in (1, 65_536, 2**40, 2**41))
