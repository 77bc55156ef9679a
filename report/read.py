"""What a report needs from the ledger: stored scores only, no image and no model."""

import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from db import results, runs
from db.tables import Checkpoint, Run
from report.arrays import Floats, Labels
from report.contents import CheckpointFacts, Flow, RunFacts, is_synthetic


class Stored(NamedTuple):
    """A finished run; `labels` and `scores` are `[analysed]`."""

    run: RunFacts
    checkpoint: CheckpointFacts
    card: Mapping[str, Any]
    flow: Flow
    labels: Labels
    scores: Floats


class UnfinishedRunError(Exception):
    """Figures of half a run would be figures of whichever images came first."""


def read_run(session: Session, wanted: str | None) -> Stored:
    """The run of this number or name, the newest without one.

    Raises:
        NoSuchRunError: there is none.
        UnfinishedRunError: some of its images have no prediction yet.
    """
    run = runs.get_run(session, wanted)
    checkpoint = runs.checkpoint_of(session, run)
    progress = results.progress(session, run.id)
    _require_finished(run, progress, results.staged(session, run.id))
    labels, scores = results.scores(session, run.id)
    known = labels >= 0
    flow = Flow(
        listed=progress.listed,
        unreadable=progress.unreadable,
        scored=progress.scored,
        labelled=results.labelled(session, run.id),
        analysed=int(known.sum()),
        errors=results.errors(session, run.id),
        trained_on=results.count_digests(session, run.id, _trained_on(checkpoint)),
    )
    facts = RunFacts(run.id, run.name, run.source, run.precision)
    return Stored(facts, _facts(checkpoint), checkpoint.card, flow, labels[known], scores[known])


def _facts(checkpoint: Checkpoint) -> CheckpointFacts:
    name = PurePath(checkpoint.path).name
    return CheckpointFacts(name, checkpoint.digest, is_synthetic(checkpoint.card))


def _trained_on(checkpoint: Checkpoint) -> list[str]:
    data = checkpoint.card.get("data")
    digests = data.get("images") if isinstance(data, Mapping) else None
    return [str(digest) for digest in digests] if isinstance(digests, list) else []


def _require_finished(run: Run, progress: results.Progress, staged: int) -> None:
    pending = f"run {run.id}: {progress.pending} of {progress.listed} images are pending"
    again = f"`producer enqueue {shlex.quote(run.source)}`"
    if staged or not progress.listed:
        raise UnfinishedRunError(
            f"{pending} because their listing was interrupted: run {again} again, "
            "and report when they are scored"
        )
    if progress.pending:
        raise UnfinishedRunError(
            f"{pending}: start a worker with `celery -A worker worker`, "
            "and report when they are scored"
        )
