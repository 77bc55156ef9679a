"""Reads what the page shows: the run and its times from the ledger, pictures from DATA_ROOT."""

from contextlib import closing
from typing import NamedTuple

from sqlalchemy.orm import Session

from db.queries.report import page as queries
from db.queries.report.page import Times
from db.session import open_database
from imaging.data_root import data_root
from report.html.cases import Gallery, Kind, gallery, unreadable
from report.html.page_context import Cases
from report.loading.thumbnails import thumbnails

MOST_UNREADABLE = 200  # rows of the page's table; further images are only counted


class PageData(NamedTuple):
    """Data that the page shows in addition to the figures."""

    cases: Cases
    times: Times


def load_page_data(run_id: int, images: int) -> PageData:
    """The cases and times of a run.

    Args:
        run_id: number of the run.
        images: how many in each gallery; with 0 no image is read and no file is named.

    Raises:
        SourceError: DATA_ROOT is not a folder.
    """
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        return _read(session, run_id, images)


def _read(session: Session, run_id: int, images: int) -> PageData:
    times = queries.times(session, run_id)
    if not images:
        return PageData(Cases([], []), times)
    galleries = [_gallery(session, run_id, "fn", images), _gallery(session, run_id, "fp", images)]
    rows = unreadable(queries.unreadable(session, run_id, MOST_UNREADABLE))
    return PageData(Cases(galleries, rows), times)


def _gallery(session: Session, run_id: int, kind: Kind, images: int) -> Gallery:
    cases = queries.extremes(session, run_id, 1 if kind == "fn" else 0, images)
    return gallery(kind, cases, list(thumbnails(data_root(), cases)))
