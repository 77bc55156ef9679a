"""What `report export` does: write the predictions of a run into a file."""

from contextlib import closing
from pathlib import Path

import click

from base.console.telling import tell
from base.disk import says_why
from base.whole_file import whole_file
from db.queries.report.export import stream_images
from db.session import open_database
from report.exchange.exporting import Chunks, ExportCounts, Origin, write_file
from report.loading.unfinished import finished_origin


def export_run(run: str, layout: str, output: Path | None) -> None:
    """Write the predictions of a run in this format, to standard output without `output`."""
    if layout == "parquet" and output is None:
        raise click.UsageError("Parquet is not text: name a file with -o FILE")
    if layout != "parquet" and output is not None and output.suffix == ".parquet":
        raise click.UsageError(f"-o {output} would be CSV: add --format parquet")
    with closing(open_database(to_be_read=True)) as database, database.read() as session:
        origin = Origin(*finished_origin(session, run))
        # Closed before the ledger is: an export that is refused leaves its rows half read.
        with closing(stream_images(session, origin.run)) as chunks:
            counts = _write(layout, output, chunks, origin)
    _tell(counts, output)


def _write(layout: str, output: Path | None, chunks: Chunks, origin: Origin) -> ExportCounts:
    if output is None:
        return write_file(layout, "-", chunks, origin)
    with says_why(f"cannot write {output}"), whole_file(output) as draft:
        return write_file(layout, str(draft), chunks, origin)


def _tell(counts: ExportCounts, output: Path | None) -> None:
    # stderr, so that what is piped on stays clean
    tell(f"wrote {counts.images} images{f' to {output}' if output else ''}", err=True)
    if counts.left_out:
        tell(
            f"warning: {counts.left_out} images without a score are left out, and the "
            "challenge's scorer refuses a file that lacks images",
            err=True,
        )
