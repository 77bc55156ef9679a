"""Reads of `report --classes`: what the manifest says of images, and their probabilities."""

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Text, cast, select
from sqlalchemy.orm import Session

from db.tables import Image, Prediction

_ROWS_AT_ONCE = 10_000


class ScoredAttributes(NamedTuple):
    """A scored image's attributes from its manifest, and its probabilities as JSON text."""

    attributes: Mapping[str, str]
    probabilities: str | None


def scored_attributes(
    session: Session, run_id: int, left_out: Collection[int] = ()
) -> Iterator[ScoredAttributes]:
    """The run's scored images one by one, without those with an id of `left_out`."""
    rows = session.execute(
        select(Image.id, Image.attributes, cast(Prediction.probabilities, Text))
        .join(Prediction, Prediction.image_id == Image.id)
        .where(Image.run_id == run_id, Prediction.score.is_not(None)),
        execution_options={"yield_per": _ROWS_AT_ONCE},
    )
    for image_id, attributes, probabilities in rows:
        if image_id not in left_out:
            yield ScoredAttributes(attributes or {}, probabilities)
