"""`report page`: the report as one file that opens offline in any browser."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click

from report.threshold import ThresholdType, choose

UNFINISHED = 3  # exit code


@click.command
@click.argument("run", required=False)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The HTML file; one that is there is replaced.",
)
@click.option(
    "--threshold",
    type=ThresholdType(),
    help="Where the slider starts, in [0, 1].  [default: the model card's]",
)
@click.option(
    "--images",
    type=click.IntRange(0, 200),
    default=12,
    show_default=True,
    help="How many of the most confident false negatives, and false positives, are shown; with 0 "
    "the page holds no image and no file name.",
)
@click.pass_context
def command(
    context: click.Context, run: str | None, output: Path, threshold: float | None, images: int
) -> None:
    r"""Write RUN's report as one HTML file with a threshold slider.

    \b
        report page 3 -o report.html
        report page 3 -o report.html --threshold 0.23 --images 0

    RUN is a number or name; without it, the newest. The page holds thumbnails and names of images
    from under DATA_ROOT: share it as you would share those.
    """
    from db.session import open_database
    from report.page.gather import gather
    from report.read import UnfinishedRunError, read_run

    with closing(open_database(must_exist=True)) as database, database.read() as session:
        try:
            stored = read_run(session, run)
        except UnfinishedRunError as error:
            click.echo(error, err=True)
            context.exit(UNFINISHED)
        chosen = choose(threshold, stored.card)
        gathered = gather(session, stored.run.number, images)

    from report.contents import Report
    from report.metrics import measure
    from report.page.contents import prepare
    from report.page.render import render

    nothing = "no labelled image was scored" if stored.flow.labelled else "no labelled images"
    figures = measure(stored.labels, stored.scores, chosen.value, nothing=nothing)
    report = Report(stored.run, stored.checkpoint, stored.flow, chosen, figures)
    page = prepare(stored, report, gathered.cases, gathered.times, datetime.now(UTC))
    _write(output, render(page))
    click.echo(f"wrote {output}", err=True)


def _write(output: Path, html: str) -> None:
    """Whole or not at all."""
    draft = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(html, encoding="utf-8", newline="\n")
        draft.replace(output)
    except OSError as error:
        raise click.ClickException(f"cannot write the page to {output}: {error}") from error
