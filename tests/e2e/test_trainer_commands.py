"""`trainer train` and `trainer evaluate` as they are typed, to a checkpoint that the ledger knows.

Where no signal is sent they run in this process, on a module of twelve features.
"""

import json
import re
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from drawing import draw
from networks import InceptionBlocks
from other_formats import stored_turned
from PIL import Image
from processes import PATIENCE, POLL_SECONDS, PROJECT, Ledger, Process, Site
from sqlalchemy.orm import Session

import report.cli
from base.listed_image import ListedImage
from base.runtime import keras, tf
from db.queries import leases, listing, outcomes, runs
from db.queries.results import Progress, progress
from db.queries.runs import RunSpec
from db.session import open_database
from db.tables import Run
from imaging.decoding.decoder import Decoder
from model.card import LATER_SETTINGS, Decode
from model.checkpoint import load_checkpoint
from trainer.cli import main
from trainer.options import RECIPES, WITHOUT_LAYERS
from worker.scoring.engine import ModelEngine
from worker.scoring.features import RunFeatures
from worker.scoring.model_registry import ModelRegistry

Floats = npt.NDArray[np.float32]

# Long enough for a kill in the middle, with a network that is slow enough: a state is written
# every two seconds.
EPOCHS = "300"  # some seconds: a signal meant for the middle is not to come after the last
BENIGN, MALIGNANT = 12, 6
AT = ("--threshold", "0.5")


class Quarters(tf.Module):  # type: ignore[misc] # tensorflow has no types
    """Twelve features: the mean colour of each quarter of an image."""

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])
    def __call__(self, images: Any) -> Any:
        return tf.reshape(tf.image.resize(images, [2, 2], method="area"), [-1, 12])


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hub") / "quarters"
    tf.saved_model.save(Quarters(), str(folder))
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with 18 training and 9 validation images."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATA_ROOT", "DATABASE_URL", "FEATURE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    draw_classes(tmp_path / "train", BENIGN, MALIGNANT)
    draw_classes(tmp_path / "valid", 6, 3, seed=100)
    return tmp_path


def draw_classes(folder: Path, benign: int, malignant: int, seed: int = 0) -> None:
    for at in range(benign + malignant):
        name = "nevus" if at < benign else "melanoma"
        draw(folder / name / f"{at:02}.jpg", width=40 + at, seed=seed + at)


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


Train = Callable[..., Result]


@pytest.fixture
def train(here: Path, module: Path) -> Train:
    assert Path.cwd() == here

    def start(*options: str) -> Result:
        keras.utils.clear_session()  # layers are named anew, as in a process of its own
        backbone = ("--backbone", f"hub:{module}") if "--backbone" not in options else ()
        return call("train", "train", "valid", *backbone, "--epochs", "3", *options)

    return start


