"""The threshold of a report, and whether it was chosen without these images."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import click

from report.exchange.separators import decimal_comma

Kind = Literal["prespecified", "exploratory"]


@dataclass(frozen=True, slots=True)
class ChosenOn:
    """A threshold that `report choose-threshold` chose on a run.

    `date` as 2026-11-24, in UTC. `other` names the checkpoint of that run if it is another one.
    """

    value: float
    how: str
    run: int
    source: str
    date: str
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Threshold:
    """An image is positive when its score >= `value`; STARD 2015, item 12a, asks for the kind.

    `overlap` is the number of scored images that it was chosen on; 0 for one that was given.
    `stated` says that it was given, and `how` is what was said of its origin.
    """

    value: float
    kind: Kind
    how: str | None = None  # how it was chosen, as text; None if it was given
    chosen_on: ChosenOn | None = None
    overlap: int = 0
    stated: bool = False


class NoThresholdError(click.UsageError):
    """A threshold is neither given nor stored."""


class ThresholdType(click.ParamType[float]):
    """A number in [0, 1]; click's own FloatRange accepts `nan`."""

    name = "number"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, or one clear error."""
        threshold = in_range(value)
        if threshold is None:
            said = f"{value} is not a number between 0 and 1{decimal_comma(str(value))}"
            self.fail(said, param, ctx)
        return threshold


class FractionType(click.ParamType[float]):
    """A number between 0 and 1, excluding both; its error names `example`, a usual one."""

    name = "fraction"

    def __init__(self, example: str) -> None:
        self._example = example

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number, or one clear error."""
        fraction = in_range(value)
        if fraction is None or fraction in (0, 1):
            said = f"{value} is not a number between 0 and 1, such as {self._example}"
            self.fail(said, param, ctx)
        if (1 + fraction) / 2 == 1:  # due to rounding; such an interval would have no ends
            self.fail(f"{value} is too near to 1", param, ctx)
        return fraction


def choose(
    given: float | None,
    card: Mapping[str, Any],
    chosen: ChosenOn | None = None,
    overlap: int = 0,
    prespecified: str | None = None,
) -> Threshold:
    """The threshold of the command line, else the one `chosen` on a run, else the model card's.

    Args:
        given: the threshold of the command line.
        card: the checkpoint's model card.
        chosen: the threshold that was chosen last.
        overlap: number of scored images that `chosen`, or else the card's, was chosen on.
        prespecified: where the `given` one was laid down before these images were looked at.

    Raises:
        NoThresholdError: there is no threshold.
        click.UsageError: the card's is not a number in [0, 1].
    """
    if given is not None and prespecified is not None:
        return Threshold(given, "prespecified", prespecified, stated=True)
    if given is not None:
        return Threshold(given, "exploratory")
    kind: Kind = "exploratory" if overlap else "prespecified"
    if chosen is not None:
        return Threshold(chosen.value, kind, chosen.how, chosen, overlap)
    stored = card.get("threshold")
    if not stored:
        raise NoThresholdError("no threshold is known: give one, such as --threshold 0.23")
    value = in_range(stored.get("value")) if isinstance(stored, Mapping) else None
    if value is None:
        raise click.UsageError(
            f"the checkpoint's model card holds {stored} as threshold, not a number between "
            "0 and 1: give one, such as --threshold 0.23"
        )
    return Threshold(value, kind, stored.get("how"), overlap=overlap)


def choose_if_any(
    given: float | None, card: Mapping[str, Any], chosen: ChosenOn | None = None, overlap: int = 0
) -> Threshold | None:
    """The same threshold, or None if there is none, for figures that need none.

    Raises:
        click.UsageError: the card's is not a number in [0, 1].
    """
    try:
        return choose(given, card, chosen, overlap)
    except NoThresholdError:
        return None


def in_range(value: object) -> float | None:
    """`value` as a float if it is a number in [0, 1], else None."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number <= 1 else None
