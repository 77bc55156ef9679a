"""Cards of earlier releases are read; a field that no release knows is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from model.card import ModelCard
from model.errors import CheckpointError

FIRST: dict[str, Any] = {
    "digest": "0" * 64,
    "decode": {"height": 299, "width": 299, "dct_method": "", "ratio": 1},
    "class_names": ["benign", "malignant"],
    "backbone": {"option": "small", "digest": "1" * 64, "description": "a small network"},
    "data": {
        "train": "data/train",
        "valid": "data/valid",
        "train_counts": {"benign": 1, "malignant": 1},
        "valid_counts": {"benign": 1, "malignant": 1},
        "images": ["2" * 64],
        "synthetic": True,
    },
    "training": {
        "recipe": {"backbone": "small", "epochs": 2, "any option of a later release": None},
        "epochs": 2,
        "best_epoch": 1,
        "history": {"loss": [0.7, 0.6]},
        "note": None,
    },
    "validation": {"loss": 0.6, "roc_auc": None},
    "threshold": {"value": 0.5, "how": "sensitivity at least 0.9"},
    "versions": {"tensorflow": "2.20.0"},
}
SECOND = {
    **FIRST,
    "decode": {**FIRST["decode"], "orientation": "apply"},
    "data": {**FIRST["data"], "valid_images": ["3" * 64]},
    "output": "probability",
}


def read(folder: Path, card: dict[str, Any]) -> ModelCard:
    (folder / "c.json").write_text(json.dumps(card))
    return ModelCard.read(folder / "c.keras")


@pytest.mark.parametrize("card", [FIRST, SECOND, {"digest": "0" * 64, "decode": {}}])
def test_a_card_of_an_earlier_release_is_read(tmp_path: Path, card: dict[str, Any]) -> None:
    kept = read(tmp_path, card).as_json()

    assert {name: kept[name] for name in card if name not in {"data", "decode"}} == {
        name: value for name, value in card.items() if name not in {"data", "decode"}
    }
    assert card.get("data", {}).items() <= (kept["data"] or {}).items()
    assert card["decode"].items() <= kept["decode"].items()


@pytest.mark.parametrize("part", ["", "decode", "backbone", "data", "training", "threshold"])
def test_a_field_that_this_release_does_not_know_is_refused(tmp_path: Path, part: str) -> None:
    unknown = {"normalise": 1}
    card = {**SECOND, part: {**SECOND[part], **unknown}} if part else {**SECOND, **unknown}

    with pytest.raises(CheckpointError) as caught:
        read(tmp_path, card)

    field = f"{part}.normalise".lstrip(".")
    assert caught.value.message == (
        f"{tmp_path}/c.json holds {field}, which this release of dermscore does not know, so the "
        "scores could be wrong: correct the name, take it out, or install the release that wrote "
        "the card"
    )
