"""The reads of the report's page, on SQLite and PostgreSQL."""

import time
from contextlib import closing

from page_runs import Shot, store

from db.queries.report import page
from db.session import open_database

DIGEST = "ab" * 32
SHOTS = [
    Shot("a.jpg", 1, 0.4),
    Shot("b.jpg", 1, 0.1, DIGEST, {"sex": "female"}),
    Shot("c.jpg", 1, 0.4),
    Shot("d.jpg", 0, 0.3),
    Shot("e.jpg", 0, 0.9),
    Shot("f.jpg", None, 1.0),
    Shot("g.jpg", 1, "missing", detail="there is no such file"),
    Shot("h.jpg", None, "corrupt", detail="cut short"),
]


def test_extremes_are_furthest_from_their_label(database_url: str) -> None:
    store(database_url, SHOTS)
    second = store(database_url, [Shot("z.jpg", 1, 0.0), Shot("y.jpg", 0, 1.0)])
    with closing(open_database(database_url)) as database, database.read() as session:
        malignant = page.extremes(session, 1, 1, 9)
        assert [case.path for case in malignant] == ["b.jpg", "a.jpg", "c.jpg"]
        assert malignant[0] == page.ScoredCase("b.jpg", {"sex": "female"}, 0.1, DIGEST)
        assert malignant[1] == page.ScoredCase("a.jpg", {}, 0.4, None)
        assert [case.path for case in page.extremes(session, 1, 0, 1)] == ["e.jpg"]
        assert [case.path for case in page.extremes(session, second, 1, 9)] == ["z.jpg"]


def test_unreadable_images_by_their_error(database_url: str) -> None:
    store(database_url, SHOTS)
    with closing(open_database(database_url)) as database, database.read() as session:
        assert page.unreadable(session, 1, 9) == [
            page.UnreadableCase("h.jpg", "corrupt", "cut short"),
            page.UnreadableCase("g.jpg", "missing", "there is no such file"),
        ]
        assert len(page.unreadable(session, 1, 1)) == 1


def test_times(database_url: str) -> None:
    before = time.time()
    store(database_url, SHOTS)
    with closing(open_database(database_url)) as database, database.read() as session:
        found = page.times(session, 1)
    assert found.workers == 1
    assert found.first_scored is not None
    assert found.last_scored is not None
    moments = [found.checkpoint_entered, found.listed, found.first_scored, found.last_scored]
    # SQLite's julian day is good to a millisecond.
    assert all(before - 0.01 <= one <= time.time() + 0.01 for one in moments)
