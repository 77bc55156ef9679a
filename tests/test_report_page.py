"""`report page` in a real browser: its numbers are those of `report --format json`."""

import base64
import io
import json
import re
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import browser, chromium, opened
from click.testing import CliRunner, Result
from page_runs import Shot, store
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from processes import Site

from report.cli import main

FIGURES = ("sensitivity", "specificity", "ppv", "npv", "accuracy")
CARD = {"threshold": {"value": 0.23, "how": "sensitivity of at least 0.90 on data/valid"}}
# Ties of 0.5 in both classes, 0.1 + 0.2 that is not 0.3, and both ends of the scale.
WARNING = (
    "warning: the checkpoint was trained on 1 of the 2 scored images: these figures flatter it"
)
SCORES: list[tuple[int, float]] = [
    *((1, score) for score in (0.0, 0.1, 0.23, 0.1 + 0.2, 0.5, 0.5, 0.5, 0.77, 1 / 3 + 0.5)),
    *((0, score) for score in (0.0, 0.01, 0.02, 0.05, 0.2299999, 0.3, 0.5, 0.5, 0.61, 2 / 3)),
]
HOSTILE = "</script><script>document.title='taken'</script><!--<img src=x onerror=alert(1)>\"'&"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("DATABASE_URL", address)
    monkeypatch.setenv("DATA_ROOT", str(tmp_path))
    return address


@pytest.fixture
def html(tmp_path: Path) -> Path:
    return tmp_path / "report.html"


def shots(scores: Sequence[tuple[int | None, float | str]]) -> list[Shot]:
    return [Shot(f"images/{at}.jpg", label, what) for at, (label, what) in enumerate(scores)]


def report(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, prog_name="report")


def write(html: Path, *arguments: str) -> Path:
    done = report("page", *arguments, "--output", str(html))
    assert done.exit_code == 0, done.output
    assert done.stderr == f"wrote {html}\n"
    return html


def reported(threshold: float, *arguments: str) -> dict[str, Any]:
    done = report(*arguments, "--threshold", repr(threshold), "--format", "json")
    assert done.exit_code == 0, done.output
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


def test_the_page_starts_with_the_cards_threshold(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots(SCORES), card=CARD)
    with opened(chrome, write(html)) as page:
        assert_as_reported(page, reported(0.23))
        kind = page.locator("#kind")
        expect(kind).to_have_text(re.compile("^prespecified: .*0.90 on data/valid"))
        page.get_by_label("Move the threshold").press("ArrowRight")
        expect(kind).to_have_text(re.compile("^exploratory: moved on this page"))
        page.get_by_role("button", name="Back to 0.23").click()
        expect(kind).to_have_text(re.compile("^prespecified"))
        assert_as_reported(page, reported(0.23))


def test_the_slider_by_keyboard(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots(SCORES))
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


def test_the_slider_set_and_thresholds_typed(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.4")) as page:
        for value in ("0.5", "0.3", "0.23", "0", "1"):
            page.get_by_label("Move the threshold").fill(value)
            assert_as_reported(page, reported(float(value)))
        for value in (0.1 + 0.2, 0.2299999, 2 / 3, 1 / 3 + 0.5, 5e-324, 1e-7, 0.9999999999999999):
            type_threshold(page, repr(value))
            assert_as_reported(page, reported(value))
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


def test_another_confidence(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.4", "--confidence", "0.8")) as page:
        page.get_by_label("Move the threshold").press("ArrowRight")
        assert_as_reported(page, reported(0.401, "--confidence", "0.8"))
        expect(page.locator("table.figures caption")).to_contain_text("80 %")


def test_score_by_score(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots([(1, 0.7), (0, 0.3), (0, 0.3), (1, 0.2)]))
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


def test_halves_are_printed_as_python_prints_them(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots([(1, (at + 1) / 32) for at in range(16)] + [(0, 0.01)]))
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
        [(None, 0.1)],
        [(1, "corrupt"), (0, "missing")],
        [(1, 0.5), (0, 0.5)],
    ],
    ids=["benign only", "malignant only", "unlabelled", "errors only", "ties only"],
)
def test_what_is_undefined_says_why(
    chrome: Browser, url: str, html: Path, scores: list[tuple[int | None, float | str]]
) -> None:
    store(url, shots(scores))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        for threshold in (0.5, 0.0, 1.0, 0.501):
            type_threshold(page, repr(threshold))
            assert_as_reported(page, reported(threshold))


