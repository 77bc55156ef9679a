"""Writes pages, and compares what they show with what `report` says."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from page_runs import Shot
from playwright.sync_api import Page

from base.arrays import Float64Array, LabelArray
from db.queries.report.page import Times
from report.build import build
from report.cli import main
from report.html.page_context import Cases, prepare
from report.html.render import render
from report.loading.read_run import LoadedRun
from report.report_model import CheckpointFacts, Flow, RunFacts

FIGURES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
CARD = {"threshold": {"value": 0.23, "how": "sensitivity of at least 0.90 on data/valid"}}
# Ties of 0.5 in both classes, 0.1 + 0.2 that is not 0.3, and both ends of the scale.
SCORES: list[tuple[int, float]] = [
    *((1, score) for score in (0.0, 0.1, 0.23, 0.1 + 0.2, 0.5, 0.5, 0.5, 0.77, 1 / 3 + 0.5)),
    *((0, score) for score in (0.0, 0.01, 0.02, 0.05, 0.2299999, 0.3, 0.5, 0.5, 0.61, 2 / 3)),
]


def shots(scores: Sequence[tuple[int | None, float | str]]) -> list[Shot]:
    return [Shot(f"images/{at}.jpg", label, what) for at, (label, what) in enumerate(scores)]


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="report")


def write(html: Path, *arguments: str, code: int = 0) -> Path:
    """Write a page; `code` is how the command must end, 4 where no image was scored."""
    done = report("page", *arguments, "--output", str(html))
    assert done.exit_code == code, done.output
    first, *others = done.stderr.splitlines()
    assert first == f"wrote {html}"
    assert [line.startswith("Error: run 1: could not score") for line in others] == [True] * bool(
        code
    )
    return html


def reported(threshold: float, *arguments: str, code: int = 0) -> dict[str, Any]:
    done = report(*arguments, "--threshold", repr(threshold), "--format", "json")
    assert done.exit_code == code, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shown_threshold(page: Page) -> float:
    return float(page.locator("#threshold").get_attribute("value") or "")


def assert_as_reported(page: Page, expected: dict[str, Any]) -> None:
    """Every live number of the page, to the last digit, and the digits that are printed."""
    assert shown_threshold(page) == expected["threshold"]["value"]
    for name, count in expected["confusion"].items():
        assert page.locator(f'[data-cell="{name}"] b').inner_text() == str(count)
    for name in FIGURES:
        assert_figure(page, name, expected[name])


def assert_figure(page: Page, name: str, figure: dict[str, Any]) -> None:
    row = page.locator(f'[data-figure="{name}"]')
    value, interval = row.locator('[data-part="value"]'), row.locator('[data-part="interval"]')
    if figure["value"] is None:
        assert (value.inner_text(), interval.inner_text()) == ("n/a", figure["reason"])
        return
    ends = [figure["value"], figure["low"], figure["high"]]
    exact = row.locator("data").evaluate_all("all => all.map(one => one.value)")
    assert [float(one) for one in exact] == ends
    assert row.locator("data").all_inner_texts() == [f"{end:.3f}" for end in ends]
    assert interval.inner_text() == f"{ends[1]:.3f} to {ends[2]:.3f}"


def type_threshold(page: Page, words: str) -> None:
    page.get_by_label("Exact value").fill(words)
    page.get_by_label("Exact value").press("Enter")


def many(number: int) -> tuple[LabelArray, Float64Array]:
    """As many images, all scores different."""
    drawn = np.random.default_rng(7)
    labels = (drawn.random(number) < 0.2).astype(np.int8)
    return labels, drawn.beta(2 + 2 * labels, 5 - 1.5 * labels)


def html_of(
    labels: LabelArray,
    scores: Float64Array,
    threshold: float = 0.23,
    prevalence: float | None = None,
) -> str:
    """The page of these images, without a ledger."""
    n = len(labels)
    stored = LoadedRun(
        RunFacts(1, None, "data/test", "float32"),
        CheckpointFacts("some.keras", "0" * 64, synthetic=False),
        {},
        Flow(n, 0, n, n, n, {}),
        labels,
        scores,
    )
    report = build(stored, threshold, 0.95, prevalence)
    times = Times(0.0, None, None, 0.0, 0)
    return render(prepare(stored, report, Cases([], []), times, datetime.now(UTC)))
