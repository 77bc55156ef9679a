"""`report import-scores`: a run of scores that came from elsewhere."""

from pathlib import Path

import click

from base.console import interrupt
from base.console.progress_counter import end_count, progress_counter
from base.console.telling import tell

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("scores", metavar="CSV", type=_FILE)
@click.option("--truth", required=True, type=_FILE, help="CSV of ids, labels and attributes.")
@click.option("--name", required=True, help="A name for the run, to know it by.")
@click.option("--id", "id_column", metavar="COLUMN", help="The image's id, in both files.")
@click.option("--score", "score_column", metavar="COLUMN", help="The score of CSV, in [0, 1].")
@click.option("--label", "label_column", metavar="COLUMN", help="1 or 0 or empty, of the truth.")
def command(
    scores: Path,
    truth: Path,
    name: str,
    id_column: str | None,
    score_column: str | None,
    label_column: str | None,
) -> None:
    """Make a run of scores that came from elsewhere.

    \b
        report import-scores scores.csv --truth truth.csv --name recod
        report --run recod --threshold 0.5

    Columns are found by their usual names (ISIC's image_id and melanoma among them). Every other
    column of the truth becomes an attribute. A bad row is refused with its line, and then nothing
    is stored; an image of the truth without a score is kept as no_score.
    """  # noqa: D301 - click takes the character itself
    interrupt.keeps("nothing was stored: start it again")
    from contextlib import closing  # deferred, with SQLAlchemy

    from db.queries.report.imports import store_imported
    from db.session import open_database
    from db.unused import removed_if_unused
    from report.exchange.importing import Columns, read_import

    columns = Columns(id_column, score_column, label_column)
    try:
        read = read_import(
            scores, truth, columns, lambda rows: progress_counter(f"{rows:,} rows read")
        )
        of_all = f"of {read.counts.images:,} images stored"
        with (
            closing(open_database()) as database,
            removed_if_unused(database),
            database.write() as session,
        ):
            number = store_imported(
                session,
                name,
                str(truth),
                read.scores,
                read.images(),
                lambda stored: progress_counter(f"{stored:,} {of_all}"),
            )
        interrupt.keeps(f"run {number} ({name}) is stored")
    finally:
        end_count()
    database.tell_if_new()
    column = read.scores.card["imported"]["column"]
    tell(f"run {number} ({name}): {', '.join(read.counts.words())}; scores: column {column}")
    tell(f"next: report --run {number} --threshold 0.5")
