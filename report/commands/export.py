"""`report export`: the predictions of a run as a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.console.telling import tell
from base.disk import reason_of
from base.whole_file import whole_file
from db.run_option import names_run

if TYPE_CHECKING:
    from report.exchange.exporting import Chunks, Origin, Written


@click.command(short_help="Write the predictions of a run.")
@names_run(required=True)
@click.option(
    "--format", "layout", type=click.Choice(["csv", "parquet", "isic"]), default="csv",
    show_default=True,
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it, standard output, which takes no Parquet.",
)  # fmt: skip
def command(run: str, layout: str, output: Path | None) -> None:
    """Write the predictions of RUN, by number or name.

    \b
        report export 3 -o predictions.csv
        report export 3 --format parquet -o predictions.parquet
        report export 3 --format isic -o submission.csv

    A text cell that a spreadsheet would run as a formula begins with an apostrophe. The exit code
    is 3 while images of the run are pending.
    """  # noqa: D301 - click takes the character itself
    if layout == "parquet" and output is None:
        raise click.UsageError("Parquet is not text: name a file with -o FILE")
    from contextlib import closing  # deferred, with SQLAlchemy

    from db.queries.report.export import stream_images
    from db.session import open_database
    from report.exchange.exporting import Origin
    from report.loading.unfinished import finished_origin

    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        origin = Origin(*finished_origin(session, run))
        chunks = stream_images(session, origin.run)
        written = _write(layout, output, chunks, origin)
    _tell(written, output)


def _write(layout: str, output: Path | None, chunks: Chunks, origin: Origin) -> Written:
    from report.exchange.exporting import write_file  # deferred, as above

    if output is None:
        return write_file(layout, "-", chunks, origin)
    try:
        with whole_file(output) as draft:
            return write_file(layout, str(draft), chunks, origin)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {reason_of(error)}") from error


def _tell(written: Written, output: Path | None) -> None:
    # stderr, so that what is piped on stays clean
    tell(f"wrote {written.images} images{f' to {output}' if output else ''}", err=True)
    if written.left_out:
        tell(
            f"warning: {written.left_out} images without a score are left out, and the "
            "challenge's scorer refuses a file that lacks images",
            err=True,
        )
