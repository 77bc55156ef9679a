"""Several checkpoints in one pass: each image decoded once, each backbone run once, same scores."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import count_decoded, count_passes
from drawing import draw
from networks import (
    DECODE,
    SIDE,
    Saved,
    engine,
    head,
    hub_checkpoint,
    nothing_known,
    paths_in,
    predicted,
    save,
    save_module,
    sequential,
)

from base.runtime import keras, tf
from model.card import Decode
from model.checkpoint import load_held
from model.errors import CheckpointError
from model.held_checkpoint import HeldCheckpoint, hold_checkpoint
from model.hub.hub_module import HubModule, module_digest

IMAGES = 7


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(IMAGES):
        draw(tmp_path / "data" / f"{seed}.jpg", seed=seed)
    return tmp_path / "data"


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("hub") / "module")


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the decoder really decoded."""
    return count_decoded(monkeypatch)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass through a backbone took."""
    return count_passes(monkeypatch)


def scores(root: Path, *checkpoints: Saved, precision: str = "float32") -> list[dict[int, float]]:
    """Scores by position of a run of each, scored together in a process of their own."""
    runs = [saved.spec(at, precision) for at, saved in enumerate(checkpoints, 1)]
    scorer = engine(root, root.parent / "cache")
    return [run.scores for run in scorer.score(runs, paths_in(root), nothing_known).runs]


def functional(_module: Path) -> Any:
    images = keras.Input((SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(4, 3)(images))
    return keras.Model(images, keras.layers.Dense(1, activation="sigmoid")(pooled))


def small(_module: Path) -> Any:
    layers = keras.layers
    stages = layers.AveragePooling2D(4), layers.Conv2D(8, 3), layers.GlobalAveragePooling2D()
    return sequential(*stages, layers.Dense(1, activation="sigmoid"))


def nested(_module: Path) -> Any:
    """A backbone that is somebody's own, and a head of two layers."""
    inner = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            keras.layers.Conv2D(8, 5, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
        ]
    )
    return sequential(inner, keras.layers.Dense(8, activation="tanh"), head(3))


def ends_with_its_backbone(_module: Path) -> Any:
    return sequential(keras.layers.Rescaling(0.5), small(_module))


def module_and_head(module: Path) -> Any:
    return sequential(HubModule(8, module), keras.layers.Dropout(0.5), head(5))


@pytest.mark.parametrize(
    "network", [functional, small, nested, ends_with_its_backbone, module_and_head]
)
def test_scores_are_those_of_the_whole_keras_network(
    network: Callable[[Path], Any], root: Path, module: Path, tmp_path: Path
) -> None:
    saved = save(tmp_path / "one.keras", network(module))

    (found,) = scores(root, saved)

    expected = predicted(saved, root, paths_in(root))
    assert np.ptp(expected) > 1e-3, "the network tells images apart"
    assert [found[at] for at in range(IMAGES)] == pytest.approx(expected, abs=1e-6)


def test_checkpoints_of_one_backbone_share_decoding_and_its_pass(
    root: Path, module: Path, tmp_path: Path, decoded: list[int], passes: list[int]
) -> None:
    heads = [hub_checkpoint(tmp_path / f"{seed}.keras", module, seed) for seed in (1, 2, 3)]
    scorer = engine(root, tmp_path / "cache")
    runs = [saved.spec(at) for at, saved in enumerate(heads)]
    for spec in runs:
        scorer.prepare(spec)
    passes.clear()

    together = scorer.score(runs, paths_in(root), nothing_known)

    assert decoded == [IMAGES]
    assert passes == [IMAGES]
    alone = [scores(root, saved)[0] for saved in heads]
    assert [run.scores for run in together.runs] == alone, "to the bit"
    assert len({tuple(one.values()) for one in alone}) == 3
    assert min(together.seconds.read, together.seconds.decode, together.seconds.compute) > 0


def test_checkpoints_of_different_backbones_share_decoding_alone(
    root: Path, module: Path, tmp_path: Path, decoded: list[int]
) -> None:
    checkpoints = [
        hub_checkpoint(tmp_path / "hub.keras", module, 1),
        save(tmp_path / "small.keras", small(module)),
        save(tmp_path / "functional.keras", functional(module)),
    ]

    together = scores(root, *checkpoints)

    assert decoded == [IMAGES]
    assert together == [scores(root, saved)[0] for saved in checkpoints], "to the bit"


@pytest.mark.parametrize(
    "other", [Decode(height=48, width=48), DECODE.model_copy(update={"ratio": 2})]
)
def test_each_checkpoint_sees_images_as_its_card_says(
    other: Decode, root: Path, module: Path, tmp_path: Path, decoded: list[int]
) -> None:
    network = keras.Sequential(
        [keras.Input((other.height, other.width, 3)), HubModule(8, module), head(1)]
    )
    one = hub_checkpoint(tmp_path / "one.keras", module, 1)
    two = save(tmp_path / "two.keras", network, decode=other)

    together = scores(root, one, two)

    assert decoded == [IMAGES, IMAGES]
    assert together[0] != together[1]
    for found, saved in zip(together, (one, two), strict=True):
        expected = predicted(saved, root, paths_in(root))
        assert list(found.values()) == pytest.approx(expected, abs=1e-6)


