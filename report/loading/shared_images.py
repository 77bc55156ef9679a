"""How many scored images of a run are those that a threshold was chosen on."""

from sqlalchemy.orm import Session

from db.queries import results
from db.queries.report.export import stream_scored
from db.queries.report.imports import IMPORTED
from db.tables import Run
from report.exchange.image_id import image_name


def names_only(run: Run) -> bool:
    """Whether images are known by their names alone, as in imported scores."""
    return run.precision == IMPORTED or bool(run.combined and run.combined["names_only"])


def shared_images(session: Session, run: Run, other: Run) -> int:
    """How many scored images of the run are scored and labelled images of the other.

    By their bytes, or by their names if one of the runs has no bytes.
    """
    if not (names_only(run) or names_only(other)):
        return results.count_shared(session, run.id, other.id)
    others = {
        image_name(image.path)
        for image in stream_scored(session, other.id)
        if image.label is not None
    }
    return sum(image_name(image.path) in others for image in stream_scored(session, run.id))
