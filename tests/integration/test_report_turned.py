"""The report counts scored images that EXIF says to turn, if the checkpoint does not turn them."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from stored import rows, store_run, succeed

from db.session import open_database
from db.tables import Image, Prediction

AT = ("--threshold", "0.5")
IMAGES = rows([1, 0, 1, 0, None, 0, 1], [0.9, 0.2, 0.8, 0.1, 0.6, "missing", 0.7])
# Of an earlier release: the last, whose orientation is not known.
ORIENTATIONS = [6, 1, 3, 1, 8, None, None]


@pytest.fixture(autouse=True)
def _ledger(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)


def store(url: str, orientations: list[int | None], card: dict[str, Any] | None = None) -> None:
    run = store_run(url, IMAGES, card=card)
    database = open_database(url)
    with database.write() as session:
        for image, orientation in zip(IMAGES, orientations, strict=True):
            this = select(Image.id).where(Image.run_id == run, Image.path == image.path)
            session.execute(
                update(Prediction)
                .where(Prediction.image_id.in_(this))
                .values(orientation=orientation),
                execution_options={"synchronize_session": False},
            )
    database.close()


def warnings(*options: str) -> list[str]:
    lines = succeed(*AT, *options).splitlines()
    return [line for line in lines if line.startswith("warning: ")]


def turned() -> int:
    found: int = json.loads(succeed(*AT, "--format", "json"))["flow"]["turned"]
    return found


def test_images_that_are_stored_turned_are_counted(database_url: str, tmp_path: Path) -> None:
    store(database_url, ORIENTATIONS, {"decode": {}})

    (warning,) = warnings()
    assert warning == (
        "warning: 3 images are stored turned (EXIF orientation), and the checkpoint does not turn "
        "them: they were scored as stored; trainer train --orientation apply makes one that does"
    )
    assert turned() == 3
    page = tmp_path / "page.html"
    succeed("page", *AT, "--output", str(page))
    assert "3 images are stored turned" in page.read_text()


def test_one_image_is_one(database_url: str) -> None:
    store(database_url, [2, *[1] * 6])
    assert warnings()[0].startswith("warning: 1 image is stored turned (EXIF orientation)")


def test_a_checkpoint_that_turns_images_needs_no_warning(database_url: str) -> None:
    store(database_url, ORIENTATIONS, {"decode": {"orientation": "apply"}})
    assert (warnings(), turned()) == ([], 0)


def test_scores_of_an_earlier_release_and_upright_images_need_none(database_url: str) -> None:
    store(database_url, [1, 1, 1, None, None, None, None])
    assert (warnings(), turned()) == ([], 0)
