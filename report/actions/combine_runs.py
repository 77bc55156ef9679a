"""What `report combine` does: make a run of the mean scores of several runs."""

import gc
import hashlib
import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import chain
from pathlib import PurePath
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from base.console import interrupt
from base.console.progress_counter import end_count, progress_counter
from base.console.telling import tell
from db.queries.report.export import stream_images
from db.queries.report.imports import ImportedScores, store_imported
from db.queries.report.thresholds import chosen_last
from db.queries.runs import checkpoint_of, get_run, refuse_name, run_by_id
from db.session import open_database
from db.tables import Checkpoint, Run
from db.views import VIEWS
from report.loading.combining import Combined, CombineError, How, Member, combine
from report.loading.shared_images import names_only
from report.loading.unfinished import finished_origin
from report.report_model import combined, image_digests, is_synthetic


class _Read(NamedTuple):
    """What was read of the members, and their images combined."""

    source: str
    scores: ImportedScores
    images: Combined


def combine_runs(runs: tuple[str, ...], *, rank: bool, name: str) -> None:
    """Store the mean of the scores, or ranks, of several runs as a run of this name."""
    gc.freeze()  # as for an import: a million rows set off many collections
    try:
        with closing(open_database(must_exist=True)) as database:
            with database.read() as session:
                refuse_name(session, name)  # before what takes time
                read = _read(session, runs, "rank" if rank else "mean")
            of_all = f"of {len(read.images.found):,} images stored"
            with database.write() as session:
                run_id = store_imported(
                    session, name, read.source, read.scores, read.images.images(),
                    lambda stored: progress_counter(f"{stored:,} {of_all}"),
                )  # fmt: skip
                checkpoint = run_by_id(session, run_id).checkpoint_id
                has_threshold = chosen_last(session, checkpoint, VIEWS[0]) is not None
        interrupt.keeps(f"run {run_id} ({name}) is stored")
    finally:
        end_count()
    tell(f"run {run_id} ({name}): {', '.join(read.images.counts())}")
    tell(combined(read.scores.combined or {}))
    tell(f"next: report --run {run_id}{'' if has_threshold else ' --threshold 0.5'}")


def _read(session: Session, names: Sequence[str], how: How) -> _Read:
    runs = [get_run(session, name) for name in names]
    if len({run.id for run in runs}) < len(runs):
        raise CombineError("a run is named twice: name each of the runs once")
    for run in runs:
        finished_origin(session, str(run.id))
    checkpoints = [checkpoint_of(session, run) for run in runs]
    members = [
        Member(run.id, names_only(run), chain.from_iterable(stream_images(session, run.id)))
        for run in runs
    ]
    images = combine(members, how)
    # The run whose paths are those of the images.
    source = next((run.source for run in runs if not names_only(run)), runs[0].source)
    return _Read(source, _provenance(runs, checkpoints, how), images)


def _provenance(runs: Sequence[Run], checkpoints: Sequence[Checkpoint], how: How) -> ImportedScores:
    """How the scores came about; the card is that of all checkpoints together.

    Means of the same checkpoints are one model, for which a threshold can be chosen on one run and
    used on another. Ranks depend on the other images of their run, so each such run is its own.
    """
    members = [_member(*pair) for pair in zip(runs, checkpoints, strict=True)]
    models = sorted([one["digest"], one["precision"], one["views"]] for one in members)
    known_by = [how, models, *([[run.id for run in runs]] if how == "rank" else [])]
    facts = {
        "how": how,
        "names_only": all(names_only(run) for run in runs),
        "members": members,
    }
    card = {
        "combined": {"how": how, "checkpoints": [digest for digest, *_ in models]},
        "data": {
            "images": _digests(checkpoints, "images"),
            "valid_images": _digests(checkpoints, "valid_images"),
            "synthetic": any(is_synthetic(checkpoint.card) for checkpoint in checkpoints),
        },
    }
    digest = hashlib.sha256(json.dumps(known_by).encode()).hexdigest()
    names = dict.fromkeys(one["checkpoint"] for one in members)
    return ImportedScores(digest, f"{how} of {', '.join(names)}", card, facts)


def _member(run: Run, checkpoint: Checkpoint) -> dict[str, Any]:
    return {
        "run": run.id,
        "name": run.name,
        "source": run.source,
        "checkpoint": PurePath(checkpoint.path).name,
        "digest": checkpoint.digest,
        "precision": run.precision,
        "views": run.views,
    }


def _digests(checkpoints: Iterable[Checkpoint], which: str) -> list[str]:
    """The images of training (or validation) of any checkpoint, by the SHA-256 of their bytes."""
    return sorted({each for one in checkpoints for each in image_digests(one.card, which)})
