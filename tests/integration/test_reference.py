"""docs/reference says what the programs say, and the site of the docs needs no network."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from playwright.sync_api import Browser
from processes import PROJECT
from reference.pages import FOLDER, rendered
from reference.schema import DIALECT

NAMES = sorted(path.name for path in FOLDER.iterdir())
BUILD = PROJECT / "docs" / "site" / "build.py"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return rendered()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_says_what_the_programs_say(name: str, made: dict[str, str]) -> None:
    assert (FOLDER / name).read_text() == made[name], "`make reference` writes it anew"


def test_every_page_is_there(made: dict[str, str]) -> None:
    assert set(made) == set(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(".md")])
def test_every_row_says_what_it_means(name: str) -> None:
    rows = [
        row
        for row in (FOLDER / name).read_text().splitlines()
        if row.startswith("| `") and name != "json.md"
    ]
    assert [row for row in rows if re.search(r"\|\s*\|", row)] == []


@pytest.mark.parametrize("name", ["report", "status"])
def test_a_schema_is_one(name: str) -> None:
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text())
    assert schema["$schema"] == DIALECT
    Draft202012Validator.check_schema(schema)


def build(script: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, folder], capture_output=True, text=True, check=False
    )


def test_the_site_finds_words_and_draws_pictures_from_disk(tmp_path: Path, chrome: Browser) -> None:
    done = build(BUILD, tmp_path)
    assert done.returncode == 0, done.stderr
    outside: list[str] = []
    with chrome.new_context(viewport={"width": 390, "height": 800}) as context:
        page = context.new_page()
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith(("file:", "data:", "blob:"))
                else outside.append(request.url)
            ),
        )
        page.goto((tmp_path / "html" / "docs" / "architecture.html").as_uri())
        page.wait_for_function("[...document.querySelectorAll('div.mermaid')].length >= 2")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        page.click("label[for=__search].md-header__button")
        page.locator("input[name=query]").press_sequentially("youden")
        page.wait_for_selector(".md-search-result__link")
    assert outside == []


def test_a_link_and_an_anchor_that_lead_nowhere_fail_the_build(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(PROJECT / "docs", copy / "docs")
    for path in (*PROJECT.glob("*.md"), PROJECT / "LICENSE", PROJECT / "CITATION.cff"):
        shutil.copy(path, copy)
    page = copy / "docs" / "scaling.md"
    page.write_text(page.read_text() + "\n[a](absent.md) [b](images.md#absent)\n")
    done = build(copy / "docs" / "site" / "build.py", tmp_path / "built")
    assert done.returncode == 1
    assert "absent.md" in done.stderr
    assert "#absent" in done.stderr
