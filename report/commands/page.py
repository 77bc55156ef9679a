"""`report page`: the report as one file that opens offline in any browser."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from base.console.telling import tell
from base.disk import reason_of
from base.permissions import make_folder
from base.whole_file import whole_file
from db.run_option import names_run
from report.build import build, read_finished, refuse_nothing_scored
from report.options import measuring


@click.command(short_help="Write a report as one HTML file with a slider.")
@names_run(required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The HTML file to write; an existing one is replaced.",
)
@measuring
@click.option(
    "--images",
    type=click.IntRange(0, 200),
    default=12,
    show_default=True,
    help="How many of the most confident false negatives, and false positives, to show; with 0 "
    "the page holds no image and no file name.",
)
def command(  # noqa: PLR0913, PLR0917 - a command has as many arguments as options
    run: str | None,
    output: Path,
    threshold: float | None,
    by: tuple[str, ...],
    prevalence: float | None,
    confidence: float,
    images: int,
) -> None:
    """Write RUN's report as one HTML file with a threshold slider.

    \b
        report page 3 -o report.html
        report page 3 -o report.html --threshold 0.23 --images 0

    RUN is a number or name; without it, the newest. The slider starts at the threshold. The page
    holds thumbnails and names of images from under DATA_ROOT: share it as you would share those.
    """  # noqa: D301 - click takes the character itself
    stored = read_finished(run, by)
    report = build(stored, threshold, confidence, prevalence)
    from report.html.contents import prepare
    from report.html.gather import gather
    from report.html.render import render

    gathered = gather(stored.run.number, images)
    page = prepare(stored, report, gathered.cases, gathered.times, datetime.now(UTC))
    _write(output, render(page))
    tell(f"wrote {output}", err=True)
    refuse_nothing_scored(stored)


def _write(output: Path, html: str) -> None:
    try:
        make_folder(output.parent)
        with whole_file(output) as draft:
            draft.write_text(html, encoding="utf-8", newline="\n")
    except OSError as error:
        reason = reason_of(error)
        raise click.ClickException(f"cannot write the page to {output}: {reason}") from error
