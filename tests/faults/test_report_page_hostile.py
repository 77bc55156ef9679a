"""Names that would be code are text on the page, and the page can load and run nothing."""

from pathlib import Path

from browser import opened
from page_runs import HOSTILE, hostile_run, store
from page_views import SCORES, assert_as_reported, reported, shots, write
from playwright.sync_api import Browser


def test_hostile_names_are_shown_as_text(chrome: Browser, page_url: str, html: Path) -> None:
    hostile_run(page_url)
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
        assert r"images/\u202egpj.exe\x0a.jpg" in page.locator('[data-gallery="fp"]').inner_text()
        assert page.locator("script").count() == 2
        assert page.locator("img").count() == 0
        assert_as_reported(page, reported(0.23))


def test_nothing_can_be_loaded_or_run(chrome: Browser, page_url: str, html: Path) -> None:
    """Even if something slipped through: the policy lets nothing in."""
    store(page_url, shots(SCORES))
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
