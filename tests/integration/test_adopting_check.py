"""`trainer adopt --check`: other scores than its owner's are refused, and what fits is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from owners import (
    OWNERS_RANGES,
    as_keras,
    convolved,
    draw_images,
    loud,
    pixels,
    trainer_adopt,
    write_csv,
)

from base.runtime import keras

THREE = ("--classes", "nevus,melanoma,other")


class Case:
    """A model of three classes, images, and the scores that its owner gives them."""

    def __init__(self, folder: Path) -> None:
        self.names = draw_images(folder)
        self.given = pixels(folder, self.names)
        # Bounded, so that the largest numbers do not leave scores of 0 and 1 alone.
        self.network = convolved(keras, keras.layers.Dense(3, "softmax"), activation="tanh")
        random = np.random.default_rng(1)
        self.network.set_weights(
            [random.normal(0, 0.2, weight.shape) for weight in self.network.get_weights()[:2]]
            + [random.normal(0, 1.5, weight.shape) for weight in self.network.get_weights()[2:]]
        )
        self.source = as_keras(self.network, folder)

    def rows(self, given: Any) -> Any:
        return self.network.predict(given, verbose=0)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return Case(tmp_path_factory.mktemp("case"))


@pytest.fixture(autouse=True)
def data_root(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATA_ROOT", str(case.source.parent))


def refused(case: Case, folder: Path, columns: dict[str, Any], *says: str) -> str:
    """The sentence about a check that fails; nothing is written."""
    table = write_csv(folder / "predictions.csv", case.names, columns)
    out = folder / "out.keras"
    told = trainer_adopt(case.source, "-o", out, *says, "--check", table)
    assert told.exit_code == 1, told.output
    assert not out.exists()
    assert "predictions.csv: the scores of 6 images are up to" in told.output
    return told.output


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("unit", "byte"),
        ("signed", "unit"),
        ("imagenet", "unit"),
        ("caffe", "byte"),
        ("byte", "signed"),
    ],
)
def test_a_wrong_range_is_named(truth: str, said: str, case: Case, tmp_path: Path) -> None:
    rows = case.rows(OWNERS_RANGES[truth](case.given))
    says = ("--input-range", said, *THREE, "--positive", "melanoma")
    message = refused(case, tmp_path, {"score": rows[:, 1]}, *says)
    assert "they agree to " in message
    assert message.endswith(f" with --input-range {truth}\n")


@pytest.mark.parametrize(
    ("columns", "option"),
    [
        ([0], "--positive nevus"),
        ([0, 2], "--positive nevus,other"),
    ],
)
def test_wrong_classes_are_named(
    columns: list[int], option: str, case: Case, tmp_path: Path
) -> None:
    score = case.rows(case.given / 255)[:, columns].sum(axis=1)
    says = ("--input-range", "unit", *THREE, "--positive", "melanoma")
    assert refused(case, tmp_path, {"score": score}, *says).endswith(f" with {option}\n")


def test_a_wrong_order_and_range_are_named_together(case: Case, tmp_path: Path) -> None:
    rows = case.rows(case.given / 127.5 - 1)
    columns = {"other": rows[:, 0], "nevus": rows[:, 1], "melanoma": rows[:, 2]}
    says = ("--input-range", "byte", *THREE, "--positive", "melanoma")
    message = refused(case, tmp_path, columns, *says)
    assert message.endswith(" with --input-range signed --classes other,nevus,melanoma\n")


def test_where_nothing_fits_it_says_so(case: Case, tmp_path: Path) -> None:
    says = ("--input-range", "unit", *THREE, "--positive", "melanoma")
    message = refused(case, tmp_path, {"score": np.linspace(0.1, 0.9, 6)}, *says)
    assert "no other range, library, resize, fit or class gives them" in message


def test_a_sigmoid_the_other_way_round_is_named(case: Case, tmp_path: Path) -> None:
    network = loud(convolved(keras, keras.layers.Dense(1, "sigmoid")), case.given / 255)
    table = write_csv(
        tmp_path / "scores.csv",
        case.names,
        {"score": 1 - network.predict(case.given / 255, verbose=0)[:, 0]},
    )
    said = ("-o", tmp_path / "out.keras", "--input-range", "unit", "--check", table)
    source = as_keras(network, tmp_path)
    fits = ("--classes", "malignant,benign", "--positive", "malignant")

    wrong = trainer_adopt(source, *said)
    right = trainer_adopt(source, *said, *fits)

    assert wrong.output.endswith(f" with {' '.join(fits)}\n")
    assert right.exit_code == 0, right.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,age\nlesion_0.png,high\n", ":2: 'high' is not a number between 0 and 1"),
        ("path,score\nlesion_0.png,1.5\n", ":2: '1.5' is not a number between 0 and 1"),
        ("picture,score\nlesion_0.png,0.5\n", ":1: there must be one column `path`"),
        ("path,one,two\nlesion_0.png,0.5,0.5\n", ":1: there must be one column `score`"),
        ("path,score\n", "there are no rows below the header"),
        ("path,score\nnone.png,0.5\n", "--check: none.png: "),
    ],
)
def test_predictions_that_cannot_be_compared_are_refused(
    text: str, words: str, case: Case, tmp_path: Path
) -> None:
    table = tmp_path / "predictions.csv"
    table.write_text(text)
    says = ("--input-range", "unit", *THREE, "--positive", "melanoma", "--check", table)
    told = trainer_adopt(case.source, "-o", tmp_path / "out.keras", *says)
    assert told.exit_code == 1
    assert words in told.output
    assert len(told.output.splitlines()) == 1
