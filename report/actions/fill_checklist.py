"""What `report checklist` does: fill in a reporting checklist from a run's report."""

from importlib.metadata import version
from pathlib import Path

import click

from base.console.telling import tell
from base.disk import says_why
from base.whole_file import whole_file
from report.build import build, read_finished, refuse_nothing_scored
from report.checklist.as_markdown import STANDARDS, checklist
from report.checklist.item import Study
from report.options import refuse_two_thresholds


def fill_checklist(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    run: str | None,
    standard: str,
    output: Path | None,
    threshold: float | None,
    prespecified: str | None,
    threshold_from: str | None,
    by: tuple[str, ...],
    prevalence: float | None,
    confidence: float,
    unique: bool,
) -> None:
    """Write the checklist of a run, to standard output without `output`."""
    refuse_two_thresholds(threshold, prespecified, threshold_from)
    loaded = read_finished(run, by, unique=unique, threshold_from=threshold_from)
    report = build(loaded, threshold, confidence, prevalence, prespecified)
    study = Study(report, loaded.card, version("dermscore"))
    _write(output, checklist(STANDARDS[standard], study))
    refuse_nothing_scored(loaded)


def _write(output: Path | None, text: str) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    with says_why(f"cannot write {output}"), whole_file(output) as draft:
        draft.write_text(text, encoding="utf-8", newline="\n")
    tell(f"wrote {output}", err=True)
