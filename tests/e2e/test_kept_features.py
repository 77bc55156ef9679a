"""`--keep-features`: images scored from kept features, and when they must not be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from counting import count_decoded
from drawing import draw
from networks import (
    DECODE,
    FEATURES,
    Saved,
    engine,
    hub_checkpoint,
    nothing_known,
    predicted,
    save,
    save_module,
    sequential,
)

from base.runtime import keras
from imaging.decoding.decoder import Decoder
from model.features.feature_cache import FeatureKey, FeatureStore
from model.hub.hub_module import module_digest
from trainer.training.backbone import build_backbone
from trainer.training.dataset import LabelledImages
from trainer.training.features import compute_features
from worker.scoring.batch_scores import RunScores
from worker.scoring.engine import ModelEngine
from worker.scoring.model_registry import ModelRegistry

IMAGES = 6
NAMES = [f"{at}.jpg" for at in range(IMAGES)]


class Site:
    """Images, a module with heads `one` and `two`, another module, and a feature cache."""

    def __init__(
        self, folder: Path, module: Path, heads: Sequence[Saved], registry: ModelRegistry
    ) -> None:
        self._registry = registry
        self.root, self.cache, self.module = folder / "data", folder / "cache", module
        self.one, self.two, self.other, self.keyless = heads
        for seed, name in enumerate(NAMES):
            draw(self.root / name, seed=seed)

    def score(
        self, *runs: tuple[Saved, bool], precision: str = "float32", seen: bool = False
    ) -> list[RunScores]:
        """Each with whether it keeps features, together in a worker of their own.

        `seen` when an earlier run of the source has scored these images.
        """
        worker = self.worker()
        known = self.digests if seen else nothing_known
        specs = [
            saved.spec(at, precision, keep_features=keep) for at, (saved, keep) in enumerate(runs)
        ]
        scored = worker.score(specs, NAMES, known)
        worker.close()
        return scored.runs

    def worker(self) -> ModelEngine:
        """One of its own, but for the checkpoints, which all have loaded."""
        return engine(self.root, self.cache, self._registry)

    def remember(self) -> None:
        """What the ledger would know of the files as they now are."""
        found = Decoder(DECODE).decode_files(self.root, NAMES).digests
        self._digests = {NAMES[at]: digest for at, digest in found.items()}

    def digests(self, paths: Sequence[str]) -> dict[str, str]:
        return {path: self._digests[path] for path in paths}

    def segments(self) -> list[Path]:
        return sorted(self.cache.rglob("*.features"))


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("hub") / "module")


@pytest.fixture(scope="module")
def heads(module: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Saved]:
    folder = tmp_path_factory.mktemp("heads")
    pooled = keras.layers.GlobalAveragePooling2D()
    unit = keras.layers.Dense(1, activation="sigmoid")
    return [
        hub_checkpoint(folder / "one.keras", module, 1),
        hub_checkpoint(folder / "two.keras", module, 2),
        hub_checkpoint(folder / "other.keras", save_module(folder / "other", 9), 1),
        save(folder / "keyless.keras", sequential(keras.layers.Conv2D(4, 3), pooled, unit)),
    ]


@pytest.fixture(scope="module")
def registry() -> ModelRegistry:
    return ModelRegistry(None)


@pytest.fixture
def site(tmp_path: Path, module: Path, heads: list[Saved], registry: ModelRegistry) -> Site:
    return Site(tmp_path, module, heads, registry)


@pytest.fixture
def decoded(site: Site, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each pass decoded."""
    site.remember()
    return count_decoded(monkeypatch)


def near(expected: dict[int, float] | tuple[float, ...]) -> Any:
    return pytest.approx(expected, abs=1e-6)


def test_a_new_head_is_scored_without_decoding(site: Site, decoded: list[int]) -> None:
    (plain,) = site.score((site.two, False))
    site.score((site.one, True))
    (again,) = site.score((site.two, True))

    assert decoded == [IMAGES, IMAGES, 0]
    assert again.scores == near(plain.scores)
    assert len(again.scores) == IMAGES
    assert again.digests == plain.digests
    assert again.notes == {}


