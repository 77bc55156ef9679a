"""Which workers are alive: each notes it every few seconds, and removes the note at its end.

A worker that is killed stops doing so; after `ALIVE_SECONDS` it counts as ended.
"""

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from db.clock import Now
from db.tables import Worker

# Four beats, see `worker.timing`.
ALIVE_SECONDS = 20.0
# A killed worker leaves its row, which a later start removes.
_FORGOTTEN_SECONDS = 86_400.0
_SEEN = text(
    "INSERT INTO workers (name) VALUES (:name)"
    " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at"
)


def note_seen(session: Session, name: str) -> None:
    """Note that the worker with this name is alive."""
    session.connection().execute(_SEEN, {"name": name})


def forget_dead(session: Session) -> None:
    """Remove workers that were not seen for a day."""
    session.execute(delete(Worker).where(Worker.seen_at < Now() - _FORGOTTEN_SECONDS))


def note_ended(session: Session, name: str) -> None:
    """Note that the worker with this name ends."""
    session.execute(delete(Worker).where(Worker.name == name))


def alive(session: Session) -> set[str]:
    """The names of the workers that are alive."""
    return set(session.scalars(select(Worker.name).where(Worker.seen_at > Now() - ALIVE_SECONDS)))
