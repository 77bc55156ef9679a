"""Reads of images without a score, by label and error code."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.tables import Image, Prediction


def errors_by_label(session: Session, run_id: int) -> dict[tuple[int | None, str], int]:
    """Number of images of each label (None: without one) and error code."""
    rows = session.execute(
        select(Image.label, Prediction.error, func.count())
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.error.is_not(None))
        .group_by(Image.label, Prediction.error)
    )
    return {(label, code): count for label, code, count in rows if code is not None}
