"""All pictures of a report, written into a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from base.permissions import make_folder
from base.whole_file import whole_file
from report.loading.read_run import LoadedRun
from report.plots.calibration import draw_calibration
from report.plots.confusion_matrix import draw_confusion
from report.plots.decision import draw_decision
from report.plots.distributions import draw_distributions
from report.plots.forest import draw_forest
from report.plots.precision_recall import draw_precision_recall
from report.plots.roc import draw_roc
from report.report_model import Report

DPI = 200


class Pictures(NamedTuple):
    """Files of pictures: written, and removed; and the names of those that cannot be drawn."""

    written: list[Path]
    removed: list[Path]
    undrawn: list[str]


def save_pictures(directory: Path, report: Report, stored: LoadedRun) -> Pictures:
    """Write each picture as PNG and as SVG; a picture of an earlier report is replaced.

    One that cannot be drawn of these images is removed, or it would be taken for theirs.

    Args:
        directory: is made if it is not there.
        report: of this run.
        stored: the run.
    """
    make_folder(directory)
    done = Pictures([], [], [])
    for name, picture in draw_all(report, stored):
        for path in (directory / f"{name}.{kind}" for kind in ("png", "svg")):
            if picture is not None:
                save(picture, path)
                done.written.append(path)
            elif path.exists():
                path.unlink()
                done.removed.append(path)
        if picture is None:
            done.undrawn.append(name)
    return done


def draw_all(report: Report, stored: LoadedRun) -> Iterator[tuple[str, Figure | None]]:
    """Each picture with the name of its file, None where there is nothing to draw.

    That of the subgroups comes only where some were asked for.
    """
    labels, scores = stored.labels, stored.scores
    yield "roc", draw_roc(report, labels, scores)
    yield "confusion_matrix", draw_confusion(report)
    yield "precision_recall", draw_precision_recall(report, labels, scores)
    yield "calibration", draw_calibration(report, scores)
    yield "score_distributions", draw_distributions(report, labels, scores, stored.unlabelled)
    yield "decision_curve", draw_decision(report, labels, scores)
    if report.subgroups:
        yield "subgroups", draw_forest(report)


def save(picture: Figure, path: Path) -> None:
    """Write a picture as its file's suffix says; the same picture gives the same bytes."""
    kind = path.suffix.removeprefix(".")
    with whole_file(path) as draft, mpl.rc_context({"svg.hashsalt": "dermscore"}):
        if kind == "svg":
            picture.savefig(draft, format=kind, metadata={"Date": None})
        else:
            picture.savefig(draft, format=kind, dpi=DPI)
