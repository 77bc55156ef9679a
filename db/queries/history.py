"""The history of a run: what was changed in it, when, and how many images it was."""

from typing import Literal, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.tables import Change

What = Literal[
    "enqueued",
    "imported",
    "combined",
    "label added",
    "relabelled",
    "attributes changed",
    "sha256 corrected",
    "gone from the source",
    "back in the source",
    "pruned",
    "retried",
]


class Event(NamedTuple):
    """A change of so many images; `at` is in seconds since 1970-01-01 UTC."""

    at: float
    what: str
    images: int


def note_change(session: Session, run_id: int, what: What, images: int) -> None:
    """Enter a change in the run's history, unless it is of no image."""
    if images:
        session.add(Change(run_id=run_id, what=what, images=images))


def history(session: Session, run_id: int) -> list[Event]:
    """The changes of a run, oldest first."""
    rows = session.execute(
        select(Change.at, Change.what, Change.images)
        .where(Change.run_id == run_id)
        .order_by(Change.id)
    )
    return [Event(*row) for row in rows]
