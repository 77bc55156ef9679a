"""How fast hosts compute in a run's precision and in float32; written by workers, read by status.

A row without rates says that a timing was begun. If it never ended, because it took the process's
life, it is not begun again at once: it must not keep the run from being scored.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, or_, select, text
from sqlalchemy.orm import Session

from db.clock import Now
from db.queries.refusals import Wanted
from db.tables import Checkpoint, Run, Speed

# How far two timings of the same thing differ.
_NOISE = 0.05
# When a timing that never ended may be tried again, and how long rates are kept: hosts in a cluster
# have a new name every day.
_AGAIN_SECONDS, _KEPT_SECONDS = 86_400.0, 30 * 86_400.0
_NOTE = text(
    "INSERT INTO speeds (digest, precision, host, device, rate, float32_rate)"
    " VALUES (:digest, :precision, :host, :device, :rate, :float32_rate)"
    " ON CONFLICT (digest, precision, host) DO UPDATE SET device = excluded.device,"
    " rate = excluded.rate, float32_rate = excluded.float32_rate, timed_at = excluded.timed_at"
)


class Machine(NamedTuple):
    """A host by its name, and what it computes on: rates of another device say nothing about it."""

    host: str
    device: str


class Rates(NamedTuple):
    """Images per second of the network alone, in the precision of a run and in float32."""

    rate: float
    float32_rate: float

    @property
    def is_slower(self) -> bool:
        """Whether float32 is faster, by more than two timings of the same thing differ."""
        return self.rate < (1 - _NOISE) * self.float32_rate


class HostSpeed(NamedTuple):
    """The rates of one host, and how many seconds ago they were measured."""

    host: str
    device: str
    rates: Rates
    seconds_ago: float


def note_speed(session: Session, wanted: Wanted, machine: Machine, rates: Rates | None) -> None:
    """Note the rates of this machine; None if the timing only begins."""
    session.execute(delete(Speed).where(Speed.timed_at < Now() - _KEPT_SECONDS))
    found = rates._asdict() if rates else dict.fromkeys(Rates._fields)
    values = {**wanted._asdict(), **machine._asdict(), **found}
    session.connection().execute(_NOTE, values)


def is_timed(session: Session, wanted: Wanted, machine: Machine) -> bool:
    """Whether this machine was timed, or began to be timed within a day."""
    found = session.scalar(
        select(Speed.host).where(
            Speed.digest == wanted.digest,
            Speed.precision == wanted.precision,
            Speed.host == machine.host,
            Speed.device == machine.device,
            or_(Speed.rate.is_not(None), Speed.timed_at > Now() - _AGAIN_SECONDS),
        )
    )
    return found is not None


def speeds_of(session: Session, run_id: int) -> Sequence[HostSpeed]:
    """The rates of each host that was timed with the checkpoint and precision of this run."""
    rows = session.execute(
        select(Speed.host, Speed.device, Speed.rate, Speed.float32_rate, Now() - Speed.timed_at)
        .select_from(Run)
        .join(Checkpoint, Checkpoint.id == Run.checkpoint_id)
        .join(Speed, (Speed.digest == Checkpoint.digest) & (Speed.precision == Run.precision))
        .where(Run.id == run_id, Speed.rate.is_not(None), Speed.float32_rate.is_not(None))
        .order_by(Speed.host)
    )
    return [
        HostSpeed(host, device, Rates(rate, float32_rate), ago)
        for host, device, rate, float32_rate, ago in rows
        if rate is not None and float32_rate is not None
    ]
