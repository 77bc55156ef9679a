"""Renews the leases of the batches that this worker is at; of nothing else, or none would lapse.

A thread of its own: a broker that does not answer holds up a sweep for half a minute, which is all
that a lease lasts.
"""

import logging
import time

from db.errors import DatabaseError
from db.ledger import renew_leases
from db.session import Database
from worker.at_work import AtWork
from worker.batches import LEASE_SECONDS

log = logging.getLogger(__name__)

# Well under a third of a lease, so that one slow beat loses nothing.
BEAT_SECONDS = 5.0


def beat(database: Database, worker: str, at_work: AtWork) -> None:
    """Renew every few seconds while the process lives: its last batch may be long, too."""
    while True:
        time.sleep(BEAT_SECONDS)
        try:
            with at_work.doing("the renewal of leases"):
                renew_held(database, worker, at_work)
        except DatabaseError as error:
            log.error("leases were not renewed: %s", error.message)  # noqa: TRY400 - a full sentence
        except Exception:
            # A thread that ended here would let every lease lapse, and nobody would know.
            log.exception("leases were not renewed; the next beat tries again")


def renew_held(database: Database, worker: str, at_work: AtWork) -> None:
    """Prolong the leases of what the worker is at, as far as it still has them."""
    held = at_work.held
    if held:
        with database.write() as session:
            renew_leases(session, worker, LEASE_SECONDS, held)
