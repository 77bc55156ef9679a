"""`report export`: the predictions of a run as a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from report.exporting import Chunks, Origin


@click.command()
@click.argument("run")
@click.option(
    "--format", "layout", type=click.Choice(["csv", "parquet", "isic"]), default="csv",
    show_default=True,
)  # fmt: skip
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write; standard output without it, but not Parquet.",
)  # fmt: skip
def command(run: str, layout: str, output: Path | None) -> None:
    r"""Write the predictions of RUN, by number or name.

    \b
        report export 3 -o predictions.csv
        report export 3 --format parquet -o predictions.parquet
        report export 3 --format isic -o submission.csv

    A text cell that a spreadsheet would run as a formula begins with an apostrophe. The exit code
    is 3 while images of the run are pending.
    """
    if layout == "parquet" and output is None:
        raise click.UsageError("Parquet is no text: name a file with -o FILE")
    from contextlib import closing  # deferred, with SQLAlchemy

    from db.export import stream_images
    from db.session import open_database
    from report.asking import finished_run
    from report.exporting import Origin

    with closing(open_database(must_exist=True)) as database, database.read() as session:
        stored = finished_run(session, run)
        chunks = stream_images(session, stored.run.number)
        _write(layout, output, chunks, Origin(stored.run.number, stored.checkpoint.digest))


def _write(layout: str, output: Path | None, chunks: Chunks, origin: Origin) -> None:
    if output is None:
        _write_text(layout, sys.stdout.fileno(), chunks, origin)
        return
    # Whole or not at all: half a file looks like a whole one.
    draft = output.with_name(f".{output.name}.part")
    try:
        if layout == "parquet":
            from report.exporting import write_parquet

            _tell(write_parquet(str(draft), chunks, origin), 0)
        else:
            _write_text(layout, draft, chunks, origin)
        draft.replace(output)
    except OSError as error:
        raise click.ClickException(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    click.echo(f"wrote {output}", err=True)


def _write_text(layout: str, to: Path | int, chunks: Chunks, origin: Origin) -> None:
    from report.exporting import write_csv, write_isic

    # Line ends and encoding are the file's own, whatever the platform and the terminal.
    with open(to, "w", encoding="utf-8", newline="", closefd=to is not int) as file:  # noqa: PTH123
        if layout == "csv":
            _tell(write_csv(file, chunks, origin), 0)
        else:
            _tell(*write_isic(file, chunks))


def _tell(images: int, left_out: int) -> None:
    # stderr, so that what is piped on stays clean
    click.echo(f"{images} images", err=True)
    if left_out:
        click.echo(
            f"warning: {left_out} images without a score are left out, and the challenge's scorer "
            "refuses a file that lacks images",
            err=True,
        )
