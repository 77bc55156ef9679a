"""The pages that are made by running them, run: `make docs` does the same."""

import shutil
from pathlib import Path

import pytest
from processes import PROJECT
from walkthrough.walk import PAGES, walk

# Where each page draws its images, which are the same: the second one to be run finds them drawn.
DRAWN = {"docs/tutorial.md": "first/data", "README.md": "dermscore/.work/demo/data"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.mark.parametrize("name", sorted(PAGES, reverse=True))
def test_a_page_shows_what_its_commands_print(name: str, base: Path) -> None:
    folder = base / Path(name).stem
    folder.mkdir()
    for other, images in DRAWN.items():
        found = base / Path(other).stem / images
        if other != name and found.is_dir():
            shutil.copytree(found, folder / DRAWN[name])
    assert list(walk(PROJECT / name, folder, PAGES[name], print)) == []
