"""What must hold whatever happened, asked in plain SQL, past the code under test."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from processes import Ledger

# An image's outcome: its score, or the code of its error.
Outcome = float | str


class Verdict(NamedTuple):
    """How many images each invariant is broken for; `half` counts batches."""

    images: int
    lost: int
    duplicated: int
    wrong: int
    half: int

    @property
    def holds(self) -> bool:
        """Whether nothing is broken."""
        return not any(self[1:])


def judge(ledger: Ledger, run: int, expected: Mapping[str, Outcome]) -> Verdict:
    """A run that ended against what it would be without a fault, by path.

    Lost: not listed, or without a prediction. Duplicated: listed twice or not to be listed, two
    predictions, or one of no image. Wrong: another outcome than expected, or none and two of score
    and error.
    """
    rows = ledger.rows(
        "SELECT path, score, error, image_id FROM images LEFT JOIN predictions"
        " ON image_id = images.id WHERE run_id = :run",
        run=run,
    )
    listed = Counter(path for path, *_ in rows)
    scored = [row for row in rows if row[3] is not None]
    wrong = [
        path
        for path, score, error, _ in scored
        if (score is None) == (error is None)
        or expected.get(path) != (score if error is None else error)
    ]
    return Verdict(
        images=len(expected),
        lost=len(expected.keys() - {path for path, *_ in scored}),
        duplicated=len(rows)
        - len(listed)
        + len(listed.keys() - expected.keys())
        + _predictions_of_none(ledger),
        wrong=len(wrong),
        half=half_batches(ledger, run),
    )


def half_batches(ledger: Ledger, run: int) -> int:
    """Batches that are neither whole nor absent: right at any time, also in the midst of a run.

    A finished batch lacks a prediction, or one that was tried once at most, and so as a whole, has
    some and is not finished.
    """
    ((count,),) = ledger.rows(
        "SELECT count(*) FROM (SELECT finished_at, attempts, count(images.id) AS listed,"
        " count(image_id) AS done FROM batches"
        " JOIN images ON images.run_id = batches.run_id AND batch = number"
        " LEFT JOIN predictions ON image_id = images.id WHERE batches.run_id = :run"
        " GROUP BY batches.run_id, number, finished_at, attempts) AS counted"
        " WHERE (finished_at IS NOT NULL AND done < listed)"
        " OR (finished_at IS NULL AND attempts <= 1 AND done > 0)",
        run=run,
    )
    return int(count)


def _predictions_of_none(ledger: Ledger) -> int:
    """Predictions of no image, and those beyond the first of an image, over all runs."""
    ((orphans,),) = ledger.rows(
        "SELECT count(*) FROM predictions LEFT JOIN images ON images.id = image_id"
        " WHERE images.id IS NULL"
    )
    ((more,),) = ledger.rows("SELECT count(*) - count(DISTINCT image_id) FROM predictions")
    return int(orphans + more)
