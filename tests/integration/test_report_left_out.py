"""What a report says of images that never got a score, by class."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner
from page_runs import Shot, store

from report.cli import main


def melanomas_missing(error: str = "corrupt") -> list[Shot]:
    """117 malignant images, whose 53 lowest scores are missing, and 483 benign ones, all scored."""
    malignant = np.linspace(0.01, 0.99, 117)
    return [
        *(Shot(f"m{at}", 1, error if at < 53 else float(malignant[at])) for at in range(117)),
        *(Shot(f"b{at}", 0, float(score)) for at, score in enumerate(np.linspace(0, 0.6, 483))),
    ]


def report(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["--threshold", "0.3", *arguments], prog_name="report")
    assert result.exit_code == 0, result.output
    return result.output


def test_a_perfect_sensitivity_is_not_printed_without_a_word(page_url: str) -> None:
    store(page_url, melanomas_missing())

    shown = report()

    assert "warning: 53 of 117 malignant and 0 of 483 benign images have no score" in shown
    assert "Fisher's exact test, p < 0.001" in shown
    (line,) = [each for each in shown.splitlines() if each.startswith("sensitivity")]
    assert "1.000" in line
    assert "64/64; 64/117 if the unscored count as missed" in line
    (line,) = [each for each in shown.splitlines() if each.startswith("  corrupt")]
    assert line.split() == ["corrupt", "53", "53", "malignant"]
    assert "64/117 if the unscored" in report("--format", "markdown")


def test_json_and_csv_count_by_class_and_code(page_url: str) -> None:
    shots = [*melanomas_missing(), Shot("x", 0, "empty"), Shot("y", None, "empty")]
    store(page_url, shots)

    got = json.loads(report("--format", "json"))

    by_class = got["flow"]["by_class"]
    assert by_class["malignant"] == {"listed": 117, "unscored": 53, "errors": {"corrupt": 53}}
    assert by_class["benign"] == {"listed": 484, "unscored": 1, "errors": {"empty": 1}}
    assert by_class["unlabelled"] == {"listed": 1, "unscored": 1, "errors": {"empty": 1}}
    worst = got["worst_case"]
    assert worst["sensitivity"] == {"value": 64 / 117, "count": 64, "total": 117, "unscored": 53}
    assert (worst["specificity"]["total"], worst["specificity"]["unscored"]) == (484, 1)
    table = report("--format", "csv").splitlines()
    assert "error_corrupt[malignant],53,,," in table
    assert "unscored[unlabelled],1,,," in table
    assert f"sensitivity_worst_case,{64 / 117},,," in table


def test_an_image_without_a_given_score_is_not_unreadable(page_url: str) -> None:
    store(page_url, melanomas_missing("no_score"))

    rows = [line.split() for line in report().splitlines()]

    assert ["unreadable", "0"] in rows
    assert ["no", "score", "given", "53", "53", "malignant"] in rows
    flow = json.loads(report("--format", "json"))["flow"]
    assert (flow["unreadable"], flow["no_score"], flow["errors"]) == (0, 53, {"no_score": 53})


def test_nothing_is_said_where_every_image_is_scored(page_url: str) -> None:
    store(page_url, [shot for shot in melanomas_missing() if shot.outcome != "corrupt"])

    assert "unscored" not in report()
    assert json.loads(report("--format", "json"))["worst_case"] == {
        "sensitivity": None, "specificity": None
    }  # fmt: skip


def test_the_flow_is_drawn_and_stands_on_the_page(page_url: str, tmp_path: Path) -> None:
    unlabelled = [Shot("u", None, 0.1), Shot("n", 0, "no_score")]
    store(page_url, [*melanomas_missing(), *unlabelled], card={"data": {"synthetic": True}})

    page = tmp_path / "page.html"
    report("--output", str(tmp_path))
    written = CliRunner().invoke(main, ["page", "--threshold", "0.3", "-o", str(page)])

    assert written.exit_code == 0, written.output
    svg = page.read_text().split('<figure class="flow">')[1].split("</figure>")[0]
    drawing = ET.fromstring(svg[svg.index("<svg") : svg.index("</svg>") + 6])
    assert [each.text for each in drawing.iter("text")] == [
        "602 images listed",
        "54 without a score", "53 malignant, 1 benign", "53 corrupt", "1 no score given",
        "548 scored",
        "1 left out", "1 without a label",
        "547 analysed", "positive: score >= 0.3",
        "64 malignant", "64 positive", "TP", "0 negative", "FN",
        "483 benign", "242 positive", "FP", "241 negative", "TN",
    ]  # fmt: skip
    assert (tmp_path / "flow.png").stat().st_size > 10_000
    assert "synthetic images" in (tmp_path / "flow.svg").read_text()


def test_latex_and_docx_hold_the_same_tables(
    page_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(page_url, melanomas_missing(), name="a_b%", source="data\\my_test")

    shown = report("--format", "latex")
    assert r"\section*{Run 1 of data\textbackslash{}my\_test}" in shown
    assert "64/64; 64/117 if the unscored count as missed" in shown

    without_folder = CliRunner().invoke(main, ["--threshold", "0.3", "--format", "docx"])
    assert (without_folder.exit_code, "--output DIR" in without_folder.stderr) == (2, True)
    monkeypatch.setitem(sys.modules, "docx", None)
    without_library = CliRunner().invoke(
        main, ["--threshold", "0.3", "--format", "docx", "--output", str(tmp_path / "new")]
    )
    assert without_library.exit_code == 1
    assert without_library.stderr.count("\n") == 1
    assert "pip install 'dermscore[docx]'" in without_library.stderr
    assert not (tmp_path / "new").exists()


def test_units_are_never_added_to_images(page_url: str, tmp_path: Path) -> None:
    shots = [
        replace(shot, attributes={"lesion": f"{shot.path[0]}{int(shot.path[1:]) // 3}"})
        for shot in melanomas_missing()
    ]
    store(page_url, shots)

    shown = report("--per", "lesion", "--output", str(tmp_path))

    (line,) = [each for each in shown.splitlines() if each.startswith("sensitivity")]
    assert "22/22" in line
    assert "if the unscored" not in shown
    assert json.loads(report("--per", "lesion", "--format", "json"))["worst_case"] == {
        "sensitivity": None, "specificity": None
    }  # fmt: skip
    drawn = (tmp_path / "flow.svg").read_text()
    assert "as 183 of lesion; positive: score" in drawn
