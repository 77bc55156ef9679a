from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.queries.report import columns
from db.queries.report.columns import PENDING, SCORED, UNREADABLE
from db.session import Database
from db.tables import Run

LABELS = st.none() | st.integers(0, 1)
# A score, the code of an error, or None while it is pending.
OUTCOMES = st.none() | st.just("corrupt") | st.floats(0, 1)


def store(database: Database, images: list[tuple[int | None, float | str | None]]) -> int:
    """A run with these labels and outcomes; returns its number."""
    with database.write() as session:
        checkpoint = runs.add_checkpoint(session, "ab" * 32, "checkpoints/x.keras", {})
        run = Run(
            source="data/test", checkpoint_id=checkpoint.id, precision="float32", batch_size=4096
        )
        session.add(run)
        session.flush()
        rows = [
            ListedImage(f"{at:03d}.jpg", label, {"at": str(at)})
            for at, (label, _) in enumerate(images)
        ]
        listing.stage_images(session, run, rows)
        listing.cut_batches(session, run.id)
        pending = leases.pending_images(session, [leases.BatchKey(run.id, 1)])
        stored = [(row, images[int(path[:3])][1]) for _, row, path, *_ in pending]
        outcomes.store_outcomes(
            session, "worker", [as_outcome(*one) for one in stored if one[1] is not None]
        )
        return run.id


def as_outcome(row: int, what: float | str | None) -> outcomes.Outcome:
    if isinstance(what, str):
        return outcomes.Outcome(row, None, what, "a sentence", None)
    return outcomes.Outcome(row, what, None, None, None)


def read(database: Database, run: int) -> list[tuple[int, int, float]]:
    with database.read() as session:
        read = columns.columns(session, run)
    found = (read.labels, read.outcomes, read.scores)
    assert [column.dtype.str[1:] for column in found] == ["i1", "i1", "f8"]
    return sorted(zip(*(column.tolist() for column in found), strict=True))


def test_every_label_with_every_outcome(database: Database) -> None:
    run = store(database, [(1, 0.25), (0, "corrupt"), (None, 0.1 + 0.2), (1, None), (None, None)])
    assert read(database, run) == [
        (-1, PENDING, -1.0),
        (-1, SCORED, 0.1 + 0.2),  # to the last bit
        (0, UNREADABLE, -1.0),
        (1, PENDING, -1.0),
        (1, SCORED, 0.25),
    ]


def test_of_one_run_only(database: Database) -> None:
    first, second = store(database, [(1, 0.5)]), store(database, [(0, 0.75), (1, 1.0)])
    assert read(database, first) == [(1, SCORED, 0.5)]
    assert read(database, second) == [(0, SCORED, 0.75), (1, SCORED, 1.0)]


def test_a_run_without_images_has_empty_columns(database: Database) -> None:
    assert read(database, 99) == []


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(LABELS, OUTCOMES), max_size=40))
def test_any_table(database: Database, images: list[tuple[int | None, float | str | None]]) -> None:
    expected = sorted(
        (
            -1 if label is None else label,
            PENDING if what is None else UNREADABLE if isinstance(what, str) else SCORED,
            what if isinstance(what, float) else -1.0,
        )
        for label, what in images
    )
    assert read(database, store(database, images)) == expected


def test_described_images_are_scored_and_labelled(database: Database) -> None:
    run = store(database, [(1, 0.25), (0, "corrupt"), (None, 0.5), (1, None), (0, 0.75)])
    with database.read() as session:
        found = sorted(columns.described(session, run))
    assert found == [(0, 0.75, {"at": "4"}), (1, 0.25, {"at": "0"})]