def good(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def assert_one_clear_line(result: Result, *words: str, code: int = 1) -> None:
    assert result.exit_code == code, result.output
    assert isinstance(result.exception, SystemExit), repr(result.exception)
    said = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(said) == 1, result.output
    for word in words:
        assert word in said[0]


def checkpoints(folder: Path) -> list[Path]:
    """In the order they entered the ledger, which is to know all there are."""
    file = folder / "dermscore.db"
    query = "SELECT path, digest FROM checkpoints ORDER BY id"
    rows = Ledger(f"sqlite:///{file}").rows(query) if file.exists() else []
    found = [Path(path) for path, _ in rows]
    assert sorted(found) == sorted(folder.glob("checkpoints/*.keras"))
    assert [digest for _, digest in rows] == [digest_of(path) for path in found]
    return found


def only(folder: Path) -> Path:
    (checkpoint,) = checkpoints(folder)
    return checkpoint


def card_of(checkpoint: Path) -> dict[str, Any]:
    card: dict[str, Any] = json.loads(checkpoint.with_suffix(".json").read_text())
    return card


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.jpg"))


def decoded(checkpoint: Path, paths: Sequence[Path]) -> tuple[Any, Floats]:
    """The loaded network, and images as its card says that they are decoded."""
    network, card = load_checkpoint(checkpoint)
    return network, Decoder(card.decode).decode_files(Path(), [str(path) for path in paths]).images


def by_hand(checkpoint: Path, paths: Sequence[Path]) -> Floats:
    """Scores `[n]` of the loaded model, without the worker's scorer."""
    network, images = decoded(checkpoint, paths)
    scores: Floats = network(images, training=False).numpy()[:, 0]
    return scores


def test_a_training_leaves_a_checkpoint_its_card_its_curves_and_logs(
    here: Path, train: Train
) -> None:
    said = good(train("--epochs", "5", "--logs", "tensorboard"))

    checkpoint = only(here)
    card = card_of(checkpoint)
    history = card["training"]["history"]
    assert card["digest"] == digest_of(checkpoint)
    assert card["training"]["epochs"] == 5
    names = {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert {name: len(figures) for name, figures in history.items()} == dict.fromkeys(names, 5)
    assert card["training"]["best_epoch"] == history["val_loss"].index(min(history["val_loss"])) + 1
    assert card["validation"]["loss"] == pytest.approx(min(history["val_loss"]), abs=1e-6)
    assert checkpoint.name == (
        f"benign-vs-malignant_64_rmsprop_{card['validation']['loss']:.3f}.keras"
    )
    assert card["data"]["images"] == sorted(digest_of(path) for path in pictures(here / "train"))
    assert card["data"]["train_counts"] == {"benign": BENIGN, "malignant": MALIGNANT}
    assert card["data"]["valid_counts"] == {"benign": 6, "malignant": 3}
    assert card["threshold"] is None
    with Image.open(checkpoint.with_suffix(".png")) as curves:
        assert curves.format == "PNG"
        assert min(curves.size) > 300
    assert list(here.glob("tensorboard/*/train/events.out.tfevents.*"))
    assert list(here.glob("tensorboard/*/validation/events.out.tfevents.*"))
    assert f"digest {card['digest'][:12]}" in said
    assert sorted(path.suffix for path in (here / "checkpoints").iterdir()) == [
        ".json", ".keras", ".png",
    ]  # fmt: skip


def test_another_seed_gives_another_checkpoint_and_the_same_seed_the_same(
    here: Path, train: Train
) -> None:
    for folder, seed in (("1", "7"), ("2", "7"), ("3", "8")):
        good(train("--output", folder, "--seed", seed))
    one, same, other = (digest_of(*here.glob(f"{folder}/*.keras")) for folder in "123")
    assert one == same != other


def test_the_best_epochs_become_checkpoints_the_best_the_newest(here: Path, train: Train) -> None:
    said = good(train("--epochs", "8", "--keep", "3", "--learning-rate", "0.3"))

    found = checkpoints(here)
    cards = [card_of(path) for path in found]
    history = cards[0]["training"]["history"]["val_loss"]
    losses = [card["validation"]["loss"] for card in cards]
    assert losses == pytest.approx(sorted(history)[:3][::-1], abs=1e-6), "the best comes last"
    assert [history[card["training"]["best_epoch"] - 1] for card in cards] == pytest.approx(losses)
    named = [line for line in said.splitlines() if line.endswith(".keras")]
    assert [Path(line).name for line in named] == [path.name for path in reversed(found)]


def test_the_last_epoch_is_kept_on_request(here: Path, train: Train) -> None:
    good(train("--epochs", "6", "--learning-rate", "1", "--epoch", "last"))
    training = card_of(only(here))["training"]
    validation = card_of(only(here))["validation"]
    assert training["best_epoch"] == 6
    assert validation["loss"] == pytest.approx(training["history"]["val_loss"][-1], abs=1e-5)


def test_another_checkpoint_of_the_same_name_stays(here: Path, train: Train) -> None:
    """With nothing learned from zeros, the loss is 0.693 for all: only the bytes differ."""
    for rate in ("1e-6", "1e-5", "1e-5"):
        good(train("--zero-init", "--learning-rate", rate, "--epochs", "1"))
    assert [path.name for path in checkpoints(here)] == [
        "benign-vs-malignant_64_rmsprop_0.693.keras",
        "benign-vs-malignant_64_rmsprop_0.693-2.keras",
    ]


@pytest.mark.parametrize("balance", ["none", "oversample"])
def test_balanced_classes_are_noted_in_the_card(here: Path, train: Train, balance: str) -> None:
    good(train("--balance", balance))
    training = card_of(only(here))["training"]
    assert training["recipe"]["balance"] == balance
    if balance == "none":
        assert training["note"] is None
    else:
        assert "overstate the probability" in training["note"]


@pytest.mark.parametrize("options", [[], ["--unit-norm", "--standardise"]], ids=["plain", "scaled"])
def test_the_checkpoint_scores_as_the_head_scored_features(
    here: Path, train: Train, options: list[str]
) -> None:
    """The validation loss is that of the head on features, the scores those of the whole model."""
    good(train("--epochs", "3", "--learning-rate", "0.01", *options))
    checkpoint = only(here)
    network, images = decoded(checkpoint, pictures(here / "valid"))
    features = network.layers[0](images).numpy()
    for layer in network.layers[1:]:
        features = layer(features)
    scores = by_hand(checkpoint, pictures(here / "valid"))
    np.testing.assert_allclose(np.asarray(features)[:, 0], scores, atol=1e-6)
    assert np.ptp(scores) > 0.01
    expected = loss_of(scores, pictures(here / "valid"))
    assert card_of(checkpoint)["validation"]["loss"] == pytest.approx(expected, abs=1e-5)


def loss_of(scores: Floats, paths: Sequence[Path]) -> float:
    """Binary cross-entropy, from its definition."""
    right = [
        score if path.parent.name == "melanoma" else 1 - score
        for score, path in zip(scores.tolist(), paths, strict=True)
    ]
    return float(-np.mean(np.log(right)))


def test_recipes_are_written_down_and_explicit_options_go_first(here: Path, train: Train) -> None:
    said = train("--recipe", "recommended")
    good(said)
    assert "this backbone has no mixed4,mixed6" in said.stderr
    recommended = card_of(only(here))["training"]["recipe"]
    assert WITHOUT_LAYERS, "or nothing is shown"
    assert {name: recommended[name] for name in WITHOUT_LAYERS} == WITHOUT_LAYERS
    assert recommended["epochs"] == 3

    explicit = ("--optimizer", "sgd", "--epoch", "best")
    good(train("--recipe", "recommended", *explicit, "--output", "2"))
    (other,) = here.glob("2/*.keras")
    assert card_of(other)["training"]["recipe"] == recommended | {
        "optimizer": "sgd", "epoch": "best",
    }  # fmt: skip


def test_the_recommended_recipe_takes_its_layers_where_there_are_such(
    here: Path, train: Train
) -> None:
    tf.saved_model.save(InceptionBlocks(), str(here / "blocks"))
    said = train("--recipe", "recommended", "--backbone", f"hub:{here / 'blocks'}")
    good(said)
    assert "other backbones" not in said.stderr
    card = card_of(only(here))
    recommended = card["training"]["recipe"]
    assert {name: recommended[name] for name in RECIPES["recommended"]} == RECIPES["recommended"]
    assert card["backbone"]["features_at"] == ["mixed4", "mixed6"]
    assert by_hand(only(here), pictures(here / "valid")).min() > 0


def test_layers_that_a_person_asks_for_must_be_there(here: Path, train: Train) -> None:
    result = train("--recipe", "recommended", "--features-at", "mixed4")
    assert_one_clear_line(result, "--features-at mixed4", "no single layer")
    assert checkpoints(here) == []


@pytest.mark.parametrize(
    ("options", "decode", "recipe", "most"),
    [
        (("--decode-ratio", "2"), Decode(ratio=2), {"decode_ratio": 2}, 0.05),
        (
            ("--resize", "area", "--antialias", "--fit", "crop:0.90"),
            Decode(resize="area", antialias=True, fit="crop:0.9"),
            {"resize": "area", "antialias": True, "fit": "crop:0.9"},
            0.2,
        ),
    ],
    ids=["ratio", "fit"],
)
def test_a_checkpoint_is_scored_as_it_was_trained(
    here: Path, train: Train, options: tuple[str], decode: Decode, recipe: object, most: float
) -> None:
    good(train())
    said = good(train(*options))

    assert "features of train: 18 images, 0 from the cache" in said  # whole images have others
    checkpoint = checkpoints(here)[-1]
    card = card_of(checkpoint)
    assert card["decode"] == decode.model_dump()
    names_of_decode = {"decode_ratio", *LATER_SETTINGS}
    assert recipe == {
        name: value
        for name, value in card["training"]["recipe"].items()
        if name in names_of_decode and (name, value) != ("decode_ratio", 1)
    }
    paths = pictures(here / "valid")
    names = [str(path) for path in paths]
    images = Decoder(decode).decode_files(Path(), names).images
    difference = np.abs(images - Decoder(Decode()).decode_files(Path(), names).images).mean()
    assert 0.001 < difference < most
    spec = RunSpec(1, "valid", card["digest"], str(checkpoint), "float32", keep_features=False)
    engine = ModelEngine(Path(), ModelRegistry(None), RunFeatures(here / "none"))
    (run,) = engine.score([spec], names, lambda _paths: {}).runs
    expected = load_checkpoint(checkpoint)[0].predict(images, verbose=0)[:, 0]
    assert list(run.scores.values()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "adagrad"])
def test_optimizers_that_differ_in_their_options_train(
    here: Path, train: Train, optimizer: str
) -> None:
    good(train("--optimizer", optimizer, "--epochs", "1"))
    assert f"_64_{optimizer}_" in only(here).name


def test_each_training_image_gives_as_many_rows_as_asked(here: Path, train: Train) -> None:
    said = good(train("--augment", "3", "--epochs", "1"))
    assert said.count("features of train: 18 images") == 3
    assert said.count("features of valid: 9 images") == 1
    card = card_of(only(here))
    assert card["data"]["train_counts"] == {"benign": BENIGN, "malignant": MALIGNANT}
    assert len(card["data"]["images"]) == 18, "the digests of files, each once"
    assert card["training"]["recipe"]["augment"] == 3


class Rated(NamedTuple):
    """A checkpoint with a threshold, trained with `--target-sensitivity`."""

    checkpoint: Path
    value: float
    how: str


@pytest.fixture
def rated(here: Path, train: Train) -> Rated:
    said = good(train("--target-sensitivity", "0.6"))
    checkpoint = only(here)
    threshold = card_of(checkpoint)["threshold"]
    printed = re.search(r"  threshold (\S+): (.+)", said)
    assert printed is not None
    # Typed in again it is the card's, to the last bit.
    assert (float(printed[1]), printed[2]) == (threshold["value"], threshold["how"])
    return Rated(checkpoint, threshold["value"], threshold["how"])


def test_the_operating_point_is_in_the_card(here: Path, rated: Rated) -> None:
    """0.6 of three melanomas is two."""
    paths = pictures(here / "valid")
    scores = by_hand(rated.checkpoint, paths)
    malignant = [path.parent.name == "melanoma" for path in paths]
    second = sorted(scores[malignant])[1]
    below = [score for score in scores if score < second]
    assert rated.value == pytest.approx((second + max(below, default=second)) / 2, abs=1e-5)
    spared = sum(score < rated.value for score, of in zip(scores, malignant, strict=True) if not of)
    assert rated.how == (
        f"sensitivity at least 0.6 on the validation images: 2/3, with specificity {spared}/6"
    )


def test_a_report_calls_it_prespecified(rated: Rated) -> None:
    with closing(open_database()) as database, database.write() as session:
        assert score_all(session, 6).pending == 0
    result = CliRunner().invoke(report.cli.main, ["--format", "json"], prog_name="report")
    threshold = json.loads(good(result))["threshold"]
    assert threshold == {"value": rated.value, "kind": "prespecified", "how": rated.how}


def score_all(session: Session, count: int) -> Progress:
    """A run with the newest checkpoint, its images scored as a worker would store it."""
    checkpoint = runs.newest_checkpoint(session)
    assert checkpoint is not None
    run = Run(source="test", checkpoint_id=checkpoint.id, precision="float32", batch_size=64)
    session.add(run)
    session.flush()
    rows = [ListedImage(f"{at}.jpg", at % 2, None) for at in range(count)]
    listing.stage_images(session, run, rows)
    listing.cut_batches(session, run.id)
    pending = leases.pending_images(session, [leases.BatchKey(run.id, 1)])
    stored = [outcomes.Outcome(one.id, 0.5, None, None, None) for one in pending]
    outcomes.store_outcomes(session, "worker", stored)
    return progress(session, run.id)


@pytest.mark.parametrize("options", [["--threshold", "0.5"], []], ids=["given", "the card's"])
def test_evaluating_gives_the_figures_that_are_counted_by_hand(
    here: Path, rated: Rated, options: list[str]
) -> None:
    draw_classes(here / "test", 7, 4, seed=50)
    (here / "test" / "nevus" / "broken.jpg").write_bytes(b"no image")
    result = call("evaluate", str(rated.checkpoint), "test", *options)
    said = good(result)

    paths = [path for path in pictures(here / "test") if path.name != "broken.jpg"]
    at = 0.5 if options else rated.value
    scores = by_hand(rated.checkpoint, paths)
    found = [path.parent.name for path, score in zip(paths, scores, strict=True) if score >= at]
    positive = found.count("melanoma")
    spared = 7 - found.count("nevus")
    assert re.search(rf"^sensitivity .* {positive}/4$", said, re.MULTILINE), said
    assert re.search(rf"^specificity .* {spared}/7$", said, re.MULTILINE), said
    assert f"on test: 11 labelled images\nloss {loss_of(scores, paths):.3f}\n" in said
    assert f"threshold {at}, {'exploratory' if options else 'prespecified'}: " in said
    assert "left out test/nevus/broken.jpg: " in result.stderr


def test_what_is_excluded_is_neither_trained_on_nor_measured(here: Path, train: Train) -> None:
    whole = (here / "train" / "nevus" / "00.jpg").read_bytes()
    for folder in ("train", "valid"):
        (here / folder / "masks").mkdir()
        (here / folder / "masks" / "1.jpg").write_bytes(whole)
    (here / "valid" / "nevus" / "blurred.jpg").write_bytes(whole)
    refused = train("--exclude", "masks", "--exclude", "nothing")
    assert_one_clear_line(refused, "--exclude nothing matches nothing in train or valid: a pattern")

    options = ("--exclude", "masks", "--exclude", "blurred.jpg")
    trained = train(*options)

    good(trained)
    assert "2 folders and 1 file excluded" in trained.stderr.splitlines()
    data = card_of(only(here))["data"]
    assert data["train_counts"] == {"benign": BENIGN, "malignant": MALIGNANT}
    assert data["valid_counts"] == {"benign": 6, "malignant": 3}
    measured = call("evaluate", str(only(here)), "valid", "--threshold", "0.5", *options)
    assert "on valid: 9 labelled images" in good(measured)
    assert "1 folder and 1 file excluded" in measured.stderr.splitlines()


def test_turned_copies_have_one_score_where_the_checkpoint_turns_them(
    here: Path, train: Train
) -> None:
    good(train("--orientation", "apply"))
    good(train())
    turning, plain = checkpoints(here)
    upright = Image.open(here / "train" / "nevus" / "00.jpg").convert("RGB")
    (here / "held").mkdir()
    for orientation in range(1, 9):
        data = stored_turned(upright, "PNG", orientation)
        (here / "held" / f"{orientation}.png").write_bytes(data)
    site = Site(here)
    options = [word for each in (turning, plain) for word in ("--checkpoint", str(each))]
    site.succeed("producer", "enqueue", "held", *options)
    site.drain()

    query = (
        "SELECT path, score, orientation FROM predictions JOIN images ON images.id = image_id"
        " WHERE run_id = {} ORDER BY path"
    )
    turned, as_stored = (site.ledger.rows(query.format(run)) for run in (1, 2))

    assert [row[2] for row in turned] == [row[2] for row in as_stored] == [*range(1, 9)]
    scores, others = ([float(row[1]) for row in rows] for rows in (turned, as_stored))
    assert scores == pytest.approx([scores[0]] * 8, abs=1e-6)
    assert min(abs(score - others[0]) for score in others[1:]) > 1e-4
    warned = [
        "stored turned (EXIF orientation)" in site.succeed("report", "--run", run, *AT).stdout
        for run in ("1", "2")
    ]
    assert warned == [False, True]


def test_the_cards_threshold_on_the_validation_images_is_not_prespecified(rated: Rated) -> None:
    said = good(call("evaluate", str(rated.checkpoint), "valid"))
    assert f"threshold {rated.value}, exploratory: from the model card" in said
    assert "warning: the threshold was chosen on these images (in training)" in said


def test_evaluating_without_a_threshold(here: Path, train: Train) -> None:
    good(train())
    result = call("evaluate", str(only(here)), "valid")
    assert_one_clear_line(result, "no threshold is known: give one", code=2)


def test_evaluating_what_is_no_checkpoint(here: Path) -> None:
    (here / "x.keras").write_bytes(b"")
    assert_one_clear_line(call("evaluate", "x.keras", "valid", "--threshold", "0.5"), "model card")
    assert_one_clear_line(call("evaluate", "y.keras", "valid"), "No such file")


def test_unreadable_images_are_named_counted_and_left_out(here: Path, train: Train) -> None:
    (here / "train" / "nevus" / "text.jpg").write_text("no image")
    whole = (here / "train" / "nevus" / "00.jpg").read_bytes()
    (here / "train" / "melanoma" / "short.jpg").write_bytes(whole[:-100])
    result = train()
    good(result)
    assert "left out train/nevus/text.jpg: the bytes are not those" in result.stderr
    assert "left out train/melanoma/short.jpg: the image data is damaged" in result.stderr
    assert "2 of 20 images left out" in result.stderr
    assert "features of train: 18 images" in result.stdout
    images = card_of(only(here))["data"]["images"]
    assert len(images) == 18
    assert digest_of(here / "train" / "nevus" / "text.jpg") not in images


def test_the_card_counts_the_images_that_were_trained_on(here: Path, train: Train) -> None:
    (here / "train" / "nevus" / "text.jpg").write_text("no image")
    (here / "valid" / "melanoma" / "text.jpg").write_text("no image")
    good(train())
    data = card_of(only(here))["data"]
    assert data["train_counts"] == {"benign": BENIGN, "malignant": MALIGNANT}
    assert data["valid_counts"] == {"benign": 6, "malignant": 3}


def test_an_unreadable_image_is_named_once_however_many_rows_it_would_have_given(
    here: Path, train: Train
) -> None:
    (here / "train" / "nevus" / "text.jpg").write_text("no image")
    assert train("--augment", "3").stderr.count("left out train/nevus/text.jpg") == 1


@pytest.mark.parametrize(
    ("folder", "options"),
    [
        ("train", ()),
        ("train", ("--balance", "weights")),
        ("train", ("--balance", "oversample")),
        ("valid", ()),
        ("valid", ("--target-sensitivity", "0.9")),
    ],
    ids=str,
)
def test_a_class_whose_images_are_all_unreadable(
    here: Path, train: Train, folder: str, options: tuple[str, ...]
) -> None:
    for path in (here / folder / "melanoma").iterdir():
        path.write_text("no image")
    assert_one_clear_line(train(*options), folder, "no malignant images")
    assert checkpoints(here) == []


def test_nothing_that_can_be_read(here: Path, train: Train) -> None:
    for path in pictures(here / "train"):
        path.write_text("no image")
    assert_one_clear_line(train(), "train: no image could be read")


@pytest.mark.parametrize("folder", ["train", "valid"])
def test_a_class_without_images(here: Path, train: Train, folder: str) -> None:
    shutil.rmtree(here / folder / "melanoma")
    assert_one_clear_line(train(), f"{folder} holds no malignant images")


def test_an_image_without_label(here: Path, train: Train) -> None:
    draw(here / "train" / "stray.jpg")
    assert_one_clear_line(train(), "train/stray.jpg has no label")


def test_a_folder_without_images(here: Path, train: Train) -> None:
    shutil.rmtree(here / "train")
    (here / "train").mkdir()
    assert_one_clear_line(train(), "train lists no images")


def test_images_of_both_sources_are_warned_of(here: Path, train: Train) -> None:
    """By their bytes: the names are others."""
    for at, path in enumerate(pictures(here / "train")[:4]):
        shutil.copy(path, here / "valid" / "nevus" / f"renamed-{at}.jpg")
    result = train()
    good(result)
    assert "warning: 4 validation images are training images too" in result.stderr


def test_without_shared_images_nothing_is_warned_of(train: Train) -> None:
    result = train()
    good(result)
    assert "warning" not in result.stderr


@pytest.mark.parametrize(
    ("backbone", "said"),
    [
        ("keras:NoSuchNet", "keras.applications has no NoSuchNet"),
        ("keras:mobilenet", "keras.applications has no mobilenet"),
        ("keras:MobileNetV2=nowhere.weights.h5", "cannot be loaded"),
        ("hub:/nonexistent", "cannot be loaded"),
        ("nokind:x", "use hub:HANDLE"),
        ("hub:", "use hub:HANDLE"),
        ("tiny", "use hub:HANDLE"),
    ],
)
def test_a_backbone_that_there_is_not(train: Train, backbone: str, said: str) -> None:
    assert_one_clear_line(train("--backbone", backbone), f"--backbone {backbone}", said)


@pytest.mark.parametrize(
    "options",
    [("--optimizer", "none"), ("--learning-rate", "0"), ("--target-sensitivity", "0"),
     ("--recipe", "x"), ("--keep", "0"), ("--augment", "0"), ("--batch-size", "0"),
     ("--resize", "x"), ("--fit", "crop:2"), ("--fit", "square")],
    ids=" ".join,
)  # fmt: skip
def test_an_option_out_of_range(train: Train, options: tuple[str, ...]) -> None:
    assert_one_clear_line(train(*options), options[0], code=2)


def test_nothing_to_resume(train: Train) -> None:
    assert_one_clear_line(train("--resume"), "no interrupted training")
    good(train())
    assert_one_clear_line(train("--resume"), "no interrupted training")


@pytest.mark.parametrize("kind", ["small", "hub"])
def test_a_backbone_that_cannot_be_fine_tuned_is_refused_before_training(
    here: Path, train: Train, kind: str
) -> None:
    backbone = ("--backbone", "small") if kind == "small" else ()
    result = train("--fine-tune", "5", *backbone)
    assert_one_clear_line(result, "--fine-tune needs a backbone of keras.applications")
    assert "epoch" not in result.stdout
    assert checkpoints(here) == []


def test_the_top_of_a_keras_network_is_fine_tuned(here: Path, train: Train) -> None:
    """Its top layers and the head change; batch normalisation stays as ImageNet left it."""
    keras.utils.set_random_seed(3)
    made = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(299, 299, 3), pooling="avg"
    )
    made.save_weights(here / "mobile.weights.h5")
    for name in ("train", "valid"):  # the same five, so that it must get better
        shutil.rmtree(here / name)
        draw_classes(here / name, 3, 2)
    network = ("--backbone", "keras:MobileNetV2=mobile.weights.h5", "--unit-norm")
    tuning = ("--fine-tune", "12", "--fine-tune-epochs", "1", "--learning-rate", "0.1")
    said = good(train(*network, "--epochs", "1", *tuning))
    assert "fine-tuning 1/1: validation loss" in said
    head_only, tuned = checkpoints(here)
    before, after = (backbone_in(path) for path in (head_only, tuned))
    changed = [one.name for one, other in zip(before, after, strict=True) if differ(one, other)]
    assert changed
    top = [layer.name for layer in after[-12:]]
    assert set(changed) <= set(top)
    assert not [name for name in changed if "bn" in name.lower()]
    assert "fine-tuned" in card_of(tuned)["backbone"]["description"]


