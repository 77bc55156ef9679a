"""Which run an order is for: the checkpoint, and the run found or made."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from db.runs import add_checkpoint, find_run, named_run, newest_checkpoint
from db.tables import Checkpoint, Run
from model.card import read_checkpoint_card
from producer.errors import EnqueueError

PRECISION = "float32"


@dataclass(frozen=True)
class Order:
    """What `producer enqueue` was asked for; `source` is the name by which it is known again."""

    source: str
    checkpoint: Path | None
    batch_size: int = 64
    name: str | None = None
    new_run: bool = False


def choose_checkpoint(session: Session, path: Path | None) -> Checkpoint:
    """The checkpoint at `path`, entered if it is new; without one the newest that is known.

    Raises:
        CheckpointError: the file is missing, broken or without its card.
        EnqueueError: none is known.
    """
    if path is not None:
        card = read_checkpoint_card(path)
        return add_checkpoint(session, card.digest, str(path.absolute()), card.as_json())
    newest = newest_checkpoint(session)
    if newest is None:
        raise EnqueueError(
            "no checkpoint is known yet: make one with `trainer train TRAIN VALID`, "
            "or name one with --checkpoint FILE"
        )
    return newest


def find_or_make_run(session: Session, order: Order, checkpoint: Checkpoint) -> Run:
    """The run that this order resumes, or a new one.

    Raises:
        EnqueueError: the name is a number, or belongs to another run.
    """
    found = None if order.new_run else _find(session, order, checkpoint)
    if found is not None:
        return found
    if order.name is not None:
        _check_name(session, order.name)
    run = Run(
        name=order.name,
        source=order.source,
        checkpoint_id=checkpoint.id,
        precision=PRECISION,
        batch_size=order.batch_size,
    )
    session.add(run)
    session.flush()
    return run


def _find(session: Session, order: Order, checkpoint: Checkpoint) -> Run | None:
    if order.name is None:
        # What comes down a pipe has no name to know it by: each time it is another dataset.
        if order.source == "-":
            return None
        return find_run(session, order.source, checkpoint.id, PRECISION)
    run = named_run(session, order.name)
    if run is None:
        return None
    if (run.source, run.checkpoint_id, run.precision) != (order.source, checkpoint.id, PRECISION):
        raise EnqueueError(
            f"--name {order.name} belongs to run {run.id}, which is of {run.source} or of another "
            "checkpoint: choose another name"
        )
    return run


def _check_name(session: Session, name: str) -> None:
    if name.isdecimal() or not name.strip():
        raise EnqueueError(f"--name {name!r}: a number or nothing cannot be told from a run number")
    if named_run(session, name) is not None:
        raise EnqueueError(f"--name {name}: there is a run of this name already")
