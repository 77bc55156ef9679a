"""The system's Chromium, headless, and what a page does in it. Nothing is ever downloaded."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium(path: str | None = None, environment: Mapping[str, str] = os.environ) -> str:
    """Chromium's path; without one the test is skipped, or fails where CI has to have it."""
    found = next(filter(None, (shutil.which(name, path=path) for name in NAMES)), None)
    if found is not None:
        return found
    missing = f"no Chromium: none of {', '.join(NAMES)} is on the PATH"
    if environment.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def browser() -> Iterator[Browser]:
    executable = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, file: Path, **options: Any) -> Iterator[Page]:
    """The file in a fresh context; it may ask for nothing but itself and log nothing."""
    with browser.new_context(**options) as context:
        page = context.new_page()
        asked: list[str] = []
        said: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.goto(file.as_uri())
        yield page
        assert [url for url in asked if not url.startswith("data:image/jpeg;")] == [file.as_uri()]
        assert said == []
