import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from base.arrays import Float64Array, LabelArray
from report.metrics.metrics import measure
from report.plots.calibration import draw_calibration
from report.plots.confusion_matrix import draw_confusion
from report.plots.decision import draw_decision
from report.plots.precision_recall import draw_precision_recall
from report.plots.roc import draw_roc
from report.render.formats import as_dict
from report.render.numbers import decimal
from report.render.text import render
from report.report_model import SYNTHETIC, CheckpointFacts, Flow, Report, RunFacts
from report.thresholds.threshold import Threshold

LABELS: LabelArray = np.array([1, 1, 1, 1, 0, 0, 0], dtype=np.int8)
SCORES: Float64Array = np.array([0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.1])


def a_report(
    labels: LabelArray = LABELS, scores: Float64Array = SCORES, *, synthetic: bool = False
) -> Report:
    n = len(labels)
    return Report(
        run=RunFacts(number=3, name=None, source="data/test", precision="float32"),
        checkpoint=CheckpointFacts("some.keras", "0" * 64, synthetic),
        flow=Flow(n, 0, n, n, n, {}),
        threshold=Threshold(0.5, "prespecified"),
        figures=measure(labels, scores, 0.5),
    )


def test_the_report_warns_of_classes_that_are_the_other_way_round() -> None:
    labels = np.repeat(np.array([1, 0], np.int8), 30)
    scores = np.linspace(0.1, 0.9, 60)
    words = "labels or classes may be reversed"

    assert words in render(a_report(labels, scores), terminal=False)
    assert words not in render(a_report(1 - labels, scores), terminal=False)


def test_a_small_samples_area_names_its_method_and_keeps_delongs() -> None:
    perfect = a_report(scores=np.array([0.9, 0.8, 0.8, 0.7, 0.3, 0.2, 0.1]))
    assert "1.000 (0.540 to 1.000)  on scores, over all thresholds; interval: Newcombe's" in render(
        perfect, terminal=False
    )
    got = as_dict(perfect)["roc_auc"]
    assert got["method"] == "Newcombe's method 5"
    assert got["delong"] == {
        "low": None,
        "high": None,
        "reason": "perfect separation: the estimated variance is 0",
    }
    large = a_report(np.tile(LABELS, 30), np.tile(SCORES, 30))  # 120 malignant at 0.83
    got = as_dict(large)["roc_auc"]
    assert got["method"] == "DeLong"
    assert got["delong"] == {"low": got["low"], "high": got["high"]}
    assert "on scores, over all thresholds\n" in render(large, terminal=False)


def drawn(picture: Figure | None) -> Figure:
    assert picture is not None
    return picture


def words(picture: Figure) -> list[str]:
    axes = picture.axes[0]
    legend = axes.get_legend()
    named = [] if legend is None else [entry.get_text() for entry in legend.get_texts()]
    return [*(label.get_text() for label in axes.texts), *named, axes.get_title(loc="left")]


def test_roc_names_area_operating_point_and_chance() -> None:
    report = a_report()
    picture = drawn(draw_roc(report, LABELS, SCORES))
    area = report.figures.roc_auc
    assert words(picture) == [
        f"ROC curve (area = 0.83)\n95 % interval {area.low:.2f} to {area.high:.2f}",
        "threshold 0.5 (prespecified):\nsensitivity 0.75, specificity 0.67",
        "chance",
        "ROC curve, run 3, 7 images",
    ]


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("spring", "ROC curve, run 3 (spring), 7 images"),
        ("2017_$x$", r"ROC curve, run 3 (2017_\$x\$), 7 images"),
        ("isic 2017, the third one", "ROC curve, run 3, 7 images\nisic 2017, the third one"),
        ("x" * 60, "ROC curve, run 3, 7 images\n" + "x" * 49 + "…"),
    ],
)
def test_pictures_name_their_run(name: str, title: str) -> None:
    report = a_report()
    named = replace(report, run=replace(report.run, name=name))
    assert words(drawn(draw_roc(named, LABELS, SCORES)))[-1] == title


def test_no_picture_and_no_table_says_na_without_a_reason() -> None:
    parted = np.where(LABELS == 1, 0.9, 0.1)  # the classes do not overlap: no slope
    report = a_report(LABELS, parted)
    legend = drawn(draw_calibration(report, parted)).axes[1].get_legend()
    assert legend is not None
    entries = [entry.get_text() for entry in legend.get_texts()]
    assert any("slope n/a (" in entry for entry in entries)
    for text in (*entries, render(a_report(np.zeros_like(LABELS)), terminal=False)):
        assert re.search(r"n/a(?! \()", text) is None


def test_one_kind_of_minus() -> None:
    shown = render(a_report(1 - LABELS, SCORES), terminal=False)
    assert "−0.2" in shown
    assert re.search(r"-\d", shown) is None
    assert [decimal(value) for value in (-0.25, -0.0004, 0.0, -1.0)] == [
        *("−0.250", "0.000", "0.000", "−1.000")
    ]


