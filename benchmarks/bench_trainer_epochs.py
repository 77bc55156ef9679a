"""A hundred epochs of the trainer against one plain pass of the backbone over the same images.

Aim: at most 1.2 times.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
from common import backbone_option, describe_machine, images_folder, line

from base.runtime import tf
from imaging.decoding.decoder import Decoder
from imaging.listing.labels import LABELS
from model.card import Decode
from trainer.training.backbone import FrozenBackbone, build_backbone
from trainer.training.dataset import LabelledImages, list_labelled
from trainer.training.features import compute_features
from trainer.training.recipe import Recipe
from trainer.training.train import HeadTraining

ROUNDS = 3


def one_pass(backbone: FrozenBackbone, root: Path, sources: list[LabelledImages]) -> float:
    """Seconds for decoding all images and running the backbone over them, in batches of 64."""
    decoder = Decoder(Decode())
    began = time.perf_counter()
    for images in sources:
        for start in range(0, len(images.paths), 64):
            batch = decoder.decode_files(root, images.paths[start : start + 64])
            np.asarray(backbone.forward(tf.constant(batch.images)))
    return time.perf_counter() - began


def hundred_epochs(backbone: FrozenBackbone, root: Path, sources: list[LabelledImages]) -> float:
    """Seconds for the trainer's features and its 100 epochs, with nothing in the cache."""
    recipe = Recipe(backbone=backbone.card.option)
    decoder = Decoder(Decode())
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        train, valid = (compute_features(backbone.forward, decoder, root, one) for one in sources)
        training = HeadTraining(backbone, train, valid, recipe)
        training.run(Path(folder) / "state", lambda _state: None, Path(folder) / "logs")
        return time.perf_counter() - began


def main() -> None:
    """Both sides in turn, so that a noisy moment meets both."""
    root = images_folder()
    sources = [list_labelled(str(root / part), root, LABELS) for part in ("train", "valid")]
    backbone = build_backbone(backbone_option(), Decode())
    one_pass(backbone, root, sources)  # warm the page cache and TensorFlow's kernels
    passes, trainings = [], []
    for _ in range(ROUNDS):
        passes.append(one_pass(backbone, root, sources))
        trainings.append(hundred_epochs(backbone, root, sources))
    print(f"trainer, 100 epochs on {sum(len(one.paths) for one in sources)} images")
    print(describe_machine())
    print(line("one pass of the backbone", passes, "s"))
    print(line("features and 100 epochs", trainings, "s"))
    print(f"ratio of the medians: {median(trainings) / median(passes):.2f} (aim: at most 1.2)")


if __name__ == "__main__":
    main()
