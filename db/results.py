"""Reads of the report and of `producer status`."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.clock import Now
from db.tables import Batch, Image, Prediction


class Progress(NamedTuple):
    """How far a run is, in images. `listed` is the sum of the other three."""

    listed: int
    scored: int
    unreadable: int
    pending: int


class Pace(NamedTuple):
    """Predictions of the last minute and how long ago the first and last of them were stored."""

    images: int
    seconds: float


class Scores(NamedTuple):
    """Scored images by column, both `[n]`: label 1, 0 or -1 for unknown; score in [0, 1]."""

    labels: npt.NDArray[np.int8]
    scores: npt.NDArray[np.float64]


def progress(session: Session, run_id: int) -> Progress:
    """Counts of the run's images by outcome."""
    listed, scored, unreadable = session.execute(
        select(func.count(), func.count(Prediction.score), func.count(Prediction.error))
        .select_from(Image)
        .outerjoin(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id)
    ).one()
    return Progress(listed, scored, unreadable, listed - scored - unreadable)


def errors(session: Session, run_id: int) -> dict[str, int]:
    """Error code to number of images, most frequent first."""
    number = func.count().label("number")
    rows = session.execute(
        select(Prediction.error, number)
        .join(Image, Image.id == Prediction.image_id)
        .where(Image.run_id == run_id, Prediction.error.is_not(None))
        .group_by(Prediction.error)
        .order_by(number.desc(), Prediction.error)
    )
    return {code: count for code, count in rows if code is not None}


def staged(session: Session, run_id: int) -> int:
    """Images whose listing was interrupted: no batch holds them yet."""
    return (
        session.scalar(
            select(func.count())
            .select_from(Image)
            .outerjoin(Batch, (Batch.run_id == Image.run_id) & (Batch.number == Image.batch))
            .where(Image.run_id == run_id, Batch.number.is_(None))
        )
        or 0
    )


def pace(session: Session, run_id: int, seconds: float = 60) -> Pace:
    """The run's predictions of the last `seconds`, for images per second and time left."""
    count, first, now = session.execute(
        select(func.count(), func.min(Prediction.scored_at), Now())
        .join(Image, Image.id == Prediction.image_id)
        .where(Image.run_id == run_id, Prediction.scored_at > Now() - seconds)
    ).one()
    return Pace(count, now - first if count else 0.0)


def scores(session: Session, run_id: int) -> Scores:
    """Labels and scores of the run's scored images, in the order they were listed."""
    rows = session.execute(
        select(case((Image.label.is_(None), -1), else_=Image.label), Prediction.score)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.score.is_not(None))
        .order_by(Image.id)
    ).all()
    labels, values = zip(*rows, strict=True) if rows else ((), ())
    return Scores(np.asarray(labels, dtype=np.int8), np.asarray(values, dtype=np.float64))


def labelled(session: Session, run_id: int) -> int:
    """Images of the run whose label is known, scored or not."""
    known = select(func.count()).where(Image.run_id == run_id, Image.label.is_not(None))
    return session.scalar(known) or 0
