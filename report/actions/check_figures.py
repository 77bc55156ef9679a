"""What `report check` does: say whether published figures can come from one 2x2 table."""

import click

from base.console.telling import tell
from report.metrics.consistency import Claim, Verdict, check, culprits, parse

INCONSISTENT = 1  # exit code; a script can test for it


def check_figures(figures: tuple[str, ...]) -> None:
    """Say whether one table gives the published figures; exit with `INCONSISTENT` if none does."""
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
    what = "one 2x2 table" if verdict.table_count == 1 else f"{verdict.table_count:,} 2x2 tables"
    gives = "gives" if verdict.table_count == 1 else "give"
    tables = (
        f"TP {table.tp}, FN {table.fn}, TN {table.tn}, FP {table.fp}" for table in verdict.tables
    )
    return "\n  ".join([f"consistent: {what} {images} {gives} {given}", *tables])