def backbone_in(checkpoint: Path) -> list[Any]:
    network, _ = load_checkpoint(checkpoint)
    layers: list[Any] = next(
        layer.layers for layer in network.layers if isinstance(layer, keras.Model)
    )
    return layers


def differ(one: Any, other: Any) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return any(not np.array_equal(first, second) for first, second in pairs)


class Stopped(NamedTuple):
    """One training in three ways, each in processes of its own and on equal images."""

    straight: Site
    killed: Site
    interrupted: Site
    exit_code: int  # of the interrupted one
    last_words: str
    left: list[Path]  # what the interrupted one had in `checkpoints`, its digest with it
    left_digests: list[str]
    resumed: list[str]  # what the killed and the interrupted one said when they went on


ARGUMENTS = ("train", "data/train", "data/valid", "--backbone", "small", "--epochs", EPOCHS)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    drawn = Site(tmp_path_factory.mktemp("drawn"))
    sizes = ("--train", "32", "--valid", "12", "--test", "3")
    drawn.succeed("python", str(PROJECT / "demo" / "draw.py"), "data", *sizes)
    sites = [copy_of(drawn, tmp_path_factory.mktemp("site")) for _ in range(3)]
    straight, killed, interrupted = sites
    with start(killed) as one, start(interrupted) as other:
        strike([(one, killed, signal.SIGKILL), (other, interrupted, signal.SIGINT)])
        assert one.await_end() == -signal.SIGKILL
        code = other.await_end()
        words = other.output
    left = sorted((interrupted.folder / "checkpoints").glob("[!.]*"))
    digests = [digest_of(path) for path in left if path.suffix == ".keras"]
    with (
        start(straight) as whole,
        start(killed, "--resume") as one,
        start(interrupted, "--resume") as other,
    ):
        for process in (whole, one, other):
            assert process.await_end() == 0, process.last_words
        resumed = [one.output, other.output]
    return Stopped(straight, killed, interrupted, code, words, left, digests, resumed)


