"""The thresholds in the ledger, and which of them the next report uses. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

from base.console.foreign import shown
from db.queries.report.thresholds import Chooser, Chosen
from db.views import VIEWS, in_words
from report.table import Table
from report.thresholds.threshold import in_range
from report.thresholds.threshold_text import threshold_text


@dataclass(frozen=True, slots=True)
class CheckpointThresholds:
    """A checkpoint with its chosen thresholds, the newest first, and its model card's threshold.

    Imported scores have those that were chosen on any import of the same model.
    """

    checkpoint: Chooser
    chosen: Sequence[Chosen]

    @property
    def card(self) -> float | None:
        """The model card's threshold if a report could use it, else None."""
        return _card_value(self.checkpoint.card_threshold)

    def __str__(self) -> str:
        """The name of the checkpoint's file and the beginning of its digest, or the model's."""
        if self.checkpoint.model is not None:
            return f"imported scores of {shown(self.checkpoint.model)}"
        return f"{shown(PurePath(self.checkpoint.path).name)} ({self.checkpoint.digest[:12]})"


def thresholds_by_checkpoint(
    checkpoints: Sequence[Chooser], chosen: Sequence[Chosen]
) -> list[CheckpointThresholds]:
    """Each checkpoint with its thresholds, in the given order."""
    models = {each.checkpoint_id: each.model or each.checkpoint_id for each in checkpoints}
    return [
        CheckpointThresholds(
            checkpoint,
            [
                each
                for each in chosen
                if models[each.checkpoint_id] == models[checkpoint.checkpoint_id]
            ],
        )
        for checkpoint in checkpoints
    ]


def thresholds_table(thresholds: CheckpointThresholds) -> Table | None:
    """A checkpoint's thresholds as a table, the one in use first; None if it has none."""
    rows = [
        (f"number {threshold.number}", *_chosen_cells(threshold)) for threshold in thresholds.chosen
    ]
    if thresholds.card is not None:
        rows.append(
            (
                "model card",
                threshold_text(thresholds.card),
                "in training",
                "",
                _how_of_card(thresholds),
            )
        )
    if not rows:
        return None
    states = zip(rows, _states(thresholds), strict=False)  # the last is the card's
    cells = ((name, state, *rest) for (name, *rest), state in states)
    return Table((str(thresholds), "", "threshold", "chosen on", "date", "how"), tuple(cells))


def in_use(thresholds: CheckpointThresholds, views: int) -> str | None:
    """The threshold that reports of the checkpoint's runs of so many views use; None if none."""
    chosen = (each for each in thresholds.chosen if each.views == views)
    return _last(next(chosen, None), thresholds.card)


def replaced(last: Chosen | None, card: Mapping[str, Any]) -> str | None:
    """The threshold that a new one replaces: the `last` one chosen, else the model card's."""
    return _last(last, _card_value(card.get("threshold")))


def described(threshold: Chosen) -> str:
    """A chosen threshold: its value, and on which run and day it was chosen."""
    value = threshold_text(threshold.value)
    return f"{value}, chosen on {_of_run(threshold)} on {day(threshold)}"


def day(threshold: Chosen) -> str:
    """The date it was chosen, in UTC, as 2026-11-24."""
    return datetime.fromtimestamp(threshold.created_at, UTC).strftime("%Y-%m-%d")


def _states(thresholds: CheckpointThresholds) -> Iterator[str]:
    """Of each chosen threshold, and of the model card's: the first for as many views is in use."""
    seen = set[int]()
    for views in (*(each.views for each in thresholds.chosen), VIEWS[0]):
        yield "replaced" if views in seen else "in use"
        seen.add(views)


def _of_run(threshold: Chosen) -> str:
    views = in_words(threshold.views)
    return f"run {threshold.run_id} of {shown(threshold.source)}{f', {views}' if views else ''}"


def _last(chosen: Chosen | None, card: float | None) -> str | None:
    if chosen is not None:
        return described(chosen)
    return None if card is None else f"{threshold_text(card)}, the model card's"


def _card_value(stored: object) -> float | None:
    return in_range(stored.get("value")) if isinstance(stored, Mapping) else None


def _chosen_cells(threshold: Chosen) -> tuple[str, ...]:
    return (
        threshold_text(threshold.value),
        _of_run(threshold),
        day(threshold),
        shown(threshold.how),
    )


def _how_of_card(thresholds: CheckpointThresholds) -> str:
    return shown(str(thresholds.checkpoint.card_threshold.get("how") or ""))
