"""Runs for the page's tests, as producer and worker would leave them in a ledger."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.session import open_database
from db.tables import Run

DIGEST = "0123456789abcdef" * 4
HOSTILE = "</script><script>document.title='taken'</script><!--<img src=x onerror=alert(1)>\"'&"


@dataclass(frozen=True)
class Shot:
    """An image: its label, and its score or error code (None: still pending)."""

    path: str
    label: int | None
    outcome: float | str | None
    digest: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    detail: str = "a sentence"


def store(
    url: str,
    shots: Sequence[Shot],
    *,
    card: dict[str, Any] | None = None,
    name: str | None = None,
    source: str = "data/test",
    digest: str = DIGEST,
) -> int:
    """Enter a run of these images; returns its number."""
    by_path = {shot.path: shot for shot in shots}
    with closing(open_database(url)) as database, database.write() as session:
        path = "checkpoints/benign-vs-malignant_64_rmsprop_0.454.keras"
        checkpoint = runs.add_checkpoint(session, digest, path, card or {})
        run = Run(
            name=name, source=source, checkpoint_id=checkpoint.id, precision="float32",
            batch_size=64,
        )  # fmt: skip
        session.add(run)
        session.flush()
        rows = [ListedImage(s.path, s.label, s.attributes or None) for s in shots]
        listing.stage_images(session, run, rows)
        listing.cut_batches(session, run.id)
        for number in listing.claim_unleased(session, run.id):
            batch = leases.BatchKey(run.id, number)
            pending = leases.pending_images(session, [batch])
            found = [(row, by_path[path]) for _, row, path, *_ in pending]
            done = [_outcome(row, shot) for row, shot in found if shot.outcome is not None]
            outcomes.store_outcomes(session, "worker", done)
            outcomes.finish_batch(session, batch)
        return run.id


def _outcome(row: int, shot: Shot) -> outcomes.Outcome:
    if isinstance(shot.outcome, str):
        return outcomes.Outcome(row, None, shot.outcome, shot.detail, None)
    return outcomes.Outcome(row, shot.outcome, None, None, shot.digest)


def hostile_run(url: str) -> None:
    attributes = {HOSTILE: HOSTILE}
    given = [
        Shot(f"{HOSTILE}.jpg", 1, 0.1, None, attributes),
        Shot("images/\u202egpj.exe\n.jpg", 0, 0.9, None, attributes),
        Shot(f"{'long' * 60}.jpg", 0, 0.8),
        Shot(f"{HOSTILE}.png", 1, "corrupt", detail=HOSTILE),
        *(Shot(f"{at}.jpg", at % 2, 0.5, None, attributes) for at in range(40)),
    ]
    card = {"threshold": {"value": 0.23, "how": HOSTILE}, HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}
    store(url, given, card=card, name=HOSTILE, source=HOSTILE)
