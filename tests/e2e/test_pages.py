"""The pages that are made by running them, run: `make docs` does the same."""

from pathlib import Path

import pytest
from processes import PROJECT
from walkthrough.walk import PAGES, walk

pytestmark = pytest.mark.usefixtures("measured")


@pytest.mark.parametrize("name", list(PAGES))
def test_a_page_shows_what_its_commands_print(name: str, tmp_path: Path) -> None:
    assert list(walk(PROJECT / name, tmp_path, PAGES[name], print)) == []