@pytest.mark.parametrize("words", ["", "2", "-0.1", "nan", "0x1", "half", "1e9", "."])
def test_a_bad_threshold_changes_nothing(chrome: Browser, url: str, html: Path, words: str) -> None:
    store(url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.4")) as page:
        type_threshold(page, words)
        expect(page.get_by_role("alert")).to_have_text("Type a number between 0 and 1.")
        expect(page.locator("#typed")).to_have_attribute("aria-invalid", "true")
        assert_as_reported(page, reported(0.4))
        type_threshold(page, "0.5")
        expect(page.get_by_role("alert")).to_have_text("")


def test_too_many_scores_to_embed(chrome: Browser, url: str, html: Path) -> None:
    """Then the page says so, and every threshold that it can take is still exact."""
    scores = [(at * 7 % 5 % 2, (at + 0.5) ** 2 / 36e6) for at in range(6000)]
    store(url, shots(scores))
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


def test_the_markers_are_on_the_curves(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots([(1, 0.9), (1, 0.4), (0, 0.6), (0, 0.2)]))
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


def test_a_screen_reader_hears_the_numbers_once_the_slider_rests(
    chrome: Browser, url: str, html: Path
) -> None:
    store(url, shots([(1, 0.9), (1, 0.4), (0, 0.6), (0, 0.2)]))
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


def test_without_scripts_the_figures_are_there(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots(SCORES))
    with opened(chrome, write(html, "--threshold", "0.5"), java_script_enabled=False) as page:
        expect(page.get_by_text("The slider needs JavaScript")).to_be_visible()
        expect(page.locator("#slider")).to_be_hidden()
        text = page.locator('[data-figure="sensitivity"]').inner_text()
        assert f"{reported(0.5)['sensitivity']['value']:.3f}" in text


def test_every_figure_of_the_report_is_there(chrome: Browser, url: str, html: Path) -> None:
    given = [
        Shot(f"{at}.jpg", at % 2, (at * 37 % 100) / 100, None, {"sex": ("f", "m")[at % 3 % 2]})
        for at in range(90)
    ]
    store(url, given)
    options = ("--threshold", "0.5", "--by", "sex", "--prevalence", "0.02")
    text = report(*options).stdout
    with opened(chrome, write(html, *options)) as page:
        body = " ".join(page.locator("#figures").inner_text().split())
        for line in text.splitlines():
            figures = re.findall(r"\d+\.\d+ \(\d.*? to .*?\)", line)
            assert all(figure in body for figure in figures), line
        for name in ("balanced accuracy", "LR+", "Brier score", "net benefit", "where 2 %"):
            assert name in text
            assert name in body
        expect(page.get_by_role("heading", name="By sex")).to_be_visible()


def picture(colour: str, size: tuple[int, int] = (600, 400)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def test_thumbnails_are_of_the_bytes_that_were_scored(
    chrome: Browser, url: str, html: Path, tmp_path: Path
) -> None:
    red, blue = picture("red"), picture("blue")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "same.png").write_bytes(red)
    (folder / "changed.png").write_bytes(blue)
    (folder / "undigested.png").write_bytes(red)
    (folder / "damaged.png").write_bytes(red[:60])
    names = ("same", "changed", "undigested", "damaged", "gone")
    digests = (red, red, None, red[:60], red)
    given = [
        Shot(f"images/{name}.png", 1, at / 10, digest and sha256(digest).hexdigest())
        for at, (name, digest) in enumerate(zip(names, digests, strict=True))
    ]
    outside = Shot("../outside.png", 1, 0.45, sha256(red).hexdigest())
    (tmp_path.parent / "outside.png").write_bytes(red)
    store(url, [*given, outside, Shot("b.png", 0, 0.1)])
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        cards = page.locator('[data-gallery="fn"] > li')
        words = [" ".join(card.split()) for card in cards.all_inner_texts()]
        assert words[0] == "images/same.png score 0.000"
        assert words[1].startswith("no picture: the file has changed since it was scored")
        assert words[2].startswith("no picture: the digest of what was scored was not stored")
        assert words[3].startswith("no picture: the file cannot be decoded here")
        assert words[4].startswith("no picture: there is no such file under DATA_ROOT")
        assert words[5].startswith("no picture: the file lies outside DATA_ROOT")
        shown = page.locator('[data-gallery="fn"] img')
        assert shown.count() == 1
        data = (shown.get_attribute("src") or "").removeprefix("data:image/jpeg;base64,")
        with Image.open(io.BytesIO(base64.b64decode(data))) as thumbnail:
            assert thumbnail.size == (256, 171)
            pixel = thumbnail.convert("RGB").getpixel((9, 9))
            assert isinstance(pixel, tuple)
            assert pixel[0] > 200
            assert max(pixel[1:]) < 50
        assert shown.evaluate("one => one.naturalWidth") == 256


def test_the_galleries_follow_the_threshold(chrome: Browser, url: str, html: Path) -> None:
    scores = [(1, 0.1), (1, 0.3), (1, 0.2), (1, 0.8), (0, 0.4), (0, 0.9), (0, 0.25), (0, 0.05)]
    store(url, shots(scores))
    with opened(chrome, write(html, "--threshold", "0.25", "--images", "2")) as page:
        for threshold, fn, fp in (
            (0.25, ("2 of 2", [0, 2]), ("2 of 3", [5, 4])),
            (0.2, ("1 of 1", [0]), ("2 of 3", [5, 4])),
            (0.31, ("2 of 3", [0, 2]), ("2 of 2", [5, 4])),
            (0.5, ("2 of 3", [0, 2]), ("1 of 1", [5])),
            (0.0, ("None", []), ("2 of 4", [5, 4])),
            (1.0, ("2 of 4", [0, 2]), ("None", [])),
        ):
            type_threshold(page, repr(threshold))
            for kind, (words, images) in (("fn", fn), ("fp", fp)):
                expect(page.locator(f'[data-gallery-count="{kind}"]')).to_have_text(
                    f"{words} at this threshold."
                )
                names = page.locator(f'[data-gallery="{kind}"] > li:visible .name')
                assert names.all_inner_texts() == [f"images/{at}.jpg" for at in images]


def test_unreadable_images_with_their_reasons(chrome: Browser, url: str, html: Path) -> None:
    broken = [
        Shot("b/cut.jpg", 1, "corrupt", detail="the JPEG header is damaged"),
        Shot("b/gone.jpg", None, "missing", detail="there is no such file"),
    ]
    store(url, [*shots(SCORES), *broken])
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        section = page.locator("#unreadable")
        expect(section).to_contain_text(
            "2 images have an error instead of a score: 1 corrupt, 1 missing."
        )
        assert section.locator("tbody tr").all_inner_texts() == [
            "b/cut.jpg\tcorrupt\tthe JPEG header is damaged",
            "b/gone.jpg\tmissing\tthere is no such file",
        ]


def test_many_unreadable_images_are_counted(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots([(1, "missing")] * 250))
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        expect(page.locator("#unreadable .count")).to_have_text(
            "250 images have an error instead of a score: 250 missing. The first 200 are listed."
        )
        assert page.locator("#unreadable tbody tr").count() == 200


def test_a_page_without_images_names_no_file(url: str, html: Path) -> None:
    store(url, [*shots(SCORES), Shot("secret.jpg", 1, "missing")])
    text = write(html, "--threshold", "0.5", "--images", "0").read_text()
    assert "images/" not in text
    assert "secret" not in text
    assert "1 missing" in text


def test_provenance(chrome: Browser, url: str, html: Path) -> None:
    card = {
        **CARD,
        "training": {"recipe": {"epochs": 100}, "note": None},
        "data": {"images": ["ab" * 32] * 144},
    }
    store(url, shots(SCORES), card=card, name="spring", digest="12ab" * 16)
    with opened(chrome, write(html)) as page:
        words = page.locator("#provenance").inner_text()
        for fact in ("1 (spring)", "data/test", "12ab" * 16, "float32", "by 1 worker", "UTC"):
            assert fact in words
        for name in ("Python", "dermscore", "numpy", "scikit-learn", "statsmodels"):
            assert name in words
        page.get_by_text("All entries (5)").click()
        words = page.locator("#provenance details").inner_text()
        assert "training.recipe.epochs\n100" in words
        assert "data.images\n144 entries" in words


def test_warnings_come_first(chrome: Browser, url: str, html: Path) -> None:
    digest = "ab" * 32
    store(
        url,
        [Shot("a.jpg", 1, 0.9, digest), Shot("b.jpg", 0, 0.1)],
        card={"data": {"synthetic": True, "images": [digest]}},
    )
    with opened(chrome, write(html, "--threshold", "0.5")) as page:
        warnings = page.get_by_role("note", name="Warnings").locator("p").all_inner_texts()
        assert warnings == [
            "synthetic images: these figures say nothing about patients",
            WARNING,
        ]
        box = page.locator(".warnings").bounding_box()
        assert box is not None
        assert box["y"] < 400  # pixels: above the fold


def hostile_run(url: str) -> None:
    attributes = {HOSTILE: HOSTILE}
    given = [
        Shot(f"{HOSTILE}.jpg", 1, 0.1, None, attributes),
        Shot("images/\u202egpj.exe\n.jpg", 0, 0.9, None, attributes),
        Shot(f"{'long' * 60}.jpg", 0, 0.8),
        Shot(f"{HOSTILE}.png", 1, "corrupt", detail=HOSTILE),
        *(Shot(f"{at}.jpg", at % 2, 0.5, None, attributes) for at in range(40)),
    ]
    card = {"threshold": {"value": 0.23, "how": HOSTILE}, HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}
    store(url, given, card=card, name=HOSTILE, source=HOSTILE)


def test_hostile_names_are_shown_as_text(chrome: Browser, url: str, html: Path) -> None:
    hostile_run(url)
    with opened(chrome, write(html, "--by", HOSTILE)) as page:
        assert page.locator("h1").inner_text() == f"Run 1: {HOSTILE}"
        assert page.title() == f"Run 1: {HOSTILE} · dermscore report"
        for place in (
            '[data-gallery="fn"] .name >> nth=0',
            '[data-gallery="fn"] dt >> nth=0',
            '[data-gallery="fn"] dd >> nth=0',
            "#unreadable tbody th",
            "#unreadable tbody td >> nth=1",
            "#kind",
            "#figures h3 >> nth=-1",
        ):
            assert HOSTILE in page.locator(place).inner_text()
        # A name that would read backwards, or break its line, is spelled out.
        assert r"images/\u202egpj.exe\n.jpg" in page.locator('[data-gallery="fp"]').inner_text()
        assert page.locator("script").count() == 2
        assert page.locator("img").count() == 0
        assert_as_reported(page, reported(0.23))


def test_nothing_can_be_loaded_or_run(chrome: Browser, url: str, html: Path) -> None:
    """Even if something slipped through: the policy lets nothing in."""
    store(url, shots(SCORES))
    write(html, "--threshold", "0.5")
    asked: list[str] = []
    with chrome.new_context() as context:
        page = context.new_page()
        page.on("requestfinished", lambda request: asked.append(request.url))
        page.goto(html.as_uri())
        ran = page.evaluate(
            """async () => {
              const script = document.createElement("script");
              script.textContent = "window.taken = true";
              document.body.append(script);
              const styled = document.createElement("p");
              styled.setAttribute("style", "color: red");
              document.body.append(styled);
              const fetched = await fetch("data:text/plain,x").then(() => true, () => false);
              return [window.taken === true, fetched, styled.style.color];
            }"""
        )
        assert ran == [False, False, ""]
    assert asked == [html.as_uri()]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_width_needs_scrolling_sideways(
    chrome: Browser, url: str, html: Path, width: int
) -> None:
    hostile_run(url)
    view = {"width": width, "height": 700}
    with opened(chrome, write(html, "--by", HOSTILE), viewport=view) as page:
        page.locator("summary").click()
        over = page.evaluate(
            """width => [...document.querySelectorAll("main *")]
              .filter(one => one.getBoundingClientRect().right > width + 0.5
                && !one.closest(".unseen"))
              .map(one => one.outerHTML.slice(0, 80))""",
            width,
        )
        assert over == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_everything_is_reached_by_tab_in_order(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots([*SCORES, (1, "missing")]), card=CARD)
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


def test_structure_for_assistive_technology(chrome: Browser, url: str, html: Path) -> None:
    hostile_run(url)
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


def test_text_has_contrast(chrome: Browser, url: str, html: Path) -> None:
    hostile_run(url)
    with opened(chrome, write(html, "--by", HOSTILE)) as page:
        type_threshold(page, "two")
        found = page.evaluate(CONTRAST)
    assert len(found) > 100
    assert [(ratio, where) for ratio, where in found if ratio < 4.5] == []


def test_print_keeps_the_sliders_numbers(chrome: Browser, url: str, html: Path) -> None:
    store(url, shots(SCORES), card=CARD)
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


def test_an_unfinished_run_has_no_page(url: str, html: Path) -> None:
    store(url, [Shot("a.jpg", 1, 0.5), Shot("b.jpg", 0, None)])
    done = report("page", "1", "-o", str(html), "--threshold", "0.5")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "run 1: 1 of 2 images are pending" in done.stderr
    assert not html.exists()


def test_a_page_that_cannot_be_written(url: str, tmp_path: Path) -> None:
    store(url, shots(SCORES))
    (tmp_path / "file").touch()
    done = report("page", "-o", str(tmp_path / "file" / "page.html"), "--threshold", "0.5")
    assert done.exit_code == 1
    assert "Error: cannot write the page to" in done.stderr


def test_without_chromium_ci_fails_and_others_skip(tmp_path: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="no Chromium: none of chromium,"):
        chromium(str(tmp_path), {"CI": "true"})
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        chromium(str(tmp_path), {})
    fake = tmp_path / "chromium-browser"
    fake.touch(mode=0o755)
    assert chromium(str(tmp_path), {"CI": "true"}) == str(fake)
