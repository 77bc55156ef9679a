"""Ten checkpoints of one backbone over a dataset against one; and a new head from kept features.

Aims: ten take at most 1.15 times as long as one; from kept features a dataset is scored at least 50
times faster than from images. Through ledger and engine, without a queue, once all is loaded.
"""

import itertools
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from common import backbone_option, describe_machine, images_folder, line

from base.listed_image import ListedImage
from base.runtime import keras
from db.queries.leases import BatchKey
from db.queries.listing import cut_batches, lock_run, stage_images
from db.queries.runs import add_checkpoint, group_runs
from db.session import Database, open_database
from db.tables import Run
from imaging.listing.sources import list_source
from model.card import Decode
from model.checkpoint import save_checkpoint
from trainer.training.backbone import build_backbone
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.engine import ModelEngine
from worker.scoring.features import RunFeatures
from worker.scoring.model_registry import ModelRegistry

ROUNDS = 3
CHECKPOINTS = 10
# A new head is scored so many times over, for the time of a single pass is a blink.
REPEATS = 5
_seeds = itertools.count()


def make_checkpoint(folder: Path, network: keras.Model, card: object) -> tuple[Path, str]:
    """The backbone under a head of its own; untrained, which costs the same."""
    keras.utils.set_random_seed(next(_seeds))
    layers = [*network.layers, keras.layers.GlobalAveragePooling2D()]
    if len(network.output_shape) == 2:
        layers.pop()
    whole = keras.Sequential([*layers, keras.layers.Dense(1, activation="sigmoid")])
    whole.build(network.input_shape)
    path, finished = save_checkpoint(
        whole, folder / "head.keras", {"decode": Decode(), "backbone": card}
    )
    return path, finished.digest


class Bench:
    """A ledger in which runs are made and scored at once."""

    def __init__(self, database: Database, engine: ModelEngine, images: list[ListedImage]) -> None:
        self._database, self._images = database, images
        self._scoring = BatchProcessor(database, engine, "benchmark")

    def score(self, checkpoints: list[tuple[Path, str]], *, keep: bool = False) -> float:
        """Seconds for new runs of all images with these checkpoints, together."""
        first, batches = self._enqueue(checkpoints, keep)
        began = time.perf_counter()
        for number in range(1, batches + 1):
            self._scoring.score(BatchKey(first, number))
        return time.perf_counter() - began

    def _enqueue(self, checkpoints: list[tuple[Path, str]], keep: bool) -> tuple[int, int]:
        runs = []
        with self._database.write() as session:
            for path, digest in checkpoints:
                entered = add_checkpoint(session, digest, str(path), {})
                run = Run(
                    source="benchmark",
                    checkpoint_id=entered.id,
                    precision="float32",
                    batch_size=64,
                    keep_features=keep,
                )
                session.add(run)
                session.flush()
                _, last = stage_images(session, lock_run(session, run.id), self._images) or (0, 0)
                cut_batches(session, run.id)
                runs.append(run.id)
            group_runs(session, runs)
        return runs[0], last


def main() -> None:
    """One and ten in turn, then from images and from features in turn."""
    root = images_folder()
    images = [
        ListedImage(row.path, row.label, None)
        for part in ("train", "valid", "test")
        for row in list_source(str(root / part), root)
    ]
    backbone = build_backbone(backbone_option(), Decode())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [
            make_checkpoint(folder, backbone.network, backbone.card) for _ in range(CHECKPOINTS)
        ]
        features = folder / "features"
        engine = ModelEngine(root, ModelRegistry(None), RunFeatures(features))
        bench = Bench(open_database(f"sqlite:///{folder}/ledger.db"), engine, images)
        bench.score(made)  # loads and warms up
        print(f"{CHECKPOINTS} checkpoints of {backbone.card.description}, {len(images)} images")
        print(describe_machine(), flush=True)
        compare_number(bench, made)
        compare_features(bench, made, engine, features)


def compare_number(bench: Bench, made: list[tuple[Path, str]]) -> None:
    """Ten against one."""
    ones, tens = [], []
    for _ in range(ROUNDS):
        ones.append(bench.score(made[:1]))
        tens.append(bench.score(made))
    print(line("one checkpoint", ones, "s"))
    print(line(f"{len(made)} checkpoints together", tens, "s"))
    print(f"ratio of the medians: {median(tens) / median(ones):.2f} (aim: at most 1.15)")


def compare_features(
    bench: Bench, made: list[tuple[Path, str]], engine: ModelEngine, features: Path
) -> None:
    """A head on an empty cache, which fills it, against other heads on the full one."""
    from_images, from_features = [], []
    for _ in range(ROUNDS):
        shutil.rmtree(features, ignore_errors=True)
        from_images.append(bench.score(made[:1], keep=True))
        engine.close()
        repeated = [bench.score([one], keep=True) for one in made[1 : 1 + REPEATS]]
        from_features.append(median(repeated))
    print(line("from images, keeping features", from_images, "s"))
    print(line("another head from kept features", from_features, "s"))
    ratio = median(from_images) / median(from_features)
    print(f"ratio of the medians: {ratio:.0f} (aim: at least 50)")


if __name__ == "__main__":
    main()
