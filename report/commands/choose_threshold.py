"""`report choose-threshold`: a threshold chosen on one run, for the others of its checkpoint."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import click

from base.console.foreign import shown
from base.console.telling import tell
from db.run_option import names_run
from report.thresholds.threshold import ThresholdType
from report.thresholds.written import written

if TYPE_CHECKING:
    from report.loading.read import Stored
    from report.thresholds.select_threshold import Criterion

_LARGEST_COST = 10**6


class _Choice(NamedTuple):
    """A threshold chosen on a run, the number it is kept under, and the one that it replaces."""

    stored: Stored
    value: float
    how: str
    number: int
    replaced: str | None


class _TargetType(ThresholdType):
    """A number above 0 and at most 1."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = super().convert(value, param, ctx)
        if number == 0:
            self.fail(f"{value} asks for nothing: give a number above 0, such as 0.9", param, ctx)
        return number


class _CostType(click.ParamType[tuple[Fraction, Fraction]]):
    """FN:FP, two positive numbers."""

    name = "FN:FP"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Fraction, Fraction]:
        try:
            first, second = map(Fraction, str(value).split(":"))
        except (ValueError, ZeroDivisionError):
            self.fail(f"{value} is not of the form 10:1", param, ctx)
        for cost in (first, second):
            if not Fraction(1, _LARGEST_COST) <= cost <= _LARGEST_COST:
                self.fail(f"{value}: a cost is a millionth to a million", param, ctx)
        return first, second


@click.command(short_help="Choose a threshold on the scores of a run.")
@names_run(required=True)
@click.option("--target-sensitivity", type=_TargetType(), help="At least this sensitivity.")
@click.option("--target-specificity", type=_TargetType(), help="At least this specificity.")
@click.option("--youden", is_flag=True, help="The highest sensitivity + specificity - 1.")
@click.option("--cost", type=_CostType(), help="The lowest sum of errors at these costs.")
def command(
    run: str,
    target_sensitivity: float | None,
    target_specificity: float | None,
    youden: bool,
    cost: tuple[Fraction, Fraction] | None,
) -> None:
    """Choose a threshold on the labelled scores of RUN, by number or name, and keep it.

    \b
        report choose-threshold valid --target-sensitivity 0.90
        report choose-threshold 3 --cost 10:1

    For other runs of the same checkpoint it is prespecified, and `report` uses it where no
    --threshold is given. The exit code is 3 while images of the run are pending.
    """  # noqa: D301 - click takes the character itself
    from report.thresholds.select_threshold import Criterion  # deferred, with numpy

    asked = [
        *([] if target_sensitivity is None else [Criterion("sensitivity", target_sensitivity)]),
        *([] if target_specificity is None else [Criterion("specificity", target_specificity)]),
        *([Criterion("youden")] if youden else []),
        *([] if cost is None else [Criterion("cost", costs=cost)]),
    ]
    if len(asked) != 1:
        raise click.UsageError(
            "give exactly one of --target-sensitivity, --target-specificity, --youden and --cost"
        )
    chosen = _choose(run, asked[0])
    stored, value = chosen.stored, written(chosen.value)
    number, digest = stored.run.number, stored.checkpoint.digest[:12]
    tell(f"threshold {value} chosen on run {number} of {shown(stored.run.source)}: {chosen.how}")
    tell(f"kept for checkpoint {digest}: in reports of its other runs it is prespecified")
    replaced = "" if chosen.replaced is None else f"it replaces {chosen.replaced}; "
    tell(f"{replaced}to take it back: report thresholds --forget {chosen.number}")


def _choose(run: str, criterion: Criterion) -> _Choice:
    """Read, choose and keep."""
    from contextlib import closing  # deferred, with SQLAlchemy

    from db.queries.report.thresholds import add_threshold, chosen_last
    from db.queries.runs import run_by_number
    from db.session import open_database
    from report.loading.kept_thresholds import replaced
    from report.loading.load_run import finished_run
    from report.metrics.confusion import confusion
    from report.thresholds.select_threshold import choose_by

    with closing(open_database(must_exist=True)) as database:
        with database.read() as session:
            stored = finished_run(session, run)
        value = choose_by(criterion, stored.labels, stored.scores)
        table = confusion(stored.labels, stored.scores, value)
        how = (
            f"{criterion} (sensitivity {table.tp}/{table.malignant}, "
            f"specificity {table.tn}/{table.benign})"
        )
        with database.write() as session:
            chosen_on = run_by_number(session, stored.run.number)
            last = chosen_last(session, chosen_on.checkpoint_id)
            number = add_threshold(session, chosen_on, criterion.kind, value, how)
    return _Choice(stored, value, how, number, replaced(last, stored.card))
