"""`report check`: whether published figures can come from one 2x2 table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from base.console.telling import tell

if TYPE_CHECKING:
    from report.metrics.consistency import Claim, Verdict

INCONSISTENT = 1  # exit code: an answer, and one that a script wants to hear


@click.command(short_help="Check whether published figures can come from one table.")
@click.argument("figures", nargs=-1, required=True)
def command(figures: tuple[str, ...]) -> None:
    """Check whether published FIGURES can come from one 2x2 table at all.

    \b
        report check "n_pos=117 n_neg=483 sens=.675 spec=.638 acc=.798"

    Names: n_pos and n_neg, and those of sens, spec, acc, bacc, ppv, npv and f1 that were published.
    Give all their digits: each figure is taken to be rounded to its last one. A figure may be in
    percent (sens=67.5%). The exit code is 0 if one table gives all figures, 1 if none can, 2 if the
    question cannot be read.
    """  # noqa: D301 - click takes the character itself
    from report.metrics.consistency import check, culprits, parse  # deferred, with its libraries

    claim = parse(" ".join(figures))
    verdict = check(claim)
    click.echo(_answer(claim, verdict))
    if not verdict.consistent:
        for name in culprits(claim):
            tell(f"without {name}, the others can come from one table")
        raise click.exceptions.Exit(INCONSISTENT)


def _answer(claim: Claim, verdict: Verdict) -> str:
    images = f"of {claim.positives} malignant and {claim.negatives} benign images"
    given = ", ".join(
        f"{name} {float(figure.low):.10g} to {float(figure.high):.10g}"
        for name, figure in claim.figures.items()
    )
    if not verdict.consistent:
        return f"inconsistent: no 2x2 table {images} gives {given}"
    number = "one 2x2 table" if verdict.number == 1 else f"{verdict.number:,} 2x2 tables"
    gives = "gives" if verdict.number == 1 else "give"
    tables = (f"TP {one.tp}, FN {one.fn}, TN {one.tn}, FP {one.fp}" for one in verdict.tables)
    return "\n  ".join([f"consistent: {number} {images} {gives} {given}", *tables])
