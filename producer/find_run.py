"""Finds or makes the run of a request, and its checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click
from sqlalchemy.orm import Session

from base.console.foreign import shown
from base.settings import read_settings
from db.precisions import PRECISIONS
from db.queries.runs import add_checkpoint, find_run, named_run, newest_checkpoint, refuse_name
from db.tables import Checkpoint, Run
from db.views import VIEWS
from model.card import read_checkpoint_card
from model.checkpoint_requirements import refuse_unloadable_file
from producer.enqueue import NOTHING, Allowed


class EnqueueError(click.ClickException):
    """The run cannot be made or resumed as asked; the message says what to do."""


@dataclass(frozen=True)
class EnqueueRequest:
    """What `producer enqueue` was asked for; `source` is the name under which it is stored.

    `labels` are the meanings of class folders and of values of a label column. It makes one run for
    each of `checkpoints`; without any, one for the newest known checkpoint.
    """

    source: str
    checkpoints: tuple[Path, ...]
    batch_size: int = 64
    name: str | None = None
    new_run: bool = False
    precision: str = PRECISIONS[0]
    views: int = VIEWS[0]
    keep_features: bool = False
    allowed: Allowed = NOTHING
    labels: Mapping[str, int | None] = field(default_factory=dict)


def checkpoint_setting() -> tuple[Path, ...]:
    """The checkpoint in `CHECKPOINT`, if it is set."""
    setting = read_settings().checkpoint
    return () if setting is None else (setting,)


def choose_checkpoints(session: Session, paths: Sequence[Path]) -> list[Checkpoint]:
    """The checkpoints at `paths`, added if new; without any the newest known one.

    Raises:
        CheckpointError: the file is missing, broken or without its card, or no worker could score
            with it.
        EnqueueError: none is known, or one is named twice.
    """
    if paths:
        return _entered(session, paths)
    newest = newest_checkpoint(session)
    if newest is None:
        raise EnqueueError(
            "no checkpoint is known yet: make one with `trainer train TRAIN VALID`, "
            "or name one with --checkpoint FILE"
        )
    return [newest]


def _entered(session: Session, paths: Sequence[Path]) -> list[Checkpoint]:
    found: dict[str, Checkpoint] = {}
    for path in paths:
        card = read_checkpoint_card(path)
        refuse_unloadable_file(path, card)
        if card.digest in found:
            raise EnqueueError(f"--checkpoint {path} is named twice: the files have the same bytes")
        found[card.digest] = add_checkpoint(
            session, card.digest, str(path.absolute()), card.as_json()
        )
    return list(found.values())


def find_or_make_run(session: Session, request: EnqueueRequest, checkpoint: Checkpoint) -> Run:
    """The run that this request resumes, or a new one.

    Raises:
        EnqueueError: the name belongs to a run of another source or checkpoint, or the checkpoint's
            images have no quarter turns, or it is quantised and another precision is asked for.
        DatabaseError: the name is a number, or belongs to another run.
    """
    _refuse_turns(request, checkpoint)
    _refuse_precision(request, checkpoint)
    found = None if request.new_run else _find(session, request, checkpoint)
    if found is not None:
        return found
    if request.name is not None:
        refuse_name(session, request.name)
    run = Run(
        name=request.name,
        source=request.source,
        checkpoint_id=checkpoint.id,
        precision=request.precision,
        views=request.views,
        batch_size=request.batch_size,
        keep_features=request.keep_features,
    )
    session.add(run)
    session.flush()
    return run


def _find(session: Session, request: EnqueueRequest, checkpoint: Checkpoint) -> Run | None:
    if request.name is None:
        # Standard input has no name to find it by: each time it is another dataset.
        if request.source == "-":
            return None
        return find_run(session, request.source, checkpoint.id, request.precision, request.views)
    run = named_run(session, request.name)
    if run is None:
        return None
    asked = (request.source, checkpoint.id, request.precision, request.views)
    if (run.source, run.checkpoint_id, run.precision, run.views) != asked:
        raise EnqueueError(
            f"--name {request.name} belongs to run {run.id}, which is of {run.source} or of "
            "another checkpoint, precision or number of views: choose another name"
        )
    return run


def _refuse_precision(request: EnqueueRequest, checkpoint: Checkpoint) -> None:
    """Refuse another precision than the default for a quantised checkpoint, as a worker would."""
    if checkpoint.card.get("quantised") and request.precision != PRECISIONS[0]:
        raise EnqueueError(
            f"--precision {request.precision}: {shown(checkpoint.path)} is quantised, so it is "
            f"computed in int8: leave it out, or say --precision {PRECISIONS[0]}"
        )


def _refuse_turns(request: EnqueueRequest, checkpoint: Checkpoint) -> None:
    """Refuse quarter turns of images that are not square: the network takes one shape."""
    decode = checkpoint.card.get("decode", {})
    height, width = decode.get("height"), decode.get("width")
    if request.views == max(VIEWS) and height != width:
        raise EnqueueError(
            f"--views {request.views} turns images by a quarter, and {checkpoint.path} takes "
            f"images of {width} x {height} pixels, which are not square: use --views 4, the flips"
        )
