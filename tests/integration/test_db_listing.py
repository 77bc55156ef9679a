import re
from collections.abc import Sequence
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from base.listed_image import ListedImage
from db.errors import DatabaseError
from db.queries.leases import BatchKey, take_leases
from db.queries.listing import (
    claim_unleased,
    cut_batches,
    drop_run_if_empty,
    stage_images,
    stored_images,
    unstage_images,
)
from db.queries.results import progress, staged
from db.queries.runs import add_checkpoint
from db.session import Database, open_database
from db.tables import Batch, Image, Run


@pytest.fixture
def run(database: Database) -> Run:
    """A run of batches of 3 that lists nothing yet."""
    with database.write() as session:
        return add_run(session)


def add_run(session: Session) -> Run:
    checkpoint = add_checkpoint(session, "a" * 64, "model.keras", {})
    made = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=3)
    session.add(made)
    session.flush()
    return made


def named(*names: str) -> list[ListedImage]:
    return [ListedImage(name, 1, {"age": "50"}) for name in names]


def labels_of(session: Session, run: Run, paths: Sequence[str]) -> dict[str, int | None]:
    stored = stored_images(session, run.id, paths).by_path()
    return {path: image.label for path, image in stored.items()}


def batches(session: Session) -> list[list[str]]:
    """Names of the images, batch by batch."""
    rows = session.execute(select(Image.batch, Image.path).order_by(Image.id)).all()
    numbers = sorted({row.batch for row in rows})
    return [[row.path for row in rows if row.batch == number] for number in numbers]


def test_images_are_numbered_into_batches_of_the_runs_size(database: Database, run: Run) -> None:
    with database.write() as session:
        assert stage_images(session, run, named(*"abcdefg")) == (1, 3)

        assert batches(session) == [["a", "b", "c"], ["d", "e", "f"], ["g"]]


def test_full_batches_take_no_number_more(database: Database, run: Run) -> None:
    with database.write() as session:
        assert stage_images(session, run, named(*"abcdef")) == (1, 2)


def test_nothing_to_stage_takes_no_number(database: Database, run: Run) -> None:
    with database.write() as session:
        assert stage_images(session, run, []) is None


def test_later_images_go_into_new_batches(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named("a"))
        assert stage_images(session, run, named("b", "c")) == (2, 2)

        assert batches(session) == [["a"], ["b", "c"]]


def test_a_row_is_stored_as_it_was_listed(database: Database, run: Run) -> None:
    rows = [ListedImage("é.jpg", 0, {"sex": "f"}), ListedImage("b.jpg", None, None)]

    with database.write() as session:
        stage_images(session, run, rows)

    with database.read() as session:
        stored = session.execute(
            select(Image.path, Image.label, Image.attributes).order_by(Image.id)
        ).all()
        assert [ListedImage(*row) for row in stored] == rows


def test_any_text_is_stored_as_it_is(database: Database, run: Run) -> None:
    odd = ["\t", "\\N", "\\.", "a\tb\nc\r", "\\", '"', "'", "{}", "3", "é😀", " "]
    rows = [ListedImage(text, None, {text: text}) for text in odd]

    with database.write() as session:
        stage_images(session, run, rows)

    with database.write() as session:
        stored = session.execute(select(Image.path, Image.label, Image.attributes)).all()
        assert sorted(ListedImage(*row) for row in stored) == sorted(rows)
        found = stored_images(session, run.id, odd).by_path()
        assert {path: image.attributes for path, image in found.items()} == {
            path: {path: path} for path in odd
        }


def test_no_attributes_are_null_and_not_json_null(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, [ListedImage("a", None, None), ListedImage("b", None, {})])

    with database.read() as session:
        without = session.scalars(text("SELECT path FROM images WHERE attributes IS NULL"))
        assert list(without) == ["a"]


def test_images_of_a_transaction_that_fails_are_not_stored(database: Database, run: Run) -> None:
    def stage_one_twice() -> None:
        with database.write() as session:
            stage_images(session, run, named("a", "b"))
            stage_images(session, run, named("c", "a"))

    with pytest.raises(DatabaseError) as caught:
        stage_one_twice()

    assert "\n" not in caught.value.message
    assert re.search("unique", caught.value.message, re.IGNORECASE)
    with database.read() as session:
        assert progress(session, run.id).listed == 0


