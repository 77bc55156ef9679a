"""All pictures of a report, written into a folder."""

from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from report.arrays import Floats, Labels
from report.contents import Report
from report.pictures.calibration import draw_calibration
from report.pictures.confusion_matrix import draw_confusion
from report.pictures.decision import draw_decision
from report.pictures.distributions import draw_distributions
from report.pictures.forest import draw_forest
from report.pictures.precision_recall import draw_precision_recall
from report.pictures.roc import draw_roc
from report.whole_file import whole_file

DPI = 200


def save_pictures(directory: Path, report: Report, labels: Labels, scores: Floats) -> list[Path]:
    """Write each picture as PNG and as SVG; a picture of an earlier report is replaced.

    Args:
        directory: is made if it is not there.
        report: of these labels and scores.
        labels: `[n]`, 1 malignant, 0 benign.
        scores: `[n]`, in [0, 1].
    """
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, picture in draw_all(report, labels, scores):
        for kind in ("png", "svg"):
            path = directory / f"{name}.{kind}"
            save(picture, path)
            paths.append(path)
    return paths


def draw_all(report: Report, labels: Labels, scores: Floats) -> Iterator[tuple[str, Figure]]:
    """Each picture with the name of its file; that of the subgroups only where there are some."""
    yield "roc", draw_roc(report, labels, scores)
    yield "confusion_matrix", draw_confusion(report)
    yield "precision_recall", draw_precision_recall(report, labels, scores)
    yield "calibration", draw_calibration(report, scores)
    yield "score_distributions", draw_distributions(report, labels, scores)
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
