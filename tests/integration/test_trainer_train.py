"""Training the head: Keras's own `fit` gives the same figures, and an interruption changes none."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import pytest

from base.runtime import keras
from model.card import Backbone
from trainer.options import RECIPES, WITHOUT_LAYERS
from trainer.training.augment import augment
from trainer.training.backbone import FrozenBackbone
from trainer.training.features import FeatureRows
from trainer.training.recipe import Recipe
from trainer.training.state import TrainingState
from trainer.training.train import HeadTraining, evaluate

Floats = npt.NDArray[np.float32]

FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
# A rate at which nothing is learned that could be seen.
NO_RATE = 1e-12
MADE_UP = FrozenBackbone(None, Backbone(option="none", digest="0" * 64, description="made up"))
# The score unit of tests that count by hand: benign features are 0, malignant ones 1.
SLOPE, INTERCEPT = 4.0, -1.0
BENIGN_LOSS = float(np.log1p(np.exp(-1)))  # -ln(1 - sigmoid(-1))
MALIGNANT_LOSS = float(np.log1p(np.exp(-3)))  # -ln sigmoid(4 - 1)


def recipe(**options: Any) -> Recipe:
    return Recipe(**{"backbone": "none", "epochs": 3, "batch_size": 16, **options})


def rows(count: int = 60, seed: int = 0, width: int = 8) -> FeatureRows:
    """Made-up features that tell the classes apart a little; about a third is malignant."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 3 == 0).astype(np.float32)
    features = rng.normal(labels[:, None] / 2, 1, (count, width)).astype(np.float32)
    return FeatureRows(features, labels, [f"{at:064x}" for at in range(count)])


def one_value(benign: int, malignant: int) -> FeatureRows:
    """One feature, 0 for each benign image and 1 for each malignant one."""
    labels = np.array([0] * benign + [1] * malignant, np.float32)
    return FeatureRows(labels[:, None].copy(), labels, ["" for _ in labels])


def run(training: HeadTraining, folder: Path) -> HeadTraining:
    training.run(folder / "state", lambda _: None, folder / "logs")
    return training


def train(
    folder: Path,
    wanted: Recipe,
    training_rows: FeatureRows | None = None,
    validation_rows: FeatureRows | None = None,
) -> HeadTraining:
    on = rows() if training_rows is None else training_rows
    by = rows(25, seed=1) if validation_rows is None else validation_rows
    return run(HeadTraining(MADE_UP, on, by, wanted), folder)


def weights(training: HeadTraining) -> list[Floats]:
    found: list[Floats] = training.head.get_weights()
    return found


def assert_equal_weights(ones: list[Floats], others: list[Floats], within: float = 0) -> None:
    for one, other in zip(ones, others, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=within)


