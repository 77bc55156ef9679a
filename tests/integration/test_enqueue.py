from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Barrier

import click
import pytest
from processes import PATIENCE
from sqlalchemy import func, select

from base.listed_image import ListedImage
from db.errors import DatabaseError
from db.queries.leases import BatchKey, take_leases
from db.queries.listing import claim_unleased, drop_run_if_empty
from db.queries.outcomes import Outcome, finish_batch, store_outcomes
from db.queries.results import staged
from db.queries.runs import add_checkpoint
from db.session import Database, open_database
from db.tables import Batch, Image, Run
from imaging.errors import SourceError
from producer import enqueue
from producer.enqueue import Listing, list_into_runs

BATCH_SIZE = 3


@pytest.fixture
def run_id(database: Database) -> int:
    """A run of batches of 3 that lists nothing yet."""
    with database.write() as session:
        checkpoint = add_checkpoint(session, "a" * 64, "model.keras", {})
        run = Run(
            source="images",
            checkpoint_id=checkpoint.id,
            precision="float32",
            batch_size=BATCH_SIZE,
        )
        session.add(run)
        session.flush()
        return run.id


@pytest.fixture(params=[2, 4])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Rows of one transaction."""
    size: int = request.param
    monkeypatch.setattr(enqueue, "CHUNK", size)
    return size


def rows(names: str, label: int | None = 0) -> Iterator[ListedImage]:
    return (ListedImage(name, label, None, f"m.csv:{at}") for at, name in enumerate(names, start=2))


def broken_off(names: str, error: BaseException) -> Iterator[ListedImage]:
    yield from rows(names)
    raise error


def enlist(database: Database, run_id: int, listed: Iterator[ListedImage]) -> Listing:
    (listing,) = list_into_runs(database, [run_id], listed, lambda _count: None)
    return listing


def batches(database: Database) -> list[str]:
    """The one-letter names of each batch's images, joined; only of batches that are owed."""
    with database.read() as session:
        pairs = session.execute(
            select(Image.batch, Image.path)
            .join(Batch, (Batch.run_id == Image.run_id) & (Batch.number == Image.batch))
            .order_by(Image.id)
        ).all()
    numbers = sorted({pair.batch for pair in pairs})
    return ["".join(pair.path for pair in pairs if pair.batch == number) for number in numbers]


