"""A quantised checkpoint by the commands: made, enqueued, scored, killed in mid-batch, reported."""

import shutil
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from invariants import half_batches
from networks import Saved, hub_checkpoint, save_module
from processes import Site, error_lines, kill_a_holder
from quantised import drawn_images

from model.card import ModelCard

IMAGES = 12
# Of the data set: enough that a kill finds the worker in the midst of it.
COPIES = 60


class Made(NamedTuple):
    """A folder with images, a float32 checkpoint `a.keras`, and what `trainer quantise` made."""

    folder: Path
    float32: Saved
    int8: Saved
    output: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("quantised")
    for name, seed in (("train", 0), ("valid", 100), ("test", 200)):
        drawn_images(folder, name, IMAGES, seed)
    float32 = hub_checkpoint(folder / "a.keras", save_module(folder / "module"), 1)
    done = Site(folder).succeed("trainer", "quantise", "a.keras", "train", "--valid", "valid")
    path = folder / "a-int8.keras"
    return Made(folder, float32, Saved(path, ModelCard.read(path).digest), done.stdout)


@pytest.fixture
def site(made: Made, tmp_path: Path) -> Site:
    for name in ("train", "test"):
        shutil.copytree(made.folder / name, tmp_path / name)
    return Site(tmp_path)


def test_the_command_says_what_came_out(made: Made) -> None:
    assert "ranges are measured on 12 of 12 images of train" in made.output
    assert "scores of 12 images differ from float32's by 0.0" in made.output
    assert "next: producer enqueue SOURCE --checkpoint a-int8.keras" in made.output
    assert sorted(path.name for path in made.folder.iterdir() if path.suffix == ".keras") == [
        "a-int8.keras",
        "a.keras",
    ]


def test_it_is_scored_beside_its_float32_one_and_the_report_knows_its_images(
    made: Made, site: Site
) -> None:
    both = ("--checkpoint", str(made.float32.path), "--checkpoint", str(made.int8.path))
    site.succeed("producer", "enqueue", "test", *both, "--keep-features", "--batch-size", "5")
    flipped = ("--checkpoint", str(made.int8.path), "--views", "4", "--batch-size", "5")
    site.succeed("producer", "enqueue", "test", *flipped)
    site.succeed("producer", "enqueue", "train", "--checkpoint", str(made.int8.path))
    site.drain()

    exact, near, views = (site.ledger.scores(run) for run in (1, 2, 3))
    assert len(exact) == len(near) == len(views) == IMAGES
    distance = [abs((near[path] or 0) - (exact[path] or 0)) for path in exact]
    assert 0 < max(distance) < 0.03
    assert near != views

    again = ("--checkpoint", str(made.int8.path), "--keep-features", "--new-run")
    site.succeed("producer", "enqueue", "test", *again)
    site.drain()
    kept = site.ledger.scores(5)
    np.testing.assert_allclose(
        [kept[path] or 0 for path in near], [near[path] or 0 for path in near], rtol=0, atol=1e-6
    )

    warned = site.succeed("report", "--run", "4", "--threshold", "0.5").stdout
    assert "the checkpoint was trained or calibrated on 12 of the 12 scored images" in " ".join(
        warned.split()
    )


def test_another_precision_is_refused_before_anything_is_enqueued(made: Made, site: Site) -> None:
    options = ("--checkpoint", str(made.int8.path), "--precision", "bfloat16")
    done = site.run("producer", "enqueue", "test", *options)

    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert "is quantised, so it is computed in int8: leave it out" in line


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("none.keras", "train"), "none.keras: No such file"),
        (("a.json", "train"), "a.json is not a .keras file"),
        (("a-int8.keras", "train"), "a-int8.keras is quantised already"),
        (("a.keras", "nowhere"), "nowhere: there is no such folder"),
        (("a.keras", "train", "--valid", "nowhere"), "nowhere: there is no such folder"),
    ],
)
def test_what_is_wrong_with_a_name_is_said_before_tensorflow_is_loaded(
    made: Made, arguments: tuple[str, ...], reason: str
) -> None:
    before = sorted(made.folder.iterdir())
    program = (sys.executable, "-X", "importtime", "-m", "trainer", "quantise")

    done = Site(made.folder).run(*program, *arguments)

    assert done.code == 1
    assert reason in done.stderr
    assert "model.checkpoint_requirements" in done.stderr  # as a proof that imports are listed
    assert "tensorflow" not in done.stderr
    assert sorted(made.folder.iterdir()) == before


def test_a_head_is_fitted_anew_by_the_recipe_of_the_card(made: Made, site: Site) -> None:
    for name in ("valid", "module"):
        shutil.copytree(made.folder / name, site.folder / name)
    folders = ("train", "valid")
    trained = ("--backbone", "hub:module", "--epochs", "3", "--target-sensitivity", "0.5")
    site.succeed("trainer", "train", *folders, *trained)
    (checkpoint,) = site.folder.glob("checkpoints/*.keras")
    options = ("--valid", "valid", "--fit-head", "train", "-o", "q.keras")

    said = site.succeed("trainer", "quantise", str(checkpoint), "train", *options).stdout

    assert "head fitted" in said
    before, card = map(ModelCard.read, (checkpoint, site.folder / "q.keras"))
    assert before.threshold is not None
    assert card.threshold is None  # it belongs to other scores
    assert card.data is not None
    assert card.quantised is not None
    assert card.data.images == card.quantised.images
    assert card.training is not None
    assert (card.training.epochs, card.validation.keys()) == (3, before.validation.keys())
    site.succeed("producer", "enqueue", "test", "--checkpoint", "q.keras")
    site.drain()
    assert len(site.ledger.scores(1)) == IMAGES


def test_a_kill_in_mid_batch_loses_doubles_and_changes_nothing(made: Made, site: Site) -> None:
    checkpoint = ("--checkpoint", str(made.int8.path))
    for number in range(COPIES):
        shutil.copytree(site.folder / "test", site.folder / "many" / f"copy{number}")
    site.succeed("producer", "enqueue", "many", *checkpoint, "--batch-size", "16")
    with site.worker() as first:
        kill_a_holder([first], site.ledger)
        assert first.await_end() == -signal.SIGKILL
    assert half_batches(site.ledger, 1) == 0
    owed = site.ledger.unfinished()
    assert owed > 0
    site.drain()

    site.succeed("producer", "enqueue", "test", *checkpoint, "--batch-size", "5")
    site.drain()
    clean = site.ledger.scores(2)
    found = site.ledger.predictions(1)
    assert [one.path for one in found] == site.ledger.images(1)
    assert len(found) == COPIES * IMAGES
    for one in found:
        name = f"test/{Path(one.path).parent.name}/{Path(one.path).name}"
        assert one.score == clean[name], one