def fitted(
    network: Any, wanted: Recipe, inputs: tuple[Floats, Floats], valid: tuple[Floats, Floats],
    class_weight: dict[int, float] | None = None,
) -> dict[str, list[float]]:  # fmt: skip
    """What Keras's `fit` says of each epoch, rows in the order of the seed and the epoch."""
    network.compile(wanted.optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    for epoch in range(wanted.epochs):
        order = np.random.default_rng([wanted.seed, epoch]).permutation(len(inputs[1]))
        history = network.fit(
            *(column[order] for column in inputs), batch_size=wanted.batch_size, shuffle=False,
            validation_data=valid, class_weight=class_weight, verbose=0,
        ).history  # fmt: skip
        for name in FIGURES:
            found[name] += history[name]
    return found


def score_unit(width: int, initial: list[Floats]) -> Any:
    network = keras.Sequential([keras.Input((width,)), keras.layers.Dense(1, activation="sigmoid")])
    network.set_weights(initial)
    return network


@pytest.mark.parametrize(
    ("optimizer", "class_weight"),
    [("rmsprop", None), ("adam", {0: 60 / 80, 1: 60 / 40})],
    ids=["the tutorial's", "balanced"],
)
def test_losses_are_those_of_fit(
    tmp_path: Path, optimizer: str, class_weight: dict[int, float] | None
) -> None:
    """60 rows in batches of 16: the last holds 12 and counts for 12. 40 are benign."""
    balance = "none" if class_weight is None else "weights"
    wanted = recipe(optimizer=optimizer, balance=balance)
    on, by = rows(60), rows(25, seed=1)
    training = HeadTraining(MADE_UP, on, by, wanted)
    plain = score_unit(8, weights(training))

    run(training, tmp_path)
    expected = fitted(
        plain, wanted, (on.features, on.labels), (by.features, by.labels), class_weight
    )

    for name in FIGURES:
        assert training.state.history[name] == pytest.approx(expected[name], abs=1e-5), name
    assert_equal_weights(weights(training), plain.get_weights(), within=1e-5)
    assert min(np.abs(np.diff(expected["loss"]))) > 1e-3, "something was learned"


def test_losses_are_those_of_training_the_whole_network(tmp_path: Path) -> None:
    """Features once and the head on them, or every image through the network in every epoch."""
    keras.utils.set_random_seed(1)
    convolution = keras.layers.Conv2D(12, 3, activation="relu")
    backbone = keras.Sequential(
        [keras.Input((32, 32, 3)), convolution, keras.layers.GlobalAveragePooling2D()]
    )
    backbone.trainable = False
    images, labels = pictures(40, 0)
    valid_images, valid_labels = pictures(20, 1)
    wanted = recipe(epochs=5, learning_rate=1e-3)
    on, by = (
        FeatureRows(backbone.predict(some, verbose=0), truth, [])
        for some, truth in ((images, labels), (valid_images, valid_labels))
    )
    training = HeadTraining(FrozenBackbone(backbone, MADE_UP.card), on, by, wanted)
    unit = score_unit(12, weights(training))
    whole = keras.Sequential([keras.Input((32, 32, 3)), backbone, unit])

    run(training, tmp_path)
    expected = fitted(whole, wanted, (images, labels), (valid_images, valid_labels))

    assert training.state.history["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-3)
    assert training.state.history["loss"] == pytest.approx(expected["loss"], abs=1e-3)
    assert expected["val_loss"][0] - expected["val_loss"][-1] > 2e-3, "something was learned"


def pictures(count: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2).astype(np.float32)
    brightness = 0.6 * labels[:, None, None, None]
    return (0.4 * rng.random((count, 32, 32, 3)) + brightness).astype(np.float32), labels


def known_weights() -> list[Floats]:
    return [np.array([[SLOPE]], np.float32), np.array([INTERCEPT], np.float32)]


def loss_of_an_epoch(folder: Path, **options: Any) -> float:
    """Loss over 12 benign and 4 malignant images where nothing is learned."""
    wanted = recipe(epochs=1, learning_rate=NO_RATE, **options)
    training = HeadTraining(MADE_UP, one_value(12, 4), one_value(1, 1), wanted)
    training.head_with(known_weights())
    run(training, folder)
    return training.state.history["loss"][0]


@pytest.mark.parametrize(
    ("balance", "benign", "malignant"),
    [("none", 12 / 16, 4 / 16), ("weights", 1 / 2, 1 / 2), ("oversample", 1 / 2, 1 / 2)],
)
def test_the_classes_count_as_they_should(
    tmp_path: Path, balance: str, benign: float, malignant: float
) -> None:
    """In batches of five, the last is a partial one."""
    loss = loss_of_an_epoch(tmp_path, balance=balance, batch_size=5)
    assert loss == pytest.approx(benign * BENIGN_LOSS + malignant * MALIGNANT_LOSS, abs=1e-6)


@pytest.mark.parametrize(("balance", "seen"), [("none", 16), ("oversample", 24)])
def test_oversampling_repeats_the_rarer_class_only(tmp_path: Path, balance: str, seen: int) -> None:
    """12 benign and 4 malignant; in batches of one, a step is a row."""
    wanted = recipe(epochs=1, batch_size=1, balance=balance)
    training = train(tmp_path, wanted, one_value(12, 4), one_value(1, 1))
    assert int(training.head.optimizer.iterations) == seen


def test_another_seed_is_another_training(tmp_path: Path) -> None:
    one, same, other = (
        train(tmp_path / name, recipe(seed=seed)) for name, seed in (("1", 7), ("2", 7), ("3", 8))
    )
    assert_equal_weights(weights(one), weights(same))
    assert np.abs(weights(one)[0] - weights(other)[0]).max() > 0.01


def test_it_stops_when_patience_runs_out(tmp_path: Path) -> None:
    """Judged by the opposite labels, every epoch is worse than the one before."""
    on = rows()
    training = train(tmp_path, recipe(epochs=50, patience=3), on, opposite(on))
    assert training.state.epochs == 4
    assert [best.epoch for best in training.chosen] == [1]
    assert sorted(training.state.history["val_loss"]) == training.state.history["val_loss"]


def opposite(some: FeatureRows) -> FeatureRows:
    return some._replace(labels=1 - some.labels)


def recorded(keep: int, losses: list[float]) -> TrainingState:
    state = TrainingState(keep)
    for loss in losses:
        state.record({"val_loss": loss}, [])
    return state


@pytest.mark.parametrize(
    ("losses", "epochs"),
    [
        ([0.5, 0.4, 0.3, 0.2], [4, 3]),
        ([0.5, 0.4, 0.45], [2, 3]),
        ([0.2, 0.3, 0.4], [1, 2]),
        ([0.3, 0.3, 0.3], [1, 2]),
        ([0.5, float("nan"), 0.4], [3, 1]),
        ([0.5], [1]),
        ([float("nan"), float("inf")], []),
    ],
)
def test_the_best_epochs_are_kept_the_best_first(losses: list[float], epochs: list[int]) -> None:
    assert [best.epoch for best in recorded(2, losses).best] == epochs


@pytest.mark.parametrize(
    ("losses", "since"), [([0.5, 0.4], 0), ([0.4, 0.5], 1), ([0.4, 0.4, 0.4], 2), ([], 0)]
)
def test_an_epoch_as_good_as_the_best_is_no_improvement(losses: list[float], since: int) -> None:
    assert recorded(3, losses).since_best == since


def test_the_epochs_that_are_kept_are_the_best_of_the_history(tmp_path: Path) -> None:
    training = train(tmp_path, recipe(epochs=12, keep=3, learning_rate=0.3))
    losses = training.state.history["val_loss"]
    assert sorted(losses) != sorted(losses, reverse=True) != losses, "they go up and down"
    assert [best.loss for best in training.chosen] == sorted(losses)[:3]


@pytest.mark.parametrize(("epoch", "number"), [("best", 1), ("last", 4)])
def test_a_kept_epoch_has_the_weights_that_gave_its_loss(
    tmp_path: Path, epoch: str, number: int
) -> None:
    """Judged by the opposite labels, the first epoch is the best."""
    on = rows()
    training = train(tmp_path, recipe(epochs=4, epoch=epoch), on, opposite(on))
    (kept,) = training.chosen
    assert kept.epoch == number
    assert kept.loss == training.state.history["val_loss"][number - 1]
    head = training.head_with(kept.weights)
    assert evaluate(head, opposite(on))["loss"] == pytest.approx(kept.loss)


def test_figures_over_many_rows_weigh_the_last_slice_by_its_rows(tmp_path: Path) -> None:
    """1,500 validation rows are two slices; a mean of two means would count 476 as 1,024."""
    valid = one_value(1024, 476)
    wanted = recipe(epochs=1, learning_rate=NO_RATE)
    training = HeadTraining(MADE_UP, one_value(1, 1), valid, wanted)
    training.head_with(known_weights())
    run(training, tmp_path)
    expected = (1024 * BENIGN_LOSS + 476 * MALIGNANT_LOSS) / 1500
    assert training.state.history["val_loss"] == [pytest.approx(expected, abs=1e-6)]
    assert training.state.history["val_accuracy"] == [1.0]


def test_standardised_features_have_mean_0_and_deviation_1(tmp_path: Path) -> None:
    on = rows()
    on.features[:, 0] = 1000 + 50 * on.features[:, 0]
    training = train(tmp_path, recipe(standardise=True), on)
    scaled = training.head.layers[0](on.features).numpy()
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-4)


def test_a_feature_that_hardly_varies_is_not_blown_up(tmp_path: Path) -> None:
    on = rows()
    on.features[:, 2] = 0.25
    on.features[:, 3] = 1e-8 * np.arange(60)
    training = train(tmp_path, recipe(standardise=True), on)
    changed = on.features.copy()
    changed[:, 2:4] += 0.001
    before, after = (training.head(some).numpy() for some in (on.features, changed))
    assert np.isfinite(before).all()
    np.testing.assert_allclose(after, before, atol=0.01)


def test_unit_norm_leaves_only_the_direction_of_the_features(tmp_path: Path) -> None:
    on = rows()
    head = train(tmp_path, recipe(unit_norm=True)).head
    longer = on.features * np.linspace(0.1, 50, 60, dtype=np.float32)[:, None]
    np.testing.assert_allclose(head(longer), head(on.features), atol=1e-6)
    lengths = np.linalg.norm(head.layers[1](head.layers[0](longer)), axis=1)
    np.testing.assert_allclose(lengths, 8, atol=1e-4)


def test_from_zero_and_in_one_batch_the_seed_changes_nothing(tmp_path: Path) -> None:
    wanted = [recipe(zero_init=True, batch_size=64, seed=seed) for seed in (1, 2)]
    one, other = (train(tmp_path / str(each.seed), each) for each in wanted)
    assert_equal_weights(weights(one), weights(other), within=1e-6)
    assert np.abs(weights(one)[0]).min() > 1e-4, "something was learned"


@pytest.mark.parametrize(("balance", "share"), [("none", 1 / 3), ("weights", 0.5)])
def test_the_first_score_is_the_share_of_malignant_images(
    tmp_path: Path, balance: str, share: float
) -> None:
    """A third of the rows is malignant, and counts as a half in a balanced training."""
    started = train(
        tmp_path,
        recipe(epochs=1, zero_init=True, prior_init=True, balance=balance, learning_rate=NO_RATE),
    )

    np.testing.assert_allclose(started.head(rows().features), share, rtol=1e-5)


def test_settings_at_their_defaults_are_those_of_the_first_release() -> None:
    """A card and the key of an interrupted training are made of them."""
    added = {"orientation", "features_at", "prior_init"}

    assert added.isdisjoint(recipe().settings())
    given = recipe(orientation="apply", features_at="mixed6", prior_init=True).settings()
    assert added <= given.keys()


@pytest.mark.parametrize("optimizer", ["rmsprop", "adamw"])
def test_weight_decay_shrinks_the_weights_and_leaves_the_bias_alone(
    tmp_path: Path, optimizer: str
) -> None:
    """Features of zero give the weights no gradient: two steps of decay are all that happens."""
    on = rows()._replace(features=np.zeros((60, 8), np.float32))
    options: dict[str, Any] = {
        "epochs": 2, "batch_size": 64, "learning_rate": 0.1, "optimizer": optimizer
    }  # fmt: skip
    decaying = HeadTraining(MADE_UP, on, on, recipe(weight_decay=0.5, **options))
    start = weights(decaying)[0]
    run(decaying, tmp_path / "decaying")
    plain = train(tmp_path / "plain", recipe(**options), on, on)

    np.testing.assert_allclose(weights(decaying)[0], start * 0.95**2, rtol=1e-5)
    np.testing.assert_array_equal(weights(plain)[0], start)
    np.testing.assert_array_equal(weights(decaying)[1], weights(plain)[1])
    assert weights(plain)[1] != 0


RESUMED: dict[str, dict[str, Any]] = {
    "the tutorial's": {},
    "recommended": RECIPES["recommended"],
    "recommended without its layers": WITHOUT_LAYERS,
    "balanced": {"balance": "oversample", "standardise": True, "keep": 3},
    "decaying": {"optimizer": "adamw", "weight_decay": 0.5, "learning_rate": 0.01},
}


@pytest.mark.parametrize("name", RESUMED)
def test_a_training_taken_up_again_gives_what_it_would_have_given(
    tmp_path: Path, name: str
) -> None:
    straight = train(tmp_path / "straight", recipe(epochs=6, **RESUMED[name]))
    first = train(tmp_path / "parts", recipe(epochs=3, **RESUMED[name]))
    assert first.state.epochs == 3

    second = HeadTraining(MADE_UP, rows(), rows(25, seed=1), recipe(epochs=6, **RESUMED[name]))
    second.resume(tmp_path / "parts" / "state")
    assert second.state.epochs == 3
    run(second, tmp_path / "parts")

    assert second.state.history == straight.state.history
    assert_equal_weights(weights(second), weights(straight))
    assert [best.epoch for best in second.chosen] == [best.epoch for best in straight.chosen]
    for one, other in zip(second.chosen, straight.chosen, strict=True):
        assert_equal_weights(one.weights, other.weights)


def test_ctrl_c_in_the_middle_of_an_epoch_costs_only_that_epoch(tmp_path: Path) -> None:
    """The interruption comes after three of the four batches of the third epoch."""
    wanted = recipe(epochs=6)
    straight = train(tmp_path / "straight", wanted)
    first = HeadTraining(MADE_UP, interrupting(rows(), after=2 * 4 + 3), rows(25, seed=1), wanted)
    with pytest.raises(KeyboardInterrupt):
        run(first, tmp_path / "parts")
    assert first.state.epochs == 2

    second = HeadTraining(MADE_UP, rows(), rows(25, seed=1), wanted)
    second.resume(tmp_path / "parts" / "state")
    run(second, tmp_path / "parts")

    assert second.state.history["loss"][:2] == straight.state.history["loss"][:2]
    assert second.state.history == straight.state.history
    assert_equal_weights(weights(second), weights(straight))


class Interrupting(np.ndarray[Any, np.dtype[np.float32]]):
    """Features that are interrupted, as by Ctrl-C, when batches have been taken from them."""

    left: int

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, np.ndarray):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return np.asarray(super().__getitem__(key))


