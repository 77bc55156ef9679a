"""A class folder with a wrong name leaves its images without label, loudly; it never turns one."""

from pathlib import Path

import pytest

from model.errors import SourceError
from model.sources import list_source


def labels(root: Path, *folders: str) -> dict[str, int | None]:
    """What listing `data`, with an image in each of these folders, makes of them."""
    for folder in folders:
        (root / "data" / folder).mkdir(parents=True)
        (root / "data" / folder / "a.jpg").touch()
    listed = list_source(str(root / "data"), root)
    return {row.path.removeprefix("data/").removesuffix("/a.jpg"): row.label for row in listed}


def test_known_folders(tmp_path: Path) -> None:
    assert labels(tmp_path, "melanoma", "nevus") == {"melanoma": 1, "nevus": 0}


@pytest.mark.parametrize("wrong", ["Melanoma", "melanomas", "mel", "1", "positive"])
def test_one_wrong_name_beside_a_known_one_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SourceError, match=f"{wrong} is not a known class folder"):
        labels(tmp_path, "nevus", wrong)


def test_wrong_names_alone_give_no_label(tmp_path: Path) -> None:
    assert labels(tmp_path, "Melanoma", "not-melanoma") == {"Melanoma": None, "not-melanoma": None}


def test_only_the_first_level_is_a_class(tmp_path: Path) -> None:
    assert labels(tmp_path, "nevus/melanoma", "melanoma") == {"nevus/melanoma": 0, "melanoma": 1}
