"""Which backbones checkpoints share: by the layers' own bytes, not by the word of a card."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import DECODE, SIDE, Saved, head, hub_checkpoint, save, save_module, sequential

from base.runtime import keras
from model.backbones import rescaling, split, weights_digest
from model.card import Backbone
from model.checkpoint import load_checkpoint
from model.held_checkpoint import hold_checkpoint
from model.hub.hub_module import HubModule, module_digest
from worker.scoring.loaded_model import Backbones, LoadedModel

NAME = "MobileNet"
MOBILE_FEATURES = 256


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("hub") / "module")


def mobile_net(seed: int = 0, pooling: str = "avg") -> Any:
    """A small network of keras.applications; its weights depend on the seed alone."""
    network = keras.applications.MobileNet(
        input_shape=(SIDE, SIDE, 3), alpha=0.25, include_top=False, weights=None, pooling=pooling
    )
    numbers = np.random.default_rng(seed)
    kernels = [numbers.normal(size=one.shape, scale=0.2) for one in network.get_weights()]
    # Variances are among them.
    network.set_weights([np.abs(one).astype(np.float32) + 0.1 for one in kernels])
    network.trainable = False
    return network


def card_of(network: Any, option: str = f"keras:{NAME}") -> Backbone:
    return Backbone(option=option, digest=weights_digest(network, NAME), description="a test's")


def keras_checkpoint(path: Path, network: Any, seed: int) -> Saved:
    layers = rescaling(NAME), network, head(seed, MOBILE_FEATURES)
    return save(path, sequential(*layers), card_of(network))


def scorers(*checkpoints: Saved, precision: str = "float32") -> list[LoadedModel]:
    """Loaded in one process."""
    backbones = Backbones()
    with ExitStack() as holding:
        held = [holding.enter_context(hold_checkpoint(saved.path)) for saved in checkpoints]
        return [LoadedModel(one, precision, backbones) for one in held]


def scores(scorer: LoadedModel) -> list[float]:
    images = np.random.default_rng(5).random((3, SIDE, SIDE, 3), np.float32)
    found: list[float] = scorer.score_images(images).tolist()
    return found


def assert_apart(*checkpoints: Saved) -> None:
    """Each has a graph and kept features of its own, and scores as it does alone."""
    first, *others = loaded = scorers(*checkpoints)
    for other in others:
        assert other.backbone.graph is not first.backbone.graph
        assert other.backbone.key is None or other.backbone.key != first.backbone.key
    assert [scores(one) for one in loaded] == [scores(*scorers(one)) for one in checkpoints]


def test_heads_on_one_module_share_its_frozen_graph(module: Path, tmp_path: Path) -> None:
    one, two = scorers(
        hub_checkpoint(tmp_path / "one.keras", module, 1),
        hub_checkpoint(tmp_path / "two.keras", module, 2),
    )

    assert one.backbone.graph is two.backbone.graph
    assert one.backbone.key is not None
    assert one.backbone.key.backbone == module_digest(module)
    assert one.backbone.key.variant == ""
    assert scores(one) != scores(two)


def test_heads_on_one_network_of_keras_share_its_frozen_graph(tmp_path: Path) -> None:
    one, two = scorers(
        keras_checkpoint(tmp_path / "one.keras", mobile_net(), 1),
        keras_checkpoint(tmp_path / "two.keras", mobile_net(), 2),
    )

    assert one.backbone.graph is two.backbone.graph
    assert one.backbone.key is not None
    assert one.backbone.key.shape == (MOBILE_FEATURES,)
    assert scores(one) != scores(two)


def test_a_module_that_the_card_does_not_name_is_not_shared(module: Path, tmp_path: Path) -> None:
    other = save_module(tmp_path / "other", 9)
    honest = hub_checkpoint(tmp_path / "honest.keras", module, 1)
    liar = hub_checkpoint(tmp_path / "liar.keras", other, 1, claim=module_digest(module))

    assert_apart(honest, liar)
    assert scorers(liar)[0].backbone.key is None


def shared_as(network: Any, card: Backbone, scaling: Any = None) -> str | None:
    """The digest under which a checkpoint of this network and card would share its features."""
    before = scaling or rescaling(NAME)
    whole = sequential(before, network, head(1, MOBILE_FEATURES))
    return split(whole, card).digest


def test_a_network_is_known_again_after_it_was_saved(tmp_path: Path) -> None:
    network = mobile_net()
    saved = keras_checkpoint(tmp_path / "one.keras", network, 1)

    assert split(load_checkpoint(saved.path)[0], card_of(network)).digest == card_of(network).digest


def test_a_fine_tuned_network_is_not_shared() -> None:
    """Its card still names the network that it was made from."""
    base, tuned = mobile_net(), mobile_net()
    assert shared_as(tuned, card_of(base)) == card_of(base).digest
    weights = tuned.get_weights()
    weights[-1] = weights[-1] + np.float32(1e-3)
    tuned.set_weights(weights)

    assert shared_as(tuned, card_of(base)) is None


def test_the_same_weights_in_another_architecture_are_not_shared() -> None:
    assert shared_as(mobile_net(pooling="max"), card_of(mobile_net())) is None


@pytest.mark.parametrize(
    "scaling",
    [keras.layers.Rescaling(255.0), keras.layers.Rescaling(2.0), keras.layers.RandomFlip()],
    ids=["255", "no offset", "another layer"],
)
def test_a_network_that_sees_other_pixels_is_not_shared(scaling: Any) -> None:
    network = mobile_net()

    assert shared_as(network, card_of(network)) is not None
    assert shared_as(network, card_of(network), scaling) is None


@pytest.mark.parametrize("option", [f"keras:{NAME}V2", "keras:Unheard", "small"])
def test_a_card_that_names_another_network_is_not_believed(option: str) -> None:
    network = mobile_net()

    assert shared_as(network, card_of(network, option)) is None


def test_a_module_behind_another_layer_is_not_shared(module: Path, tmp_path: Path) -> None:
    card = Backbone(option="hub:x", digest=module_digest(module), description="a tiny module")
    network = sequential(keras.layers.Rescaling(2.0), HubModule(8, module), head(1))

    (two,) = scorers(save(tmp_path / "two.keras", network, card))

    assert two.backbone.key is None


def test_other_decode_settings_have_other_features(module: Path, tmp_path: Path) -> None:
    one, two = scorers(
        hub_checkpoint(tmp_path / "one.keras", module, 1),
        hub_checkpoint(
            tmp_path / "two.keras", module, 1, decode=DECODE.model_copy(update={"ratio": 2})
        ),
    )

    assert one.backbone.key is not None
    assert two.backbone.key is not None
    assert one.backbone.key.name != two.backbone.key.name


def test_a_network_without_a_backbone_is_one_part() -> None:
    images = keras.Input((SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(images)
    whole = keras.Model(images, keras.layers.Dense(1)(pooled))
    card = Backbone(option="small", digest="0" * 64, description="none")

    assert split(whole, card) == ([whole], [], None)


def test_two_backbones_in_a_row_are_one_part() -> None:
    def inner(channels: int) -> Any:
        return keras.Sequential([keras.Input((SIDE, SIDE, channels)), keras.layers.Conv2D(4, 1)])

    network = sequential(inner(3), inner(4), keras.layers.Flatten(), keras.layers.Dense(1))

    assert split(network, None) == ([network], [], None)


def test_without_a_card_of_its_backbone_nothing_is_shared(module: Path, tmp_path: Path) -> None:
    nameless = [
        save(tmp_path / f"{seed}.keras", sequential(HubModule(8, module), head(seed)))
        for seed in (1, 2)
    ]

    assert_apart(*nameless)
    assert [one.backbone.key for one in scorers(*nameless)] == [None, None]