def test_a_server_that_goes_away_is_an_error_in_one_line(postgres_url: str) -> None:
    def stage_on_a_lost_connection(database: Database) -> None:
        with database.write() as session:
            made = add_run(session)
            mine = session.scalar(text("SELECT pg_backend_pid()"))
            with psycopg.connect(postgres_url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", [mine])
            stage_images(session, made, named("a"))

    with closing(open_database(postgres_url)) as database, pytest.raises(DatabaseError) as caught:
        stage_on_a_lost_connection(database)

    assert "terminat" in caught.value.message
    assert "\n" not in caught.value.message


def test_staged_images_are_owed_to_nobody_until_they_are_cut(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named(*"abcd"))
        assert (claim_unleased(session, run.id), staged(session, run.id)) == ([], 4)

        cut_batches(session, run.id)
        assert (claim_unleased(session, run.id), staged(session, run.id)) == ([1, 2], 0)


def test_only_images_that_are_cut_now_are_counted(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named(*"ab"))
        stage_images(session, run, named(*"cd"))
        session.add(Batch(run_id=run.id, number=2))
        session.flush()
        stage_images(session, run, named(*"efgh"))

        assert cut_batches(session, run.id) == 6


def test_cutting_twice_is_as_good_as_once(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named(*"abcd"))
        assert cut_batches(session, run.id) == 4
        assert cut_batches(session, run.id) == 0

        assert session.scalar(select(func.count()).select_from(Batch)) == 2


def test_only_staged_images_are_taken_back(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named("a"))
        cut_batches(session, run.id)
        stage_images(session, run, named("b"))
        stage_images(session, run, named("c"))

        unstage_images(session, run.id, 1, 2)

        assert batches(session) == [["a"], ["c"]]


def test_stored_images_are_those_of_the_run_alone(database: Database, run: Run) -> None:
    with database.write() as session:
        other = Run(source="b", checkpoint_id=run.checkpoint_id, precision="float32", batch_size=3)
        session.add(other)
        session.flush()
        stage_images(session, other, [ListedImage("a", 0, None)])
        stage_images(session, run, [ListedImage("b", None, None), ListedImage("c", 1, None)])

        assert labels_of(session, run, ["a", "b", "c", "d"]) == {"b": None, "c": 1}
        assert (progress(session, run.id).listed, progress(session, other.id).listed) == (2, 1)


def test_stored_images_are_found_among_more_paths_than_one_statement_takes(
    database: Database, run: Run
) -> None:
    paths = [str(number) for number in range(70_000)]

    with database.write() as session:
        stage_images(session, run, named("3", "69999"))

        assert labels_of(session, run, paths) == {"3": 1, "69999": 1}


def test_a_run_is_dropped_only_where_it_lists_nothing(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named("a"))
        drop_run_if_empty(session, run.id)
        assert session.get(Run, run.id)

        unstage_images(session, run.id, 1, 1)
        drop_run_if_empty(session, run.id)
        assert session.scalar(select(func.count()).select_from(Run)) == 0


def test_a_batch_that_is_held_or_finished_is_not_owed(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named(*"abcdefg"))
        cut_batches(session, run.id)
        take_leases(session, BatchKey(run.id, 1), "w", 60)
        session.get_one(Batch, (run.id, 2)).finished_at = 1.0
        session.flush()

        assert claim_unleased(session, run.id) == [3]


def test_batches_that_are_claimed_count_as_published(database: Database, run: Run) -> None:
    with database.write() as session:
        stage_images(session, run, named(*"abcdefg"))
        cut_batches(session, run.id)
        take_leases(session, BatchKey(run.id, 1), "w", 60)

        assert claim_unleased(session, run.id) == [2, 3]

        published = session.execute(select(Batch.number).where(Batch.published_at > 1.7e9))
        assert sorted(row.number for row in published) == [2, 3]


def test_more_batches_than_one_statement_can_name_are_claimed(database: Database, run: Run) -> None:
    with database.write() as session:
        session.execute(
            insert(Batch), [{"run_id": run.id, "number": number} for number in range(70_000)]
        )

        assert claim_unleased(session, run.id) == list(range(70_000))