def interrupting(some: FeatureRows, after: int) -> FeatureRows:
    features = some.features.view(Interrupting)
    features.left = after
    return some._replace(features=features)


def test_the_last_epoch_of_an_interrupted_training_is_a_whole_one(tmp_path: Path) -> None:
    wanted = recipe(epochs=6, epoch="last")
    valid = rows(25, seed=1)
    training = HeadTraining(MADE_UP, interrupting(rows(), after=2 * 4 + 3), valid, wanted)
    with pytest.raises(KeyboardInterrupt):
        run(training, tmp_path)
    (kept,) = training.chosen
    assert kept.epoch == 2
    assert evaluate(training.head_with(kept.weights), valid)["loss"] == pytest.approx(kept.loss)


def test_a_state_holds_all_that_was_reached(tmp_path: Path) -> None:
    training = train(tmp_path, recipe(epochs=4, keep=2))
    stored = json.loads((tmp_path / "state" / "state.json").read_text())
    assert stored["epochs"] == 4
    assert stored["history"] == training.state.history
    assert stored["best"] == [[best.epoch, best.loss] for best in training.state.best]
    assert not list(tmp_path.glob("*.part"))


def test_a_loss_that_is_never_a_number_is_said(tmp_path: Path) -> None:
    on = rows()
    on.features[0] = np.inf
    with pytest.raises(click.ClickException, match="lower --learning-rate"):
        train(tmp_path, recipe(), on, on)


