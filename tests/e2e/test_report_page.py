"""`report page` in a real browser: its numbers are those of `report --format json`."""

import json
import re
from pathlib import Path

import pytest
from browser import opened
from page_runs import store
from page_views import (
    CARD,
    SCORES,
    assert_as_reported,
    html_of,
    many,
    reported,
    shots,
    shown_threshold,
    type_threshold,
    write,
)
from playwright.sync_api import Browser, expect
from processes import Site

from report.metrics.confusion import confusion
from report.metrics.proportions import proportion


def test_the_page_starts_with_the_cards_threshold(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store(page_url, shots(SCORES), card=CARD)
    with opened(chrome, write(html)) as page:
        assert_as_reported(page, reported(0.23))
        kind = page.locator("#kind")
        expect(kind).to_have_text(re.compile("^prespecified: .*0.90 on data/valid"))
        page.get_by_label("Move the threshold").press("ArrowRight")
        expect(kind).to_have_text(re.compile("^exploratory: moved on this page"))
        page.get_by_role("button", name="Back to 0.23").click()
        expect(kind).to_have_text(re.compile("^prespecified"))
        assert_as_reported(page, reported(0.23))


def test_the_slider_by_keyboard(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.23")) as page:
        expect(page.locator("#kind")).to_have_text(re.compile("^exploratory: given on the command"))
        slider = page.get_by_label("Move the threshold")
        for keys, threshold in (
            (("ArrowRight",), 0.231),
            (("ArrowLeft", "ArrowLeft"), 0.229),
            (("Home",), 0.0),
            (("ArrowUp",), 0.001),
            (("End",), 1.0),
            (("ArrowDown",), 0.999),
        ):
            for key in keys:
                slider.press(key)
            assert_as_reported(page, reported(threshold))


def test_the_slider_set_and_thresholds_typed(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.4")) as page:
        for value in ("0.5", "0.3", "0.23", "0", "1"):
            page.get_by_label("Move the threshold").fill(value)
            assert_as_reported(page, reported(float(value)))
        for typed in (0.1 + 0.2, 0.2299999, 2 / 3, 1 / 3 + 0.5, 5e-324, 1e-7, 0.9999999999999999):
            type_threshold(page, repr(typed))
            assert_as_reported(page, reported(typed))
        type_threshold(page, "0,5")
        assert_as_reported(page, reported(0.5))


def test_the_command_itself_agrees(chrome: Browser, tmp_path: Path) -> None:
    site = Site(tmp_path, {"DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db"})
    store(site.settings["DATABASE_URL"], shots(SCORES), name="first")
    done = site.succeed("report", "page", "first", "-o", "new/page.html", "--threshold", "0.4")
    assert done.stdout == ""
    with opened(chrome, tmp_path / "new" / "page.html") as page:
        page.get_by_label("Move the threshold").fill("0.23")
        done = site.succeed("report", "--threshold", "0.23", "--format", "json")
        assert_as_reported(page, json.loads(done.stdout))


def test_another_confidence(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.4", "--confidence", "0.8")) as page:
        page.get_by_label("Move the threshold").press("ArrowRight")
        assert_as_reported(page, reported(0.401, "--confidence", "0.8"))
        expect(page.locator("table.figures caption")).to_contain_text("80 %")


def test_score_by_score(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots([(1, 0.7), (0, 0.3), (0, 0.3), (1, 0.2)]))
    with opened(chrome, write(html, "--threshold", "0.3")) as page:
        lower = page.get_by_role("button", name="Next lower score")
        higher = page.get_by_role("button", name="Next higher score")
        visited = []
        for button in (lower, lower, lower, higher, higher, higher, higher, higher):
            button.click()
            visited.append(shown_threshold(page))
        assert visited == [0.2, 0, 0, 0.2, 0.3, 0.7, 1, 1]
        assert_as_reported(page, reported(1))
        # Between two scores the next lower one changes nothing yet, and is where it is.
        type_threshold(page, "0.5")
        lower.click()
        assert shown_threshold(page) == 0.3


def test_halves_are_printed_as_python_prints_them(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store(page_url, shots([(1, (at + 1) / 32) for at in range(16)] + [(0, 0.01)]))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        for positive in range(17):
            threshold = (17 - positive) / 32
            type_threshold(page, repr(threshold))
            assert_as_reported(page, reported(threshold))


@pytest.mark.parametrize(
    "scores",
    [
        [(0, 0.1), (0, 0.6)],
        [(1, 0.1), (1, 0.6)],
        [(1, 0.5), (0, 0.5)],
        [*[(1, 0.5)] * 3, *[(0, 0.5)] * 6],
    ],
    ids=["benign only", "malignant only", "ties only", "3 and 6"],
)
def test_what_is_undefined_says_why(
    chrome: Browser, page_url: str, html: Path, scores: list[tuple[int | None, float | str]]
) -> None:
    store(page_url, shots(scores))
    code = 4 if all(isinstance(score, str) for _, score in scores) else 0
    with opened(chrome, write(html, "--threshold", "0.5", code=code)) as page:
        for threshold in (0.5, 0.0, 1.0, 0.501):
            type_threshold(page, repr(threshold))
            assert_as_reported(page, reported(threshold, code=code))


@pytest.mark.parametrize("words", ["", "2", "-0.1", "nan", "0x1", "half", "1e9", "."])
def test_a_bad_threshold_changes_nothing(
    chrome: Browser, page_url: str, html: Path, words: str
) -> None:
    store(page_url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.4")) as page:
        type_threshold(page, words)
        expect(page.get_by_role("alert")).to_have_text("Type a number between 0 and 1.")
        expect(page.locator("#typed")).to_have_attribute("aria-invalid", "true")
        assert_as_reported(page, reported(0.4))
        type_threshold(page, "0.5")
        expect(page.get_by_role("alert")).to_have_text("")


def test_too_many_scores_to_embed(chrome: Browser, page_url: str, html: Path) -> None:
    """Then the page says so, and every threshold that it can take is still exact."""
    scores = [(at * 7 % 5 % 2, (at + 0.5) ** 2 / 36e6) for at in range(6000)]
    store(page_url, shots(scores))
    with opened(chrome, write(html, "--threshold", "0.123456789", "--images", "0")) as page:
        expect(page.locator("#rule")).to_contain_text("too many different scores")
        assert_as_reported(page, reported(0.123456789))
        for threshold in (0.0, 0.001, 0.517, 1.0):
            page.get_by_label("Move the threshold").fill(repr(threshold))
            assert_as_reported(page, reported(threshold))
        type_threshold(page, "0.4567891234")
        expect(page.get_by_role("alert")).to_contain_text("No exact counts at 0.4567891234")
        assert abs(shown_threshold(page) - 0.4567891234) < 0.0005
        assert_as_reported(page, reported(shown_threshold(page)))
        page.get_by_role("button", name="Next higher score").click()
        assert_as_reported(page, reported(shown_threshold(page)))


def test_the_markers_are_on_the_curves(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots([(1, 0.9), (1, 0.4), (0, 0.6), (0, 0.2)]))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        place = "one => [Number(one.getAttribute('cx')), Number(one.getAttribute('cy'))]"
        roc = page.locator('svg[role="img"] circle[data-point="roc"]')
        assert roc.evaluate(place) == [56 + 330 / 2, 14 + 330 / 2]
        page.get_by_label("Move the threshold").fill("0.3")
        assert roc.evaluate(place) == [56 + 330 / 2, 14]
        (upright, *others) = page.locator("[data-upright]").evaluate_all(
            "all => all.map(one => Number(one.getAttribute('x1')))"
        )
        assert upright == pytest.approx(56 + 330 * 0.3)
        assert set(others) == {upright}
        # Nothing is positive: there is no PPV, and no point.
        page.get_by_label("Move the threshold").fill("1")
        point = page.locator('svg[role="img"] circle[data-point="precision-recall"]')
        expect(point).to_have_attribute("visibility", "hidden")


# What the page shows at each of the slider's positions given: cells, then all exact values.
SWEEP = """(positions) => positions.map((position) => {
  const slider = document.getElementById("slider");
  slider.value = position;
  slider.dispatchEvent(new Event("input"));
  const cells = ["tp", "fp", "tn", "fn"].map(
    (name) => Number(document.querySelector(`[data-cell="${name}"] b`).textContent));
  const values = [...document.querySelectorAll("[data-figure] data")].map(
    (one) => Number(one.value));
  return [cells, values];
})"""


def test_intervals_are_the_same_float64_at_many_thresholds(chrome: Browser, html: Path) -> None:
    labels, scores = many(600)
    html.write_text(html_of(labels, scores))
    positions = [at / 1000 for at in range(0, 1001, 9)]
    with opened(chrome, html) as page:
        shown = page.evaluate(SWEEP, [repr(position) for position in positions])
    for threshold, (cells, values) in zip(positions, shown, strict=True):
        table = confusion(labels, scores, threshold)
        assert cells == [table.tp, table.fp, table.tn, table.fn]
        counts = (
            (table.tp, table.malignant),
            (table.tn, table.benign),
            (table.tp, table.positive),
            (table.tn, table.negative),
            (table.tp + table.tn, table.total),
        )
        figures = [proportion(count, total, "") for count, total in counts if total]
        expected = [end for one in figures for end in (one.value, one.low, one.high)]
        assert values == expected, threshold