def count(database: Database, table: type[Run | Image | Batch]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.usefixtures("chunk")
def test_rows_are_cut_into_full_batches_whatever_the_chunk(database: Database, run_id: int) -> None:
    listing = enlist(database, run_id, rows("abcdefgh"))

    assert batches(database) == ["abc", "def", "gh"]
    assert (listing.new, listing.known, listing.unlabelled) == (8, 0, 0)


def test_the_number_of_images_so_far_is_told(
    database: Database, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enqueue, "CHUNK", 4)
    told: list[int] = []

    list_into_runs(database, [run_id], rows("abcdefghij"), told.append)

    assert told == [4, 8, 10]


@pytest.mark.usefixtures("chunk")
def test_listing_again_adds_nothing(database: Database, run_id: int) -> None:
    enlist(database, run_id, rows("abcdefgh"))

    listing = enlist(database, run_id, rows("abcdefgh"))

    assert (listing.new, listing.known) == (0, 8)
    assert batches(database) == ["abc", "def", "gh"]


@pytest.mark.usefixtures("chunk")
def test_only_added_files_are_new_and_go_into_new_batches(database: Database, run_id: int) -> None:
    enlist(database, run_id, rows("bdfh"))

    listing = enlist(database, run_id, rows("abcdefgh"))

    assert (listing.new, listing.known) == (4, 4)
    assert batches(database) == ["bdf", "h", "ace", "g"]


def test_a_finished_batch_stays_finished_when_files_are_added(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, rows("abc"))
    with database.write() as session:
        take_leases(session, BatchKey(run_id, 1), "w", 60)
        images = session.scalars(select(Image.id))
        store_outcomes(session, "w", [Outcome(image, 0.5, None, None, None) for image in images])
        finish_batch(session, BatchKey(run_id, 1))

    enlist(database, run_id, rows("abcd"))

    with database.write() as session:
        assert claim_unleased(session, run_id) == [2]


def test_images_without_a_label_are_counted(database: Database, run_id: int) -> None:
    listing = enlist(
        database,
        run_id,
        iter([ListedImage("a", None), ListedImage("b", 1), ListedImage("c", None)]),
    )

    assert (listing.new, listing.unlabelled) == (3, 2)


@pytest.mark.usefixtures("chunk")
def test_a_bad_row_on_a_new_run_leaves_no_run(database: Database, run_id: int) -> None:
    with pytest.raises(SourceError, match="line 9"):
        enlist(database, run_id, broken_off("abcdefgh", SourceError("line 9")))

    assert (count(database, Run), count(database, Image), count(database, Batch)) == (0, 0, 0)


@pytest.mark.usefixtures("chunk")
def test_a_bad_row_leaves_an_older_run_as_it_was(database: Database, run_id: int) -> None:
    enlist(database, run_id, rows("abcd"))

    with pytest.raises(SourceError, match="line 9"):
        enlist(database, run_id, broken_off("abcdefghijk", SourceError("line 9")))

    assert batches(database) == ["abc", "d"]
    assert count(database, Image) == 4


@pytest.mark.usefixtures("chunk")
def test_a_bad_row_leaves_what_an_interrupted_listing_staged(
    database: Database, run_id: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        enlist(database, run_id, broken_off("abcdefgh", KeyboardInterrupt()))
    staged_before = count(database, Image)

    with pytest.raises(SourceError):
        enlist(database, run_id, broken_off("abcdefghijkl", SourceError("line 9")))

    assert count(database, Image) == staged_before


@pytest.mark.usefixtures("chunk")
def test_the_next_listing_completes_an_interrupted_one(database: Database, run_id: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        enlist(database, run_id, broken_off("abcdefgh", KeyboardInterrupt()))
    assert batches(database) == []  # nothing that a worker would take for the whole run

    enlist(database, run_id, rows("abcdefghij"))

    assert sorted("".join(batches(database))) == list("abcdefghij")
    assert max(map(len, batches(database))) <= BATCH_SIZE
    with database.read() as session:
        assert staged(session, run_id) == 0


@pytest.mark.usefixtures("chunk")
def test_a_path_listed_twice_with_the_same_label_is_one_image(
    database: Database, run_id: int
) -> None:
    listing = enlist(database, run_id, rows("abacadaa"))

    assert "".join(batches(database)) == "abcd"
    assert (listing.new, listing.known) == (4, 4)


@pytest.mark.usefixtures("chunk")
@pytest.mark.parametrize("other", [1, None])
def test_a_path_listed_twice_with_another_label_is_refused_by_its_line(
    database: Database, run_id: int, other: int | None
) -> None:
    listed = [*rows("abcd"), ListedImage("b", other, None, "m.csv:6")]

    with pytest.raises(
        SourceError,
        match=r"^m\.csv:6: b has label (1|none) here and 0 in an earlier row: make the two agree$",
    ):
        enlist(database, run_id, iter(listed))

    assert count(database, Image) == 0


def test_a_refusal_is_one_line_whatever_the_path(database: Database, run_id: int) -> None:
    listed = [ListedImage("a\nb", 0, None, "m.csv:2"), ListedImage("a\nb", 1, None, "m.csv:4")]

    with pytest.raises(SourceError) as caught:
        enlist(database, run_id, iter(listed))

    assert "\n" not in caught.value.message


def test_image_ids_grow_in_the_order_of_the_listing(database: Database, run_id: int) -> None:
    paths = [f"{number * 7919 % 20_011}.jpg" for number in range(20_011)]  # each once, mixed up

    enlist(database, run_id, (ListedImage(path, 0) for path in paths))

    with database.read() as session:
        assert session.scalars(select(Image.path).order_by(Image.id)).all() == paths


def test_a_label_that_changed_since_it_was_stored_is_refused(
    database: Database, run_id: int
) -> None:
    enlist(database, run_id, rows("abcd", label=0))

    with pytest.raises(SourceError, match=r"^m\.csv:2: a has label 1 here and 0 in the run"):
        enlist(database, run_id, rows("abcde", label=1))

    assert batches(database) == ["abc", "d"]


def test_two_producers_of_one_source_list_each_image_once(
    database: Database, database_url: str, run_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enqueue, "CHUNK", 20)
    paths = [f"{number}.jpg" for number in range(500)]
    barrier = Barrier(2, timeout=PATIENCE)

    def listed(order: Sequence[str]) -> Iterator[ListedImage]:
        yield from (ListedImage(path, 0) for path in order[:50])
        barrier.wait()  # each has staged its first chunks
        yield from (ListedImage(path, 0) for path in order[50:])

    def produce(order: Sequence[str]) -> int:
        with closing(open_database(database_url)) as own:
            return enlist(own, run_id, listed(order)).new

    with ThreadPoolExecutor(2) as pool:
        new = list(pool.map(produce, [paths, paths[::-1]]))

    assert sum(new) == 500
    assert min(new) >= 30  # both had their share
    with database.write() as session:
        assert sorted(session.scalars(select(Image.path))) == sorted(paths)
        sizes = session.scalars(select(func.count(Image.id)).group_by(Image.batch)).all()
        assert max(sizes) <= BATCH_SIZE
        assert staged(session, run_id) == 0
        assert len(claim_unleased(session, run_id)) == len(sizes)


@pytest.mark.usefixtures("chunk")
def test_a_producer_that_is_done_makes_owed_what_another_has_staged_by_then(
    database: Database, run_id: int
) -> None:
    def with_another_in_between() -> Iterator[ListedImage]:
        yield from rows("abcde")
        enlist(database, run_id, rows("fgh"))
        yield from rows("abcdefgh")

    enlist(database, run_id, with_another_in_between())

    assert sorted("".join(batches(database))) == list("abcdefgh")
    assert max(map(len, batches(database))) <= BATCH_SIZE


def test_a_run_that_another_producer_dropped_is_an_error_in_one_line(
    database: Database, run_id: int
) -> None:
    def dropped_in_between() -> Iterator[ListedImage]:
        yield from rows("ab")
        with database.write() as session:  # as the other does when its source turns out bad
            drop_run_if_empty(session, run_id)

    with pytest.raises(click.ClickException) as caught:
        enlist(database, run_id, dropped_in_between())

    assert isinstance(caught.value, DatabaseError)
    assert "\n" not in caught.value.message