def test_tensorboard_finds_every_epoch(tmp_path: Path) -> None:
    train(tmp_path, recipe(epochs=3))
    assert list((tmp_path / "logs" / "train").glob("events.out.tfevents.*"))
    (file,) = (tmp_path / "logs" / "validation").glob("events.out.tfevents.*")
    steps = [event.step for event in events(file) if "epoch_loss" in tags(event)]
    assert steps == [0, 1, 2]


def events(file: Path) -> list[Any]:
    from tensorboard.backend.event_processing import event_file_loader

    return list(event_file_loader.EventFileLoader(str(file)).Load())


def tags(event: Any) -> list[str]:
    return [value.tag for value in event.summary.value]


def picture(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random((1, 24, 24, 3), np.float32)


ONE, TWO = "1" * 64, "2" * 64


def test_a_changed_copy_depends_on_the_image_the_row_and_the_seed() -> None:
    first = augment(picture(), [ONE], 1, 7)
    np.testing.assert_array_equal(augment(picture(), [ONE], 1, 7), first)
    for other in (
        augment(picture(), [TWO], 1, 7),
        augment(picture(), [ONE], 2, 7),
        augment(picture(), [ONE], 9, 7),  # turned as row 1 is
        augment(picture(), [ONE], 1, 8),
    ):
        assert np.abs(other - first).max() > 0.001


def test_a_changed_copy_does_not_depend_on_its_company() -> None:
    both = augment(np.concatenate([picture(0), picture(1)]), [ONE, TWO], 3, 7)
    np.testing.assert_array_equal(both[:1], augment(picture(0), [ONE], 3, 7))
    np.testing.assert_array_equal(both[1:], augment(picture(1), [TWO], 3, 7))


@pytest.mark.parametrize("make", [np.zeros_like, np.ones_like, np.array])
def test_a_changed_copy_is_still_an_image(make: Callable[[Floats], Floats]) -> None:
    image = make(picture())
    for row in range(1, 17):
        changed = augment(image, [ONE], row, 7)
        assert changed.shape == image.shape
        assert changed.dtype == np.float32
        assert changed.min() >= 0
        assert changed.max() <= 1


def test_eight_rows_are_eight_different_turns() -> None:
    """A white corner quarter on black and a grey quarter beside it: no two turns look the same."""
    image = np.zeros((1, 16, 16, 3), np.float32)
    image[0, :8, :8], image[0, :8, 8:] = 0.9, 0.5
    quarters = [tuple(quarter(augment(image, [ONE], row, 7)[0])) for row in range(1, 9)]
    assert len(set(quarters)) == 8
    assert tuple(quarter(augment(image, [ONE], 9, 7)[0])) == quarters[0]
    assert {tuple(sorted(one)) for one in quarters} == {("black", "black", "grey", "white")}


def quarter(image: Floats) -> list[str]:
    means = [image[y : y + 8, x : x + 8].mean() for y, x in itertools.product((0, 8), (0, 8))]
    return ["black" if mean < 0.25 else "grey" if mean < 0.7 else "white" for mean in means]


def test_colours_change_only_slightly() -> None:
    """Row 8 is not turned, so pixels can be compared."""
    changed = augment(picture(), [ONE], 8, 7)
    assert 0.001 < np.abs(changed - picture()).mean() < 0.1