def test_nothing_is_kept_and_nothing_taken_unless_it_is_asked_for(
    site: Site, decoded: list[int]
) -> None:
    site.score((site.one, False))
    assert not site.cache.exists()
    site.score((site.one, True))
    site.score((site.two, False))

    assert decoded == [IMAGES, IMAGES, IMAGES]


def test_features_that_the_trainer_kept_are_used(site: Site, decoded: list[int]) -> None:
    backbone = build_backbone(f"hub:{site.module}", DECODE)
    key = FeatureKey(backbone=backbone.card.digest, decode=DECODE, shape=(FEATURES,))
    images = LabelledImages("data", NAMES, [0] * IMAGES)
    store = FeatureStore(site.cache, key)
    compute_features(backbone.forward, Decoder(DECODE), site.root, images, store)
    decoded.clear()

    (run,) = site.score((site.two, True))

    assert decoded == [0]
    expected = predicted(site.two, site.root, NAMES)
    assert [run.scores[at] for at in range(IMAGES)] == pytest.approx(expected, abs=1e-6)


def test_a_file_that_changed_is_decoded_anew(site: Site, decoded: list[int]) -> None:
    (before,) = site.score((site.one, True))
    draw(site.root / NAMES[2], seed=77)
    (after,) = site.score((site.one, True), seen=True)

    assert decoded == [IMAGES, 1]
    expected = predicted(site.one, site.root, NAMES)
    assert [after.scores[at] for at in range(IMAGES)] == pytest.approx(expected, abs=1e-6)
    assert abs(after.scores[2] - before.scores[2]) > 1e-3
    assert after.digests[2] != before.digests[2]


def test_two_files_that_change_places_change_their_scores(site: Site, decoded: list[int]) -> None:
    (before,) = site.score((site.one, True))
    first, second = (site.root / name for name in NAMES[:2])
    bytes_of_first = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(bytes_of_first)
    (after,) = site.score((site.one, True), seen=True)

    assert decoded == [IMAGES, 0]
    assert before.scores[0] != before.scores[1]
    assert (after.scores[0], after.scores[1]) == near((before.scores[1], before.scores[0]))


def test_a_file_that_is_gone_is_scored_from_what_was_kept_of_it(
    site: Site, decoded: list[int]
) -> None:
    (before,) = site.score((site.two, False))
    site.score((site.one, True))
    (site.root / NAMES[0]).unlink()
    (site.root / NAMES[4]).unlink()
    (run,) = site.score((site.two, True), seen=True)

    assert decoded == [IMAGES, IMAGES, 0]
    assert run.scores == near(before.scores)
    assert run.errors == {}
    assert run.digests == before.digests
    assert sorted(run.notes) == [0, 4]
    assert "the file is gone" in run.notes[0]


@pytest.mark.parametrize("why", ["not asked for", "nothing kept", "never scored", "no backbone"])
def test_a_file_that_is_gone_is_missing_otherwise(site: Site, decoded: list[int], why: str) -> None:
    if why != "nothing kept":
        site.score((site.one, True), (site.keyless, True))
    (site.root / NAMES[0]).unlink()
    checkpoint = site.keyless if why == "no backbone" else site.one
    (run,) = site.score((checkpoint, why != "not asked for"), seen=why != "never scored")

    assert run.errors[0].code == "missing"
    assert sorted(run.scores) == [1, 2, 3, 4, 5]
    assert run.notes == {}
    assert 0 not in run.digests
    assert decoded


