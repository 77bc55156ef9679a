"""The page for keyboards, screen readers, phones and printers."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
from browser import chromium, opened
from page_runs import HOSTILE, hostile_run, store
from page_views import (
    CARD,
    SCORES,
    assert_as_reported,
    html_of,
    many,
    reported,
    shots,
    type_threshold,
    write,
)
from playwright.sync_api import Browser, expect


def test_a_screen_reader_hears_the_numbers_once_the_slider_rests(
    chrome: Browser, page_url: str, html: Path
) -> None:
    store(page_url, shots([(1, 0.9), (1, 0.4), (0, 0.6), (0, 0.2)]))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        said = page.get_by_role("status")
        expect(said).to_have_text("")
        slider = page.get_by_label("Move the threshold")
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        expect(said).to_have_text(
            "threshold 0.502, exploratory: sensitivity 0.500, specificity 0.500, ppv 0.500, "
            "npv 0.500, accuracy 0.500"
        )
        expect(said).to_have_attribute("aria-live", "polite")
        expect(slider).to_have_attribute("aria-valuetext", "0.502, exploratory")


def test_without_scripts_the_figures_are_there(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.5"), java_script_enabled=False) as page:
        expect(page.get_by_text("The slider needs JavaScript")).to_be_visible()
        expect(page.locator("#slider")).to_be_hidden()
        text = page.locator('[data-figure="sensitivity"]').inner_text()
        assert f"{reported(0.5)['sensitivity']['value']:.3f}" in text


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_needs_scrolling_sideways(
    chrome: Browser, page_url: str, html: Path, width: int
) -> None:
    hostile_run(page_url)
    view = {"width": width, "height": 700}
    with opened(chrome, write(html, "--by", HOSTILE), viewport=view) as page:
        page.locator("summary").click()
        # The flow of images scrolls in its own frame: smaller, nobody could read it.
        over = page.evaluate(
            """width => [...document.querySelectorAll("main *")]
              .filter(one => one.getBoundingClientRect().right > width + 0.5
                && !one.closest(".unseen, .flow"))
              .map(one => one.outerHTML.slice(0, 80))""",
            width,
        )
        assert over == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_million_images_fit_a_phone(chrome: Browser, html: Path) -> None:
    html.write_text(html_of(*many(1_000_000)))
    with opened(chrome, html, viewport={"width": 360, "height": 700}) as page:
        page.get_by_label("Move the threshold").fill("0")
        assert page.evaluate("document.documentElement.scrollWidth") == 360


NAME = "(one) => one.id || one.textContent"
STRUCTURE = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  return {
    unlabelled: all("input").filter((one) => one.labels.length === 0).map((one) => one.id),
    headings: all("h1, h2, h3, h4").map((one) => Number(one.tagName[1])),
    landmarks: ["header", "nav", "main", "footer"].map((name) => all(`body > ${name}`).length),
    silent: all("img:not([alt]), svg:not([role=img]):not([aria-hidden=true])").length,
    twice: all("[id]").map((one) => one.id).filter((id, at, ids) => ids.indexOf(id) !== at),
    dangling: ["aria-labelledby", "aria-describedby"]
      .flatMap((name) => all(`[${name}]`).flatMap((one) => one.getAttribute(name).split(" ")))
      .filter((id) => document.getElementById(id) === null),
    headless: all("table").filter((one) => one.querySelector("th[scope]") === null).length,
    language: document.documentElement.lang,
  };
}"""


def test_everything_is_reached_by_tab_in_order(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots([*SCORES, (1, "missing")]), card=CARD)
    with opened(chrome, write(html)) as page:
        wanted = page.evaluate(
            f'[...document.querySelectorAll("a[href], input, button, summary")].map({NAME})'
        )
        assert len(wanted) > 12
        visited = []
        for _ in wanted:
            page.keyboard.press("Tab")
            visited.append(
                page.evaluate("document.activeElement.id || document.activeElement.textContent")
            )
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style == "solid", visited[-1]
        assert visited == wanted
        # The first stop jumps over the navigation.
        assert visited[0] == "Skip to the figures"
        page.get_by_text("Skip to the figures").press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "slider"


def test_structure_for_assistive_technology(chrome: Browser, page_url: str, html: Path) -> None:
    hostile_run(page_url)
    with opened(chrome, write(html, "--by", HOSTILE)) as page:
        found = page.evaluate(STRUCTURE)
    headings = found.pop("headings")
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(deeper <= upper + 1 for upper, deeper in pairwise(headings))
    assert found == {
        "unlabelled": [],
        "landmarks": [1, 1, 1, 1],
        "silent": 0,
        "twice": [],
        "dangling": [],
        "headless": 0,
        "language": "en",
    }


# WCAG 2's contrast of each text with the nearest background behind it that is not transparent.
CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const texts = [...document.querySelectorAll("body *")].filter((one) =>
    [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== ""));
  return texts.filter((one) => !/^(SCRIPT|STYLE|NOSCRIPT)$/.test(one.tagName)).map((one) => {
    const style = getComputedStyle(one);
    const ink = one.namespaceURI.endsWith("svg") ? style.fill : style.color;
    return [ratio(light(ink), light(behind(one))), one.outerHTML.slice(0, 80)];
  });
}"""


def test_text_has_contrast(chrome: Browser, page_url: str, html: Path) -> None:
    hostile_run(page_url)
    with opened(chrome, write(html, "--by", HOSTILE)) as page:
        type_threshold(page, "two")
        found = page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [(ratio, where) for ratio, where in found if ratio < 4.5] == []


def test_print_keeps_the_sliders_numbers(chrome: Browser, page_url: str, html: Path) -> None:
    store(page_url, shots(SCORES), card=CARD)
    with opened(chrome, write(html)) as page:
        page.get_by_label("Move the threshold").fill("0.5")
        page.emulate_media(media="print")
        expect(page.locator("#slider")).to_be_hidden()
        expect(page.get_by_role("navigation")).to_be_hidden()
        expect(page.locator("#threshold")).to_be_visible()
        expect(page.locator("#kind")).to_have_text(re.compile("^exploratory: moved"))
        assert_as_reported(page, reported(0.5))
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.locator("details[open]").count() == 1
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        assert page.locator("details[open]").count() == 0
        assert page.pdf(format="A4").startswith(b"%PDF")


def test_without_chromium_ci_fails_and_others_skip(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="no Chromium: none of chromium,"):
        chromium(str(tmp_path), {"CI": "true"})
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        chromium(str(tmp_path), {})
    fake = tmp_path / "chromium-browser"
    fake.touch(mode=0o755)
    assert chromium(str(tmp_path), {"CI": "true"}) == str(fake)
