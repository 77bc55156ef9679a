from fractions import Fraction

import click

from base.console.lazy_group import calls
from db.run_option import names_run
from report.options import clustering
from report.thresholds.threshold import FractionType, ThresholdType

_LARGEST_COST = 10**6


class _TargetType(ThresholdType):
    """A number above 0 and at most 1."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        target = super().convert(value, param, ctx)
        if target == 0:
            self.fail(
                f"{value} is reached by any threshold: give a number above 0, such as 0.9",
                param,
                ctx,
            )
        return target


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
@click.option(
    "--prevalence",
    type=FractionType("0.02"),
    help="With --cost: weigh the errors for this share of malignant images, between 0 and 1.  "
    "[default: that of the run's images]",
)
@clustering
@calls("report.actions.choose_on_run:choose_on_run")
def command() -> None:
    """Choose a threshold on the labelled scores of RUN, by number or name, and keep it.

    \b
        report choose-threshold valid --target-sensitivity 0.90
        report choose-threshold 3 --cost 10:1 --prevalence 0.02

    For other runs of the same checkpoint it is prespecified, and `report` uses it if no --threshold
    is given. The exit code is 3 while images of the run are pending.
    """  # noqa: D301 - click takes the character itself
