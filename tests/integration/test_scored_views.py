"""`--views`: scores are the mean over flips and quarter turns of each image, decoded once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counting import count_decoded, count_passes
from drawing import draw
from networks import (
    DECODE,
    FEATURES,
    Saved,
    engine,
    hub_checkpoint,
    nothing_known,
    paths_in,
    save_module,
)
from PIL import Image

from base.runtime import keras
from db.queries.runs import RunSpec
from imaging.decoding.decoder import Decoder
from model.card import Decode
from model.checkpoint import load_checkpoint, save_checkpoint
from model.features.feature_cache import FeatureKey, FeatureStore
from model.hub.hub_module import module_digest
from worker.scoring.batch_scores import KnownDigests, RunScores
from worker.scoring.model_registry import ModelRegistry

IMAGES = 5
FLIPS = (
    lambda images: images,
    lambda images: np.flip(images, 2),
    lambda images: np.flip(images, 1),
    lambda images: np.flip(images, (1, 2)),
)
TURNS = tuple(
    lambda images, turn=turn, flip=flip: np.rot90(flip(images), turn, axes=(1, 2))
    for turn in range(4)
    for flip in FLIPS[:2]
)


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("hub") / "module")


@pytest.fixture(scope="module")
def heads(module: Path) -> tuple[Saved, Saved]:
    one, two = (hub_checkpoint(module.parent / f"{at}.keras", module, at) for at in (1, 2))
    return one, two


@pytest.fixture(scope="module")
def registry() -> ModelRegistry:
    return ModelRegistry(None)


class Site:
    """Images, a feature cache, and engines that share what they have loaded."""

    def __init__(self, folder: Path, registry: ModelRegistry) -> None:
        self.root, self.cache, self._registry = folder / "data", folder / "cache", registry
        for seed in range(IMAGES):
            draw(self.root / f"{seed}.jpg", seed=seed)

    def score(
        self,
        *specs: RunSpec,
        paths: list[str] | None = None,
        known: KnownDigests = nothing_known,
    ) -> list[RunScores]:
        """Of runs together, in a worker of their own."""
        worker = engine(self.root, self.cache, self._registry)
        scored = worker.score(specs, paths or paths_in(self.root), known).runs
        worker.close()
        return scored


@pytest.fixture
def site(tmp_path: Path, registry: ModelRegistry) -> Site:
    return Site(tmp_path, registry)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the decoder really decoded."""
    return count_decoded(monkeypatch)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass through a backbone took."""
    return count_passes(monkeypatch)


def by_keras(saved: Saved, root: Path, views: tuple[Any, ...]) -> list[float]:
    """The mean over these views of what Keras itself says."""
    network, card = load_checkpoint(saved.path)
    images = Decoder(card.decode).decode_files(root, paths_in(root)).images
    given = [network.predict(view(images), verbose=0)[:, 0].astype(float) for view in views]
    mean: list[float] = np.mean(given, axis=0).tolist()
    return mean


@pytest.mark.parametrize("views", [FLIPS, TURNS], ids=["4", "8"])
def test_scores_are_the_mean_of_what_keras_says_of_numpy_views(
    views: tuple[Any, ...], site: Site, heads: tuple[Saved, Saved], decoded: list[int]
) -> None:
    (run,) = site.score(heads[0].spec(views=len(views)))

    assert decoded == [IMAGES]
    expected = by_keras(heads[0], site.root, views)
    assert list(run.scores.values()) == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(by_keras(heads[0], site.root, FLIPS[:1]), abs=1e-5)


def edges(folder: Path, decode: Decode) -> Saved:
    """A network whose score is the second pixel of the first row."""
    unit = keras.layers.Dense(1, use_bias=False)
    shape = (decode.height, decode.width, 3)
    network = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), unit])
    kernel = np.zeros((np.prod(shape), 1), np.float32)
    kernel[3] = 1
    unit.set_weights([kernel])
    fields = {"decode": decode, "output": "probability"}
    path, card = save_checkpoint(network, folder / f"{decode.width}.keras", fields)
    return Saved(path, card.digest)


def greys(path: Path, rows: list[list[int]]) -> None:
    """Squares of 16 pixels a side, so that each becomes one pixel of its grey."""
    rows = np.kron(rows, np.ones((16, 16))).tolist()
    pixels = np.repeat(np.array(rows, np.uint8)[..., None], 3, axis=-1)
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_means_that_can_be_counted_by_hand(tmp_path: Path) -> None:
    """The four edges of 3 x 3 pixels are 0.2 (top), 0.4 (bottom), 0.6 and 1.0."""
    greys(tmp_path / "data" / "a.png", [[0, 51, 0], [153, 0, 255], [0, 102, 0]])
    saved = edges(tmp_path, Decode(height=3, width=3))
    worker = engine(tmp_path / "data", tmp_path / "cache")
    specs = [saved.spec(at, views=views) for at, views in enumerate((1, 4, 8))]

    runs = worker.score(specs, ["a.png"], nothing_known).runs

    assert [run.scores[0] for run in runs] == pytest.approx([0.2, 0.3, 0.55], abs=1e-7)


def test_images_that_are_not_square_have_four_views(tmp_path: Path) -> None:
    """Of two rows: top middle 0.2, bottom middle 0.8."""
    greys(tmp_path / "data" / "a.png", [[0, 51, 255], [255, 204, 0]])
    saved = edges(tmp_path, Decode(height=2, width=3))
    worker = engine(tmp_path / "data", tmp_path / "cache")

    (run,) = worker.score([saved.spec(views=4)], ["a.png"], nothing_known).runs

    assert run.scores[0] == pytest.approx(0.5, abs=1e-7)


def test_a_score_does_not_depend_on_how_many_images_are_in_the_batch(
    site: Site, heads: tuple[Saved, Saved]
) -> None:
    spec, paths = heads[0].spec(views=8), paths_in(site.root)
    (whole,) = site.score(spec)

    for count in range(1, IMAGES):
        (part,) = site.score(spec, paths=paths[-count:])
        expected = [whole.scores[at] for at in range(IMAGES - count, IMAGES)]
        assert list(part.scores.values()) == expected, f"to the bit, {count} of {IMAGES}"


def test_runs_of_other_views_share_decoding_and_the_passes_of_each_view(
    site: Site, heads: tuple[Saved, Saved], decoded: list[int], passes: list[int]
) -> None:
    (site.root / "3.jpg").write_text("no picture")
    one, two = heads
    specs = [one.spec(1), two.spec(2, views=8), one.spec(3, views=4)]
    alone = [site.score(spec)[0].scores for spec in specs]
    decoded.clear()
    passes.clear()

    together = site.score(*specs)

    assert decoded == [IMAGES - 1]
    assert passes == [IMAGES - 1] * 8, "not 1 + 8 + 4"
    assert [run.scores for run in together] == alone, "to the bit"
    assert [list(run.errors) for run in together] == [[3]] * 3


def test_features_of_each_view_are_kept_and_spare_the_decoding(
    site: Site, module: Path, heads: tuple[Saved, Saved], decoded: list[int], passes: list[int]
) -> None:
    one, two = heads
    (expected,) = site.score(two.spec(1, views=4))
    site.score(one.spec(1, views=4, keep_features=True))
    key = FeatureKey(backbone=module_digest(module), decode=DECODE, shape=(FEATURES,))
    variants = [key.model_copy(update={"variant": name}) for name in ("", "view-1", "view-3")]
    assert [len(FeatureStore(site.cache, one)) for one in variants] == [IMAGES] * 3
    decoded.clear()
    passes.clear()

    (four,) = site.score(two.spec(1, views=4, keep_features=True))
    (plain,) = site.score(two.spec(2, keep_features=True))

    assert (decoded, passes) == ([0, 0], [])
    assert four.scores == expected.scores, "to the bit"
    assert plain.scores == site.score(two.spec(3))[0].scores


def test_a_file_that_is_gone_needs_the_features_of_all_views(
    site: Site, heads: tuple[Saved, Saved]
) -> None:
    one, two = heads
    plain = one.spec(1, keep_features=True)
    (kept,) = site.score(plain)
    (site.root / "0.jpg").unlink()
    paths = [f"{at}.jpg" for at in range(IMAGES)]
    four = two.spec(2, views=4, keep_features=True)

    found = site.score(plain, four, paths=paths, known=lambda _: {"0.jpg": kept.digests[0]})

    assert found[0].scores[0] == pytest.approx(kept.scores[0], abs=1e-6)
    assert not found[0].errors
    assert {at: error.code for at, error in found[1].errors.items()} == {0: "missing"}
    assert sorted(found[1].scores) == [1, 2, 3, 4]
