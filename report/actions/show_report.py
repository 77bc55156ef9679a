"""What `report` does: print the figures of a run, and draw its pictures."""

import sys
from pathlib import Path

import click

from base.console.telling import tell
from base.disk import says_why
from base.permissions import make_folder
from base.whole_file import whole_file
from db.errors import DatabaseError
from db.run_option import RUN_WORD
from report.build import build, read_finished, refuse_nothing_scored
from report.clustering.asked import Aggregate, Clustering
from report.loading.read_run import LoadedRun
from report.options import clustering_of, refuse_two_thresholds
from report.render import docx, formats, latex, markdown, text
from report.render.document import document
from report.report_model import Report


def show_report(  # noqa: PLR0913 - a command has as many arguments as options
    *,
    run: str | None,
    threshold: float | None,
    prespecified: str | None,
    threshold_from: str | None,
    by: tuple[str, ...],
    prevalence: float | None,
    confidence: float,
    unique: bool,
    classes: str | None,
    cluster: str | None,
    per: str | None,
    aggregate: Aggregate | None,
    layout: str,
    output: Path | None,
) -> None:
    """Print the report of a run, and draw its pictures into `output`."""
    if layout == "docx" and output is None:
        raise click.UsageError("a Word document is not text: name a folder with --output DIR")
    refuse_two_thresholds(threshold, prespecified, threshold_from)
    asked = clustering_of(cluster, per, aggregate)
    if asked is not None and classes is not None:
        raise click.UsageError(
            "--classes is of images: leave out --cluster and --per, or --classes"
        )
    loaded = _read(
        run, by, unique=unique, classes=classes, threshold_from=threshold_from, clustering=asked
    )
    report = build(loaded, threshold, confidence, prevalence, prespecified)
    if layout == "docx":
        _write_docx(output, report)
    else:
        click.echo(_show(report, layout))
    if output is not None:
        _draw(output, report, loaded)
    refuse_nothing_scored(loaded)


def _read(
    run: str | None,
    by: tuple[str, ...],
    *,
    unique: bool,
    classes: str | None,
    threshold_from: str | None,
    clustering: Clustering | None,
) -> LoadedRun:
    try:
        return read_finished(
            run,
            by,
            unique=unique,
            classes=classes,
            threshold_from=threshold_from,
            clustering=clustering,
        )
    except DatabaseError as error:
        word = click.get_current_context().meta.get(RUN_WORD)
        if word is None or word.isdecimal():
            raise
        raise click.UsageError(f"No such command {word!r}, and {error.message}") from None


def _show(report: Report, layout: str) -> str:
    match layout:
        case "json":
            return formats.as_json(report)
        case "csv":
            return formats.as_csv(report)
        case "markdown":
            return markdown.as_markdown(report)
        case "latex":
            return latex.as_latex(document(report))
    return text.render(report, terminal=sys.stdout.isatty())


def _write_docx(folder: Path | None, report: Report) -> None:
    assert folder is not None  # noqa: S101 - refused before anything was read
    written = docx.as_docx(document(report))
    path = folder / "report.docx"
    with says_why(f"cannot write {path}"):
        make_folder(folder)
        with whole_file(path) as draft:
            draft.write_bytes(written)
    tell(f"wrote {path}", err=True)


def _draw(output: Path, report: Report, loaded: LoadedRun) -> None:
    from report.plots.save import save_pictures  # deferred: matplotlib, for --output alone

    with says_why(f"cannot write pictures to {output}"):
        pictures = save_pictures(output, report, loaded)
    # stderr, so that JSON and CSV on stdout stay clean
    for path in pictures.written:
        tell(f"wrote {path}", err=True)
    for path in pictures.removed:
        tell(f"removed {path}: it was of an earlier report", err=True)
    if pictures.undrawn:
        absent = report.figures.roc_auc.undefined
        tell(f"not drawn ({absent}): {', '.join(pictures.undrawn)}", err=True)