def test_likelihood_ratios_in_words() -> None:
    shown = render(a_report(), terminal=False)
    assert "a positive result multiplies the odds by 2.25" in shown
    assert "a negative result multiplies the odds by 0.38" in shown


def test_roc_curve_and_operating_point_are_where_they_belong() -> None:
    curve, point, chance = drawn(draw_roc(a_report(), LABELS, SCORES)).axes[0].lines
    assert np.column_stack(curve.get_data())[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert np.column_stack(point.get_data()).tolist() == [[1 - 2 / 3, 3 / 4]]
    assert np.column_stack(chance.get_data()).tolist() == [[0, 0], [1, 1]]


def test_of_one_class_there_are_no_curves() -> None:
    labels = np.zeros_like(LABELS)
    report = a_report(labels)
    for draw in (draw_roc, draw_precision_recall, draw_decision):
        assert draw(report, labels, SCORES) is None


def test_precision_is_never_drawn_where_no_threshold_gives_it() -> None:
    """By convention the curve ends at 1, and here the highest scores are benign."""
    picture = drawn(draw_precision_recall(a_report(1 - LABELS), 1 - LABELS, SCORES))
    curve = picture.axes[0].lines[0]
    assert np.asarray(curve.get_ydata()).max() <= 3 / 7


def test_a_net_benefit_below_the_picture_is_marked_at_its_edge() -> None:
    picture = drawn(draw_decision(a_report(1 - LABELS), 1 - LABELS, SCORES))  # 1 of 4 is malignant
    assert "threshold 0.5 (prespecified):\nnet benefit −0.286, below the picture" in words(picture)


def test_confusion_matrix_shows_fractions_over_counts() -> None:
    picture = drawn(draw_confusion(a_report()))
    # Fraction and count of each cell: true benign first, predicted benign first.
    assert words(picture)[:8] == [
        *("0.67", "2 of 3", "0.33", "1 of 3"),
        *("0.25", "1 of 4", "0.75", "3 of 4"),
    ]
    axes = picture.axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["benign", "malignant"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["benign", "malignant"]
    assert axes.get_ylim() == (2, 0)


def test_confusion_matrix_of_one_class_has_no_fractions_of_the_other() -> None:
    picture = drawn(draw_confusion(a_report(np.zeros_like(LABELS))))
    assert words(picture)[4:8] == ["n/a", "no malignant images"] * 2


def test_synthetic_images_are_called_so_in_the_pictures() -> None:
    report = a_report(synthetic=True)
    assert drawn(draw_roc(report, LABELS, SCORES)).get_supxlabel() == SYNTHETIC
    assert drawn(draw_confusion(report)).get_supxlabel() == SYNTHETIC
    assert drawn(draw_confusion(a_report())).get_supxlabel() == ""


@pytest.mark.parametrize("columns", ["80", "100", "200"])
def test_a_terminal_shows_the_same_words_as_a_file(
    monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("NO_COLOR", "1")
    report = replace(a_report(), threshold=Threshold(0.5, "exploratory"))
    shown, filed = render(report, terminal=True), render(report, terminal=False)
    assert "─" in shown
    assert "─" not in filed
    assert set(filed.split()) <= set(shown.replace("\x1b[1m", "").replace("\x1b[0m", "").split())


def test_plain_columns_are_aligned() -> None:
    text = render(a_report(), terminal=False)
    lines = text.splitlines()
    assert all(line == line.rstrip() for line in lines)
    groups = [block.splitlines() for block in text.split("\n\n")]
    titles = ["operating point", "ranking", "calibration", "usefulness"]
    figures = [group for group in groups if group[0].split("  ")[0] in titles]
    assert [group[0].split("  ")[0] for group in figures] == titles
    # The longest name and two spaces: there the figures of all groups begin.
    at = len("specificity at sensitivity 0.80") + 2
    for line in (line for group in figures for line in group if len(line) > at):
        assert line[at - 2 : at] == "  "
        assert line[at] != " "


def test_no_legend_lies_over_a_curve() -> None:
    """Whatever the scores are worth: at an AUC under 0.5 a curve takes the corner below too."""
    for scores in (SCORES, 1 - SCORES):
        report = a_report(scores=scores)
        for made in (
            draw_roc(report, LABELS, scores),
            draw_precision_recall(report, LABELS, scores),
            draw_decision(report, LABELS, scores),
            draw_calibration(report, scores),
        ):
            picture = drawn(made)
            picture.draw_without_rendering()
            frames = [axes.get_window_extent() for axes in picture.axes]
            legends = [axes.get_legend() for axes in picture.axes]
            (frame,) = [legend.get_window_extent() for legend in legends if legend is not None]
            assert not [box for box in frames if box.overlaps(frame)]
            assert picture.bbox.containsx(frame.x1)
            assert picture.bbox.containsy(frame.y0)
