"""Which workers live: each says so every few seconds, and takes it back at its end.

One that is killed is not seen any more; `ALIVE_SECONDS` later it counts as ended.
"""

from sqlalchemy import delete, select, text
from sqlalchemy.orm import Session

from db.clock import Now
from db.tables import Worker

# Four beats, see `worker.timing`.
ALIVE_SECONDS = 20.0
# What was killed leaves its row, which a later start takes away.
_FORGOTTEN_SECONDS = 86_400.0
_SEEN = text(
    "INSERT INTO workers (name) VALUES (:name)"
    " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at"
)


def note_seen(session: Session, name: str) -> None:
    """The worker of this name lives."""
    session.connection().execute(_SEEN, {"name": name})


def forget_dead(session: Session) -> None:
    """Take away who was not seen for a day."""
    session.execute(delete(Worker).where(Worker.seen_at < Now() - _FORGOTTEN_SECONDS))


def note_ended(session: Session, name: str) -> None:
    """The worker of this name ends."""
    session.execute(delete(Worker).where(Worker.name == name))


def alive(session: Session) -> set[str]:
    """The names of the workers that live."""
    return set(session.scalars(select(Worker.name).where(Worker.seen_at > Now() - ALIVE_SECONDS)))
