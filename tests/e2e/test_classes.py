"""A checkpoint of three classes, from a folder of images to its confusion matrix."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from networks import Saved, classes_checkpoint
from PIL import Image
from processes import Site

# Each image is of its colour, but for the last, a blue one that is truly green.
COLOURS = {"red": (250, 20, 10), "green": (10, 240, 30), "blue": (30, 40, 230)}
TRUTH = {"a": "red", "b": "red", "c": "Green", "d": "blue", "e": "green"}
DRAWN = {**TRUTH, "c": "green", "e": "blue"}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    return classes_checkpoint(
        tmp_path_factory.mktemp("classes"), positive=("red", "blue"), summed=(1, 0, 1)
    )


@pytest.fixture
def site(saved: Saved, database_url: str, tmp_path: Path) -> Site:
    for name, colour in DRAWN.items():
        Image.new("RGB", (40, 40), COLOURS[colour]).save(tmp_path / f"{name}.png")
    rows = [f"{name}.png,{colour}" for name, colour in TRUTH.items()]
    (tmp_path / "m.csv").write_text("\n".join(["path,dx", *rows, "gone.png,red"]))
    return Site(tmp_path, {"CHECKPOINT": str(saved.path), "DATABASE_URL": database_url})


def test_every_class_of_a_run_is_stored_reported_and_exported(site: Site) -> None:
    site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    site.drain()

    stored = {
        path: (score, json.loads(row or "[]"))
        for path, score, row in site.ledger.rows(
            "SELECT path, score, CAST(probabilities AS text) FROM images"
            " JOIN predictions ON image_id = images.id"
        )
    }
    assert stored.pop("gone.png") == (None, [])
    for name, colour in DRAWN.items():
        score, row = stored[f"{name}.png"]
        pixels = np.exp(5 * np.array(COLOURS[colour]) / 255)
        assert row == pytest.approx(pixels / pixels.sum(), abs=1e-5)
        assert score == pytest.approx(row[0] + row[2], abs=1e-6)

    done = site.succeed("report", "--threshold", "0.5", "--classes", "--format", "json")
    classes = json.loads(done.stdout)["classes"]
    assert classes["names"] == ["red", "green", "blue"]
    assert classes["confusion"] == [[2, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert classes["balanced_accuracy"]["value"] == pytest.approx((1 + 0.5 + 1) / 3)

    done = site.succeed("report", "export", "1", "--format", "isic")
    exported = list(csv.reader(io.StringIO(done.stdout)))
    assert exported[0] == ["image", "red", "green", "blue"]
    assert exported[1] == ["a", *map(str, stored["a.png"][1])]
    assert len(exported) == 6
