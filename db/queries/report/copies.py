"""Reads of images that have the same bytes, or that are gone from their source."""

from typing import NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from db.tables import Image, Prediction


class Copy(NamedTuple):
    """A scored image whose bytes, of this SHA-256, another scored image of the run has too."""

    digest: str
    id: int
    path: str
    label: int | None


class Gone(NamedTuple):
    """How many images are no longer in the source, and the paths of the first of them."""

    images: int
    paths: tuple[str, ...]


def copies(session: Session, run_id: int) -> list[Copy]:
    """The images that share their bytes, those of the same bytes in the order of the listing."""
    shared = _shared_digests(run_id)
    if session.scalar(shared.limit(1)) is None:  # as in most runs
        return []
    rows = session.execute(
        select(Prediction.image_digest, Image.id, Image.path, Image.label)
        .join(Prediction, Prediction.image_id == Image.id)
        .where(_is_scored(run_id), Prediction.image_digest.in_(shared))
        .order_by(Prediction.image_digest, Image.id)
    )
    return [Copy(digest or "", image, path, label) for digest, image, path, label in rows]


def gone(session: Session, run_id: int, examples: int = 2) -> Gone:
    """The images that the source did not list when it was enqueued last."""
    of_run = and_(Image.run_id == run_id, Image.gone_at.is_not(None))
    images = session.scalar(select(func.count()).where(of_run)) or 0
    if not images:
        return Gone(0, ())
    paths = select(Image.path).where(of_run).order_by(Image.batch, Image.id).limit(examples)
    return Gone(images, tuple(session.scalars(paths)))


def _shared_digests(run_id: int) -> Select[str | None]:
    return (
        select(Prediction.image_digest)
        .join(Image, Image.id == Prediction.image_id)
        .where(_is_scored(run_id), Prediction.image_digest.is_not(None))
        .group_by(Prediction.image_digest)
        .having(func.count() > 1)
    )


def _is_scored(run_id: int) -> ColumnElement[bool]:
    return and_(Image.run_id == run_id, Prediction.score.is_not(None))
