"""Runs in a ledger as producer and workers would leave them, for tests of what reads them."""

import json
from collections.abc import Sequence
from contextlib import closing
from hashlib import sha256
from typing import Any, NamedTuple

from click.testing import CliRunner, Result

from base.listed_image import ListedImage
from db.queries import leases, listing, outcomes, runs
from db.session import Database, open_database
from db.tables import Run
from report.cli import main

# Of a checkpoint's file.
DIGEST = "ab" * 32


class Stored(NamedTuple):
    """An image and its outcome: a score, an error code, or None while it is pending."""

    path: str
    label: int | None
    outcome: float | str | None
    attributes: dict[str, str] | None = None
    digest: str | None = None
    probabilities: tuple[float, ...] | None = None


def rows(labels: Sequence[int | None], scores: Sequence[float | str | None]) -> list[Stored]:
    """Images `0.jpg`, `1.jpg` and so on."""
    pairs = zip(labels, scores, strict=True)
    return [Stored(f"{at}.jpg", label, outcome) for at, (label, outcome) in enumerate(pairs)]


def store_run(
    url: str,
    images: Sequence[Stored],
    *,
    name: str | None = None,
    source: str = "data/test",
    digest: str = DIGEST,
    card: dict[str, Any] | None = None,
) -> int:
    """Returns the number of the run."""
    with closing(open_database(url)) as database, database.write() as session:
        checkpoint = runs.add_checkpoint(session, digest, "checkpoints/x.keras", card or {})
        run = Run(
            name=name,
            source=source,
            checkpoint_id=checkpoint.id,
            precision="float32",
            batch_size=64,
        )
        session.add(run)
        session.flush()
        listed = [ListedImage(one.path, one.label, one.attributes) for one in images]
        listing.stage_images(session, run, listed)
        listing.cut_batches(session, run.id)
        by_path = {one.path: one for one in images}
        for number in listing.claim_unleased(session, run.id):
            batch = leases.BatchKey(run.id, number)
            waiting = leases.pending_images(session, [batch])
            found = [(one.id, by_path[one.path]) for one in waiting]
            stored = [_outcome(row, one) for row, one in found if one.outcome is not None]
            outcomes.store_outcomes(session, "worker", stored)
            outcomes.finish_batch(session, batch)
        return run.id


def enlist(database: Database, images: int) -> int:
    """A run of that many images in batches of two; returns its number."""
    with database.write() as session:
        checkpoint = runs.add_checkpoint(session, "digest", "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=2)
        session.add(run)
        session.flush()
        listed = [ListedImage(f"{at}.jpg", None, None) for at in range(images)]
        listing.stage_images(session, run, listed)
        listing.cut_batches(session, run.id)
        return run.id


def finish(database: Database, key: leases.BatchKey, worker: str) -> None:
    """Let a worker take a batch and score each of its images 0.5."""
    with database.write() as session:
        leases.take_leases(session, key, worker, 600)
        pending = leases.pending_images(session, [key])
        scored = [outcomes.Outcome(one.id, 0.5, None, None, None) for one in pending]
        outcomes.store_outcomes(session, worker, scored)
        assert outcomes.finish_batch(session, key) is not None


def report(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, arguments, prog_name="report")


def succeed(*arguments: str) -> str:
    """What a command that must end well says on standard output."""
    done = report(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def one_line(done: Result, code: int = 1) -> str:
    """The only line that a refused command says."""
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def bytes_of(number: int) -> str:
    """The digest of an image's bytes, by a number."""
    return sha256(str(number).encode()).hexdigest()


def _outcome(row: int, one: Stored) -> outcomes.Outcome:
    if isinstance(one.outcome, str):
        return outcomes.Outcome(row, None, one.outcome, "a sentence", one.digest)
    of_classes = None if one.probabilities is None else json.dumps(one.probabilities)
    return outcomes.Outcome(row, one.outcome, None, None, one.digest, None, of_classes)
