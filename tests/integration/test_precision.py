"""Precisions: bfloat16 beside float32 in one process, and what a machine does not have."""

from pathlib import Path

import pytest
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

from base.runtime import gpus
from model.errors import CheckpointError
from model.features.feature_cache import FeatureKey, FeatureStore
from model.hub.hub_module import module_digest
from worker.scoring.engine import ModelEngine

IMAGES = 6


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_module(tmp_path_factory.mktemp("hub") / "module")


@pytest.fixture(scope="module")
def saved(module: Path) -> Saved:
    return hub_checkpoint(module.parent / "one.keras", module, 1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in range(IMAGES):
        draw(tmp_path / "data" / f"{seed}.jpg", seed=seed)
    return tmp_path / "data"


@pytest.fixture
def worker(root: Path) -> ModelEngine:
    return engine(root, root.parent / "cache")


@pytest.fixture
def bfloat16(worker: ModelEngine, saved: Saved) -> str:
    """The precision, on a machine that has it."""
    if gpus or "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no bfloat16 (AVX512-BF16), or a GPU computes")
    worker.prepare(saved.spec(1, "bfloat16"))
    return "bfloat16"


def scores(worker: ModelEngine, root: Path, saved: Saved, *precisions: str) -> list[list[float]]:
    """Of runs together, in these precisions."""
    runs = [saved.spec(at, precision) for at, precision in enumerate(precisions, 1)]
    scored = worker.score(runs, paths_in(root), nothing_known).runs
    return [[run.scores[at] for at in range(IMAGES)] for run in scored]


def test_both_precisions_live_side_by_side(
    worker: ModelEngine, root: Path, saved: Saved, bfloat16: str
) -> None:
    (alone,) = scores(engine(root, root.parent / "cache"), root, saved, "float32")

    fine, rough = scores(worker, root, saved, "float32", bfloat16)

    assert fine == alone, "float32 is unchanged to the bit"
    assert rough != fine, "it computes in another precision"
    assert rough == pytest.approx(fine, abs=0.02)
    assert scores(worker, root, saved, "float32") == [alone], "and stays so"


def test_features_of_two_precisions_do_not_mix(
    worker: ModelEngine, root: Path, module: Path, saved: Saved, bfloat16: str
) -> None:
    paths = paths_in(root)
    (fine,), (rough,) = (
        scores(worker, root, saved, precision) for precision in ("float32", bfloat16)
    )
    for precision in ("float32", bfloat16, "float32", bfloat16):
        spec = saved.spec(1, precision, keep_features=True)
        (run,) = worker.score([spec], paths, nothing_known).runs
        worker.close()
        assert list(run.scores.values()) == (fine if precision == "float32" else rough)

    key = FeatureKey(backbone=module_digest(module), decode=DECODE, shape=(FEATURES,))
    for variant in ("", bfloat16):
        of_variant = key.model_copy(update={"variant": variant})
        assert len(FeatureStore(root.parent / "cache", of_variant)) == IMAGES


@pytest.mark.skipif(bool(gpus), reason="a GPU computes in float16")
def test_a_precision_that_the_machine_has_not_is_refused(
    worker: ModelEngine, root: Path, saved: Saved
) -> None:
    with pytest.raises(CheckpointError, match=r"no float16 on a CPU.*--precision") as caught:
        worker.prepare(saved.spec(1, "float16"))

    assert "\n" not in caught.value.message
    assert worker.failure(saved.digest, "float16") is caught.value
    assert worker.failure(saved.digest, "float32") is None
    assert len(scores(worker, root, saved, "float32")[0]) == IMAGES


def test_a_precision_that_nothing_would_be_computed_in_is_refused(
    saved: Saved, worker: ModelEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TensorFlow ignores an option that the machine cannot follow, and computes in float32."""
    if gpus:
        pytest.skip("of a CPU")
    monkeypatch.setattr("worker.scoring.graphs.frozen._ON", 2)  # RewriterConfig.OFF

    with pytest.raises(CheckpointError, match="does not compute in bfloat16"):
        worker.prepare(saved.spec(1, "bfloat16"))
