"""Writes all pictures of a report into a folder."""

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
from report.plots.flow import draw_flow
from report.plots.forest import draw_forest
from report.plots.precision_recall import draw_precision_recall
from report.plots.roc import draw_roc
from report.report_model import Report

DPI = 200


class Pictures(NamedTuple):
    """The files written and removed, and the names of pictures that cannot be drawn."""

    written: list[Path]
    removed: list[Path]
    undrawn: list[str]


def save_pictures(directory: Path, report: Report, loaded: LoadedRun) -> Pictures:
    """Write each picture as PNG and SVG, replacing those of an earlier report.

    If a picture cannot be drawn, the file of an earlier report is removed.

    Args:
        directory: is created if it does not exist.
        report: the report of this run.
        loaded: the run.
    """
    make_folder(directory)
    done = Pictures([], [], [])
    for name, picture in draw_all(report, loaded):
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


def draw_all(report: Report, loaded: LoadedRun) -> Iterator[tuple[str, Figure | None]]:
    """Each picture with the name of its file; None if it cannot be drawn.

    The picture of the subgroups is included only if subgroups were requested.
    """
    labels, scores = loaded.labels, loaded.scores
    yield "roc", draw_roc(report, labels, scores)
    yield "confusion_matrix", draw_confusion(report)
    yield "precision_recall", draw_precision_recall(report, labels, scores)
    yield "calibration", draw_calibration(report, scores)
    yield "score_distributions", draw_distributions(report, labels, scores, loaded.unlabelled)
    yield "decision_curve", draw_decision(report, labels, scores)
    yield "flow", draw_flow(report)
    if report.subgroups:
        yield "subgroups", draw_forest(report)


def save(picture: Figure, path: Path) -> None:
    """Write a picture in the format of the suffix; equal pictures give equal bytes."""
    kind = path.suffix.removeprefix(".")
    with whole_file(path) as draft, mpl.rc_context({"svg.hashsalt": "dermscore"}):
        if kind == "svg":
            picture.savefig(draft, format=kind, metadata={"Date": None})
        else:
            picture.savefig(draft, format=kind, dpi=DPI)