def strike(trainings: list[tuple[Process, Site, signal.Signals]]) -> None:
    """Send each its signal once it has kept two epochs; none is done while another starts."""
    left = list(trainings)
    deadline = time.monotonic() + PATIENCE
    while left:
        for process, site, number in list(left):
            if epochs_kept(site) >= 2:
                process.send(number)
                left.remove((process, site, number))
            else:
                assert not process.ended, process.last_words
        assert time.monotonic() < deadline, "some never kept two epochs"
        time.sleep(POLL_SECONDS)


def copy_of(drawn: Site, folder: Path) -> Site:
    shutil.copytree(drawn.folder / "data", folder / "data")
    return Site(folder, {"OMP_NUM_THREADS": "1"})


def start(site: Site, *options: str) -> Process:
    return site.start("trainer", *ARGUMENTS, *options)


def epochs_kept(site: Site) -> int:
    """Epochs in the state that a kill would leave; none while it is being exchanged."""
    for state in site.folder.glob("checkpoints/.training-*/state.json"):
        if not state.parent.name.endswith(".part"):
            try:
                return int(json.loads(state.read_text())["epochs"])
            except FileNotFoundError:
                continue
    return 0


def final(site: Site) -> str:
    """The digest of the newest checkpoint."""
    digest: str = site.ledger.rows("SELECT digest FROM checkpoints ORDER BY id DESC")[0][0]
    return digest