def test_bad_images_are_errors_of_every_run_and_shift_no_score(
    root: Path, module: Path, tmp_path: Path
) -> None:
    heads = [hub_checkpoint(tmp_path / f"{seed}.keras", module, seed) for seed in (1, 2)]
    before = scores(root, *heads)
    (root / "3.jpg").write_text("no picture")
    (root / "0.jpg").unlink()
    listed = [f"{at}.jpg" for at in range(IMAGES)]

    runs = [saved.spec(at) for at, saved in enumerate(heads)]
    after = engine(root, tmp_path / "cache").score(runs, listed, nothing_known).runs

    for was, run in zip(before, after, strict=True):
        assert {at: error.code for at, error in run.errors.items()} == {
            0: "missing",
            3: "not_an_image",
        }
        assert run.scores == {at: score for at, score in was.items() if at not in {0, 3}}


def test_a_batch_of_bad_images_alone_is_computed_too(
    root: Path, module: Path, tmp_path: Path
) -> None:
    saved = hub_checkpoint(tmp_path / "one.keras", module, 1)
    (root / "0.jpg").write_text("no picture")

    (run,) = engine(root, tmp_path / "cache").score([saved.spec()], ["0.jpg"], nothing_known).runs

    assert run.scores == {}
    assert run.errors[0].code == "not_an_image"


class Refusing(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Loads well, and then fails on whatever it is shown."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        with tf.control_dependencies([tf.debugging.assert_greater(images, 2.0, "too dark")]):
            return tf.reduce_mean(images, [1, 2])


def test_a_checkpoint_that_cannot_be_run_is_one_that_is_not_to_be_had(
    root: Path, tmp_path: Path
) -> None:
    """Another exception would hold up the runs that were enqueued together with its own."""
    tf.saved_model.save(Refusing(), str(tmp_path / "refusing"))
    network = sequential(HubModule(3, tmp_path / "refusing"), head(1, 3))
    saved = save(tmp_path / "one.keras", network)
    scorer = engine(root, tmp_path / "cache")

    with pytest.raises(CheckpointError, match=r"one\.keras cannot be run: .*too dark") as caught:
        scorer.prepare(saved.spec())

    assert "\n" not in caught.value.message
    assert scorer.failure(saved.digest, "float32") is caught.value


def test_a_false_claim_of_another_backbone_costs_no_score(
    root: Path, module: Path, tmp_path: Path
) -> None:
    """The card says that both are of one backbone; the bytes do not."""
    other = save_module(tmp_path / "other", seed=9)
    honest = hub_checkpoint(tmp_path / "honest.keras", module, 1)
    liar = hub_checkpoint(tmp_path / "liar.keras", other, 1, claim=module_digest(module))

    together = scores(root, honest, liar)

    for found, saved in zip(together, (honest, liar), strict=True):
        expected = predicted(saved, root, paths_in(root))
        assert list(found.values()) == pytest.approx(expected, abs=1e-6)
    assert together[0] != together[1]


def test_a_score_does_not_depend_on_the_company_that_an_image_is_in(
    root: Path, module: Path, tmp_path: Path
) -> None:
    for seed in range(IMAGES, 20):
        draw(root / f"{seed}.jpg", seed=seed)
    saved = hub_checkpoint(tmp_path / "one.keras", module, 1)
    scorer, paths = engine(root, tmp_path / "cache"), paths_in(root)
    (whole,) = scorer.score([saved.spec()], paths, nothing_known).runs

    for count in range(1, 20):
        (part,) = scorer.score([saved.spec()], paths[-count:], nothing_known).runs
        expected = [whole.scores[at] for at in range(20 - count, 20)]
        assert list(part.scores.values()) == expected, f"to the bit, {count} of 20"


def swappable(folder: Path) -> tuple[Saved, Saved]:
    """A checkpoint that a run is pinned to, and another that takes its name."""
    flat = keras.layers.Flatten
    pinned = save(folder / "pinned.keras", sequential(flat(), head(0, SIDE * SIDE * 3)))
    other = save(folder / "other.keras", sequential(flat(), head(1, SIDE * SIDE * 3)))
    return pinned, other


def test_a_checkpoint_swapped_before_it_is_held_is_refused(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned, other = swappable(tmp_path)

    def swapping(path: Path) -> HeldCheckpoint:
        swap(other.path, path)
        return hold_checkpoint(path)

    monkeypatch.setattr("worker.scoring.model_registry.hold_checkpoint", swapping)
    with pytest.raises(CheckpointError, match=r"pinned\.keras is another checkpoint"):
        engine(root, tmp_path / "cache").prepare(pinned.spec(1))


def test_a_checkpoint_overwritten_while_it_is_loaded_is_loaded_as_it_was(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place, so that a process that has the file open would read the other's bytes."""
    pinned, other = swappable(tmp_path)
    expected = scores(root, pinned)
    assert expected != scores(root, other)

    def swapping(held: HeldCheckpoint) -> Any:
        swap(other.path, held.path)
        return load_held(held)

    monkeypatch.setattr("model.checkpoint.load_held", swapping)
    assert scores(root, pinned) == expected


def swap(checkpoint: Path, name: Path) -> None:
    for suffix in (".keras", ".json"):
        shutil.copy(checkpoint.with_suffix(suffix), name.with_suffix(suffix))
