"""The page with `--prevalence` in a real browser, its subgroups, and its first printed page."""

import re
import zlib
from pathlib import Path
from typing import Any

import pytest
from browser import opened
from page_runs import Shot, store
from page_views import html_of, many, shots, type_threshold, write
from playwright.sync_api import Browser, expect

from report.metrics.confusion import confusion
from report.metrics.estimate import Estimate
from report.metrics.likelihood import at_prevalence
from report.metrics.net_benefit import net_benefit
from report.metrics.patients.natural_frequencies import natural_frequencies

# What the page shows at each of the slider's positions given.
SWEEP = """(positions) => positions.map((position) => {
  const slider = document.getElementById("slider");
  slider.value = position;
  slider.dispatchEvent(new Event("input"));
  const rows = Object.fromEntries(["ppv", "npv", "net_benefit"].map((key) => {
    const row = document.querySelector(`[data-moved="${key}"]`);
    return [key, {
      values: [...row.querySelectorAll("data")].map((one) => Number(one.value)),
      words: row.querySelector('[data-part="value"]').textContent,
      note: row.querySelector('[data-part="interval"]').textContent,
    }];
  }));
  return { ...rows, patients: document.querySelector(".patients").textContent };
})"""


def assert_shown(row: dict[str, Any], figure: Estimate) -> None:
    ends = (figure.value, figure.low, figure.high)
    # The browser's exp may differ from Python's in the last bit.
    assert row["values"] == pytest.approx([end for end in ends if end is not None], rel=1e-13)
    if figure.value is None:
        assert (row["words"], row["note"]) == ("n/a", figure.reason)
        return
    assert row["words"] == f"{figure.value:.3f}".replace("-", "−").replace("−0.000", "0.000")
    if figure.low is None and figure.reason is not None:
        assert row["note"] == figure.reason


def test_the_slider_follows_the_prevalence(chrome: Browser, html: Path) -> None:
    labels, scores = many(60)  # few, so that an end of the slider has no false answers
    html.write_text(html_of(labels, scores, 0.3, 0.02))
    positions = [at / 1000 for at in (*range(0, 1001, 29), 23, 300, 685, 1000)]
    with opened(chrome, html) as page:
        shown = page.evaluate(SWEEP, [repr(position) for position in positions])
    notes = set()
    for threshold, row in zip(positions, shown, strict=True):
        table = confusion(labels, scores, threshold)
        expected = at_prevalence(table, 0.02, "")
        assert_shown(row["ppv"], expected.ppv)
        assert_shown(row["npv"], expected.npv)
        assert_shown(row["net_benefit"], net_benefit(table, threshold, "", 0.02))
        notes |= {row[key]["note"] for key in ("ppv", "npv")}
        patients = natural_frequencies(table.tp / table.malignant, table.tn / table.benign, 0.02)
        assert patients is not None
        assert row["patients"] == f"{patients.words.capitalize()} (where 2 % are malignant)"
    assert {"no image is positive", "no false positives: no interval"} <= notes


def test_the_start_is_the_same_with_and_without_scripts(chrome: Browser, html: Path) -> None:
    html.write_text(html_of(*many(60), 0.37654321, 0.02))
    seen = []
    for scripts in (True, False):
        with opened(chrome, html, java_script_enabled=scripts) as page:
            rows = page.locator("[data-moved], .patients, .threshold").all_inner_texts()
            assert len(rows) == 5
            seen.append(rows)
    assert seen[0] == seen[1]
    assert seen[0][0] == "threshold 0.3765"


def test_without_a_prevalence_patients_are_those_of_the_sample(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store(page_url, shots([(1, 0.9), (1, 0.4), (0, 0.6), (0, 0.2), (0, 0.1)]))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        words = page.locator(".patients")
        expect(words).to_contain_text(
            "Of 1,000 patients, 400 with melanoma: 200 found, 200 missed, 200 false alarms"
        )
        expect(words).to_contain_text("at these images' prevalence")
        assert page.locator("[data-moved]").count() == 0
        type_threshold(page, "0.15")
        expect(words).to_contain_text("400 found, 0 missed, 400 false alarms")


def test_thresholds_are_rounded_for_reading_and_whole_in_the_data(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store(page_url, shots([(1, 0.8123456789), (1, 0.4), (0, 0.31234567891), (0, 0.312345)]))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        page.get_by_role("button", name="Next lower score").click()
        page.get_by_role("button", name="Next lower score").click()
        threshold = page.locator("#threshold")
        # 0.312345 selects one image more, 0.312346 one fewer.
        expect(threshold).to_have_text("0.3123456")
        expect(threshold).to_have_attribute("value", "0.31234567891")
        type_threshold(page, "0.87654321")
        expect(threshold).to_have_text("0.8765")


def test_subgroups_stand_below_the_line_of_all_images(
    chrome: Browser, page_url: str, html: Path
) -> None:
    given = [
        Shot(
            f"{at}.jpg", at % 2, (at * 37 % 100) / 100, None, {"sex": "fm"[at % 3 % 2], "age": "1"}
        )
        for at in range(90)
    ]
    store(page_url, given)
    with opened(chrome, write(html, "--threshold", "0.5", "--by", "sex", "--by", "age")) as page:
        for forest in page.locator(".forest").all():
            names = forest.locator("li > p b").all_inner_texts()
            assert names[0] == "all images"
            lines = forest.locator("line.overall").evaluate_all(
                "all => all.map((one) => one.getAttribute('x1'))"
            )
            assert len(lines) == 3 * len(names)
            assert len(set(lines)) <= 3


def words_on_each_page(pdf: bytes) -> list[int]:
    """How many pieces of text each page of Chromium's PDF draws."""
    objects = dict(re.findall(rb"(?s)(\d+) 0 obj\b(.*?)endobj", pdf))
    pages = [body for body in objects.values() if re.search(rb"/Type\s*/Page\b", body)]
    drawn = []
    for page in pages:
        (number,) = re.findall(rb"/Contents (\d+) 0 R", page)
        (stream,) = re.findall(rb"(?s)stream\r?\n(.*?)\r?\nendstream", objects[number])
        drawn.append(zlib.decompress(stream).count(b"BT\n"))
    return drawn


def test_the_first_printed_page_has_the_figures(chrome: Browser, html: Path) -> None:
    html.write_text(html_of(*many(60), 0.3, 0.02))
    with opened(chrome, html) as page:
        pdf = page.pdf(format="A4")
    assert len(pdf) < 400_000
    first, *_ = words_on_each_page(pdf)
    assert first >= 45  # the heading and the threshold alone have about 20