def test_a_killed_training_goes_on_to_the_same_bytes(stopped: Stopped) -> None:
    assert final(stopped.killed) == final(stopped.straight)
    assert re.search(r"^resumed after epoch [1-9]", stopped.resumed[0], re.MULTILINE)


def test_an_interrupted_training_goes_on_to_the_same_bytes(stopped: Stopped) -> None:
    assert final(stopped.interrupted) == final(stopped.straight)
    assert re.search(r"^resumed after epoch [1-9]", stopped.resumed[1], re.MULTILINE)


def test_ctrl_c_leaves_the_best_so_far_and_says_so(stopped: Stopped) -> None:
    assert stopped.exit_code == 130, stopped.last_words
    *_, said = stopped.last_words.splitlines()
    assert re.fullmatch(
        r"Error: interrupted after epoch [1-9]\d*; the best so far is checkpoints/\S+\.keras; "
        r"the same command with --resume goes on",
        said,
    )
    assert stopped.last_words.count("Error: ") == 1
    assert "Traceback" not in stopped.last_words
    checkpoint = next(path for path in stopped.left if path.suffix == ".keras")
    assert [path.suffix for path in stopped.left] == [".json", ".keras", ".png"]
    assert str(checkpoint.relative_to(stopped.interrupted.folder)) in said
    known = stopped.interrupted.ledger.rows("SELECT digest FROM checkpoints ORDER BY id")
    assert [digest for (digest,) in known][:1] == stopped.left_digests


def test_nothing_is_left_of_a_training_that_was_finished(stopped: Stopped) -> None:
    for site in (stopped.straight, stopped.killed, stopped.interrupted):
        assert [path.name for path in (site.folder / "checkpoints").glob(".*")] == []


def test_drawn_images_are_called_synthetic_in_the_card(stopped: Stopped) -> None:
    (checkpoint,) = stopped.straight.folder.glob("checkpoints/*.keras")
    assert card_of(checkpoint)["data"]["synthetic"] is True
