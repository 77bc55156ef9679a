"""Reads what a report needs from the ledger: stored scores only, no image and no model."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import PurePath
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy.orm import Session

from base.arrays import NO_SCORES, Float64Array, LabelArray
from db.queries import results, runs
from db.queries.report import columns, copies, thresholds
from db.queries.report.columns import PENDING, SCORED, UNREADABLE, Columns
from db.queries.report.imports import NO_SCORE
from db.queries.report.unscored import errors_by_label
from db.tables import Checkpoint, Run
from report.classes import classes_of
from report.clustering.asked import Clustering
from report.clustering.clusters import Clusters
from report.clustering.units import UnitFacts
from report.grouping.by_option import columns_of
from report.left_out.by_class import by_class, codes
from report.loading.kept_thresholds import day
from report.loading.label_origins import label_origins
from report.loading.read_classes import ClassRows, read_classes
from report.loading.read_clusters import analyse, find_repeats
from report.loading.read_groups import analysed_of, require_columns
from report.loading.same_bytes import SameBytes, refuse_both_labels, same_bytes
from report.loading.shared_images import shared_images
from report.loading.unfinished import require_finished
from report.metrics.subgroups import Groups
from report.report_model import (
    CheckpointFacts,
    Examples,
    Flow,
    Labelled,
    RunFacts,
    image_digests,
    imported_from,
    is_synthetic,
    unchecked_in,
)
from report.thresholds.threshold import ChosenOn


class LoadedRun(NamedTuple):
    """A finished run; `labels` and `scores` are `[analysed]`; one of `groups` for each attribute.

    `unlabelled` are the scores of images without a label, `[scored - analysed]`.

    `chosen` is the threshold chosen last for its checkpoint. `overlap` counts the scored images on
    which it, or without it the model card's threshold, was chosen. `failed` are paths of some
    images of a run in which no image was scored. `classes` is None unless it was asked for.

    With `units`, the arrays are of these instead of images. `clusters` are of the same images or
    units; without them, `repeats` is a column by which they should be clustered, if there is one.
    """

    run: RunFacts
    checkpoint: CheckpointFacts
    card: Mapping[str, Any]
    flow: Flow
    labels: LabelArray
    scores: Float64Array
    groups: tuple[Groups, ...] = ()
    chosen: ChosenOn | None = None
    overlap: int = 0
    failed: tuple[str, ...] = ()
    unlabelled: Float64Array = NO_SCORES
    classes: ClassRows | None = None
    clusters: Clusters | None = None
    units: UnitFacts | None = None
    repeats: str | None = None


def read_run(
    session: Session,
    id_or_name: str | None,
    by: Sequence[str] = (),
    *,
    unique: bool = False,
    classes: str | None = None,
    clustering: Clustering | None = None,
) -> LoadedRun:
    """Read the run with this number or name, by default the newest.

    Args:
        session: a session of the ledger.
        id_or_name: None for the newest run.
        by: attributes to group the images by.
        unique: of scored images that have the same bytes analyse one.
        classes: the attribute that holds the true class, or `ANY_COLUMN`; None for no classes.
        clustering: what makes clusters or units; None to look whether a column should.

    Raises:
        NoSuchRunError: the run does not exist.
        UnfinishedRunError: some of its images have no prediction yet.
        NoSuchColumnError: no image has an attribute named in `by` or `clustering`.
        ClusterError: the images of one unit are of several clusters.
        CopiesError: `unique`, and images of the same bytes have different labels.
        ClassesError: `classes`, and they or their truth are not there.
    """
    run = runs.get_run(session, id_or_name)
    checkpoint = runs.checkpoint_of(session, run)
    others = [] if clustering is None else list(clustering.columns.items())
    names = tuple(dict.fromkeys([*columns_of(by), *(column for _, column in others)]))
    listed = columns.columns(session, run.id, attributes=names)
    pending = int(np.count_nonzero(listed.outcomes == PENDING))
    require_finished(session, run, len(listed.outcomes), pending)
    found = same_bytes(copies.copies(session, run.id))
    left_out = found.left_out if unique else frozenset[int]()
    flow = _flow(session, run, listed, checkpoint, found)
    if unique:
        refuse_both_labels(flow)
        listed = columns.columns(session, run.id, left_out, names)
    chosen = chosen_threshold(session, run)
    analysed = int(np.count_nonzero(analysed_of(listed)))
    flow = replace(flow, analysed=analysed, copies_left_out=len(left_out))
    require_columns(session, run.id, listed, by, others, left_out)
    images = analyse(listed, by, clustering or Clustering())
    failed = None if flow.scored else results.failed_wholly(session, run.id)
    return LoadedRun(
        RunFacts(run.id, run.name, run.source, run.precision, run.views),
        _facts(checkpoint, run),
        checkpoint.card,
        flow,
        images.labels,
        images.scores,
        images.groups,
        chosen,
        _overlap(session, run, checkpoint, chosen, flow.scored),
        () if failed is None else tuple(failed.examples),
        images.unlabelled,
        None
        if classes is None
        else read_classes(session, run.id, classes_of(checkpoint.card), classes, left_out),
        images.clusters,
        images.units,
        None if clustering is not None else find_repeats(session, run.id, left_out),
    )


def _flow(
    session: Session, run: Run, listed: Columns, checkpoint: Checkpoint, same: SameBytes
) -> Flow:
    scored, labelled = listed.outcomes == SCORED, listed.labels >= 0
    unscored = int(np.count_nonzero(listed.outcomes == UNREADABLE))
    lost = errors_by_label(session, run.id) if unscored else {}
    errors = codes(lost)
    labels = {
        label: int(np.count_nonzero(listed.labels == code))
        for label, code in ((1, 1), (0, 0), (None, -1))
    }
    no_score = errors.get(NO_SCORE, 0)
    gone = copies.gone(session, run.id)
    return Flow(
        listed=len(listed.labels),
        unreadable=unscored - no_score,
        scored=int(np.count_nonzero(scored)),
        labelled=int(np.count_nonzero(labelled)),
        analysed=int(np.count_nonzero(scored & labelled)),
        errors=errors,
        trained_on=results.count_digests(session, run.id, image_digests(checkpoint.card, "images")),
        labels=_labels(session, run, listed, checkpoint),
        gone=gone.images,
        copies=len(same.left_out),
        conflicting=same.conflicting,
        turned=0 if _turns(checkpoint) else listed.turned,
        examples=Examples(gone.paths, same.pair, same.opposed),
        no_score=no_score,
        by_class=by_class(labels, lost),
    )


def _turns(checkpoint: Checkpoint) -> bool:
    """Whether the checkpoint's images are turned as EXIF says."""
    decode = checkpoint.card.get("decode")
    return isinstance(decode, Mapping) and decode.get("orientation") == "apply"