def test_of_runs_together_each_is_scored_as_it_is_alone(site: Site, decoded: list[int]) -> None:
    """Only one keeps features; the other must not live off them, and its file is missing."""
    site.score((site.one, True))
    (site.root / NAMES[0]).unlink()
    alone = [site.score(run, seen=True)[0] for run in ((site.one, True), (site.two, False))]
    decoded.clear()
    together = site.score((site.one, True), (site.two, False), seen=True)

    assert decoded == [IMAGES - 1], "once, for the one that has no features"
    assert [sorted(run.errors) for run in together] == [[], [0]]
    assert together[1].errors[0].code == "missing"
    assert [sorted(run.notes) for run in together] == [[0], []]
    for one, other in zip(alone, together, strict=True):
        assert other.errors.keys() == one.errors.keys()
        assert {at: other.scores[at] for at in one.scores} == near(one.scores)
        assert (other.notes, other.digests) == (one.notes, one.digests)


@pytest.mark.parametrize("companion", ["keyless", "other"])
def test_one_that_has_kept_nothing_costs_the_other_nothing(
    site: Site, decoded: list[int], companion: str
) -> None:
    site.score((site.one, True))
    (before,) = site.score((site.one, False))
    (site.root / NAMES[0]).unlink()
    one, other = site.score((site.one, True), (getattr(site, companion), True), seen=True)

    assert decoded == [IMAGES, IMAGES, IMAGES - 1]
    assert one.scores == near(before.scores)
    assert sorted(one.notes) == [0]
    assert other.errors[0].code == "missing"
    assert other.notes == {}


def test_a_damaged_segment_is_not_used(site: Site, decoded: list[int]) -> None:
    (before,) = site.score((site.one, True))
    (segment,) = site.segments()
    data = bytearray(segment.read_bytes())
    data[-2] ^= 0x41  # in the last row
    segment.write_bytes(data)
    (after,) = site.score((site.one, True))

    assert decoded == [IMAGES, 1]
    assert after.scores == near(before.scores)


@pytest.mark.parametrize("damage", ["cut short", "empty", "garbage"])
def test_a_segment_that_nobody_can_read_is_not_used(
    site: Site, decoded: list[int], damage: str
) -> None:
    (before,) = site.score((site.one, True))
    (segment,) = site.segments()
    whole = segment.read_bytes()
    segment.write_bytes({"cut short": whole[:40], "empty": b"", "garbage": b"x" * 500}[damage])
    (after,) = site.score((site.one, True))

    assert decoded == [IMAGES, IMAGES]
    assert after.scores == before.scores


def test_a_cache_that_cannot_be_written_costs_one_warning_and_no_image(
    site: Site, decoded: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    site.cache.write_text("a file where the folder should be")
    worker = site.worker()
    spec = site.one.spec(keep_features=True)
    runs = [worker.score([spec], NAMES, nothing_known).runs[0] for _ in range(2)]
    worker.close()

    assert [len(run.scores) for run in runs] == [IMAGES, IMAGES]
    (warning,) = caplog.messages
    assert "features cannot be kept" in warning
    assert str(site.cache) in warning
    assert decoded == [IMAGES, IMAGES]


def test_a_card_that_claims_another_backbone_takes_and_keeps_no_features(
    site: Site, decoded: list[int], tmp_path: Path
) -> None:
    other = save_module(tmp_path / "module2", 9)
    liar = hub_checkpoint(tmp_path / "liar.keras", other, 1, claim=module_digest(site.module))
    site.score((site.one, True))
    before = site.segments()
    (run,) = site.score((liar, True))

    assert decoded == [IMAGES, IMAGES]
    assert site.segments() == before
    expected = predicted(liar, site.root, NAMES)
    assert [run.scores[at] for at in range(IMAGES)] == pytest.approx(expected, abs=1e-6)


def test_a_worker_finds_what_another_kept_before_its_run_began(
    site: Site, decoded: list[int]
) -> None:
    worker = site.worker()
    worker.score([site.other.spec(1, keep_features=True)], NAMES[:1], nothing_known)
    worker.score([site.one.spec(2, keep_features=True)], NAMES[:1], nothing_known)
    site.score((site.one, True))  # another worker, which ends and publishes
    decoded.clear()

    worker.score([site.two.spec(3, keep_features=True)], NAMES, nothing_known)

    assert decoded == [0]
    worker.close()
