"""The tutorial's model on real dermoscopic images, against a plain script of its steps."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image
from processes import Done, Site, begin_together
from servers import redis_server

IMAGES = 80  # 24 melanoma, 56 nevus
THRESHOLD = 0.23
TOLERANCE = 1e-4
TRAINING_SECONDS = 1200.0

# InceptionV3 is trained, loaded twice and run over 260 images.
pytestmark = pytest.mark.timeout(3600)

# Nothing of dermscore but the registration of the layer that the checkpoint names.
PLAIN_SCRIPT = """
import json, sys
import model.hub.hub_module
import keras, tensorflow as tf

checkpoint, *paths = sys.argv[1:]

def decode(path):
    image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.convert_image_dtype(image, tf.float32)
    return tf.image.resize(image, [299, 299])

images = tf.data.Dataset.from_tensor_slices(paths).map(decode).batch(16)
network = keras.saving.load_model(checkpoint)
print(json.dumps(network.predict(images, verbose=0)[:, 0].tolist()))
"""


class ScoredSite(NamedTuple):
    """Trained on real images by way of a module that is gone, then scored and reported."""

    site: Site
    root: Path
    checkpoint: Path
    worker_output: str
    reported: Done


@pytest.fixture(scope="module")
def scored(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> ScoredSite:
    folder = tmp_path_factory.mktemp("real")
    root = shared / "data" / "isic"
    site = Site(folder, {"DATA_ROOT": str(root)})
    module = folder / "module"
    module.symlink_to(shared / "models" / "inception_v3_feature_vector")
    sources = str(root / "train"), str(root / "valid")
    options = ("--backbone", "hub:module", "--epochs", "100")
    site.succeed("trainer", "train", *sources, *options, seconds=TRAINING_SECONDS)
    module.unlink()
    (checkpoint,) = (folder / "checkpoints").glob("*.keras")
    site.succeed("producer", "enqueue", str(root / "test"))
    worker_output = site.drain()
    asked = ("--threshold", str(THRESHOLD), "--format", "json", "--output", "figures")
    return ScoredSite(site, root, checkpoint, worker_output, site.succeed("report", *asked))


@pytest.fixture(scope="module")
def report(scored: ScoredSite) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(scored.reported.stdout)
    return found


def test_every_image_has_a_score_without_the_module(scored: ScoredSite) -> None:
    assert not (scored.site.folder / "module").exists()
    predictions = scored.site.ledger.predictions()
    assert len(predictions) == IMAGES
    assert [row.path for row in predictions if row.score is None] == []
    listed = sorted(f"test/{path.parent.name}/{path.name}" for path in pictures(scored.root))
    assert sorted(row.path for row in predictions) == listed


def pictures(root: Path) -> list[Path]:
    return list((root / "test").glob("*/*.*"))


def test_scores_are_those_of_a_plain_script(scored: ScoredSite) -> None:
    scores = scored.site.ledger.scores()
    files = [str(scored.root / path) for path in scores]
    plain = scored.site.succeed("python", "-c", PLAIN_SCRIPT, str(scored.checkpoint), *files)
    expected = json.loads(plain.stdout)
    assert list(scores.values()) == pytest.approx(expected, abs=TOLERANCE)
    assert max(expected) - min(expected) > 0.2, "the model tells images apart"


def test_the_report_counts_what_is_stored(scored: ScoredSite, report: dict[str, Any]) -> None:
    stored = scored.site.ledger.rows(
        "SELECT label, score FROM images JOIN predictions ON image_id = images.id"
    )
    cells = [(label, score >= THRESHOLD) for label, score in stored]
    counted = {
        "tp": cells.count((1, True)),
        "fp": cells.count((0, True)),
        "tn": cells.count((0, False)),
        "fn": cells.count((1, False)),
    }
    assert report["confusion"] == counted
    assert sum(counted.values()) == IMAGES
    assert report["flow"]["analysed"] == IMAGES
    assert report["sensitivity"]["value"] == counted["tp"] / 24
    assert report["specificity"]["value"] == counted["tn"] / 56
    malignant = [score for label, score in stored if label == 1]
    benign = [score for label, score in stored if label == 0]
    assert report["roc_auc"]["value"] == pytest.approx(share_in_order(malignant, benign), abs=1e-12)
    assert report["roc_auc"]["value"] > 0.5, "it learned something"


def share_in_order(malignant: list[float], benign: list[float]) -> float:
    """What an ROC AUC is: how often a malignant image scores above a benign one."""
    wins = sum((m > b) + (m == b) / 2 for m in malignant for b in benign)
    return wins / (len(malignant) * len(benign))


def test_the_report_does_not_call_real_images_synthetic(report: dict[str, Any]) -> None:
    assert report["checkpoint"]["synthetic"] is False


@pytest.mark.parametrize("name", ["roc.png", "confusion_matrix.png"])
def test_the_pictures_are_there(scored: ScoredSite, name: str) -> None:
    with Image.open(scored.site.folder / "figures" / name) as picture:
        picture.load()
        assert min(picture.size) > 300
    assert f"wrote figures/{name}" in scored.reported.stderr


def test_two_workers_on_redis_and_postgresql_give_the_same_scores_to_the_bit(
    scored: ScoredSite, postgres_url: str, tmp_path: Path
) -> None:
    with redis_server(tmp_path / "redis") as redis, ExitStack() as started:
        servers = {"BROKER_URL": redis.url, "DATABASE_URL": postgres_url}
        site = Site(scored.site.folder, {**scored.site.settings, **servers, "THREADS": "1"})
        order = ("producer", "enqueue", str(scored.root / "test"), "--batch-size", "16")
        site.succeed(*order, "--checkpoint", str(scored.checkpoint))
        workers = [started.enter_context(site.worker("--drain")) for _ in range(2)]
        begin_together(workers, site.ledger)
        assert [worker.await_end() for worker in workers] == [0, 0], workers[0].last_words
    assert site.ledger.scores() == scored.site.ledger.scores()
    assert len(site.ledger.rows("SELECT DISTINCT worker FROM predictions")) == 2