def _labels(
    session: Session, run: Run, listed: Columns, checkpoint: Checkpoint
) -> tuple[Labelled, ...]:
    if checkpoint.imported:  # ids are not paths, and all labels come from one column
        return ()
    with closing(results.stream_labelled(session, run.id)) as labelled:
        return label_origins(run.source, listed.labels, labelled)


def chosen_threshold(session: Session, run: Run) -> ChosenOn | None:
    """The threshold that was last chosen for the run's checkpoint and views, or None."""
    last = thresholds.chosen_last(session, run.checkpoint_id, run.views)
    return None if last is None else chosen_as(session, run, last)


def chosen_as(session: Session, run: Run, last: thresholds.Chosen) -> ChosenOn:
    """What a report of the run says of a threshold that was chosen on some run."""
    other = None
    if last.checkpoint_id not in thresholds.same_model(session, run.checkpoint_id):
        checkpoint = session.get_one(Checkpoint, last.checkpoint_id)
        other = f"{PurePath(checkpoint.path).name} ({checkpoint.digest[:12]})"
    return ChosenOn(last.value, last.how, last.run_id, last.source, day(last), other)


def overlap_with(session: Session, run: Run, chosen: ChosenOn, scored: int) -> int:
    """On how many of the `scored` images of the run the threshold was chosen."""
    # Runs of the same source have the same images, except of `-`, a list read from a pipe.
    if chosen.run == run.id or (chosen.source == run.source != "-"):
        return scored
    return shared_images(session, run, session.get_one(Run, chosen.run))


def _overlap(
    session: Session, run: Run, checkpoint: Checkpoint, chosen: ChosenOn | None, scored: int
) -> int:
    if chosen is not None:
        return overlap_with(session, run, chosen, scored)
    return results.count_digests(session, run.id, image_digests(checkpoint.card, "valid_images"))


def _facts(checkpoint: Checkpoint, run: Run) -> CheckpointFacts:
    card = checkpoint.card
    return CheckpointFacts(
        PurePath(checkpoint.path).name,
        checkpoint.digest,
        is_synthetic(card),
        imported_from(card),
        run.combined,
        unchecked_in(card),
        "quantised" in card,
    )
