"""What `report import-scores` does: make a run from scores that another program computed."""

import gc
from contextlib import closing
from pathlib import Path

import click

from base.console import interrupt
from base.console.progress_counter import end_count, progress_counter
from base.console.telling import tell
from db.queries.report.imports import store_imported
from db.queries.report.thresholds import chosen_last
from db.queries.runs import run_by_id
from db.session import open_database
from db.unused_ledger import remove_if_unused
from report.exchange.importing import Columns, read_import


def import_run(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    scores: Path,
    truth: Path,
    name: str,
    id_column: str | None,
    score_column: str | None,
    labels: tuple[str, ...],
    model: str | None,
) -> None:
    """Store the scores of one CSV file, with the labels of the other, as a run of this name."""
    if model is not None and not model.strip():
        raise click.UsageError("--model is empty: give the model's name, or leave the option out")
    columns = Columns(id_column, score_column, labels, model and model.strip())
    # A million rows set off many collections; without pandas in them they take a fifth less time.
    gc.freeze()
    try:
        read = read_import(
            scores, truth, columns, lambda rows: progress_counter(f"{rows:,} rows read")
        )
        if read.became:
            tell(f"{truth}: {read.became}")
        of_all = f"of {read.counts.images:,} images stored"
        with (
            closing(open_database()) as database,
            remove_if_unused(database),
            database.write() as session,
        ):
            run_id = store_imported(
                session,
                name,
                str(truth),
                read.scores,
                read.images(),
                lambda stored: progress_counter(f"{stored:,} {of_all}"),
            )
            run_made = run_by_id(session, run_id)
            kept = chosen_last(session, run_made.checkpoint_id, run_made.views) is not None
        interrupt.keeps(f"run {run_id} ({name}) is stored")
    finally:
        end_count()
    database.tell_if_new()
    column = read.scores.card["imported"]["column"]
    tell(f"run {run_id} ({name}): {', '.join(read.counts.words())}; scores: column {column}")
    tell(f"next: report --run {run_id}{'' if kept else ' --threshold 0.5'}")
