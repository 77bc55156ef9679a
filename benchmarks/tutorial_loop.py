"""The third side of bench_scoring.py: the tutorial's own evaluation, step by step.

Usage: tutorial_loop.py CHECKPOINT MANIFEST ROUNDS, in the folder that the manifest's paths are
relative to. Prints JSON as predict_plainly.py does. Only the images of `copy0` are scored: they are
held in one array of float64, 2.1 MB each.
"""

import csv
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common  # noqa: F401 - puts the project on the path
import numpy as np

from base.runtime import tf
from model.checkpoint import load_checkpoint


def decode_img(image: Any) -> Any:  # noqa: ANN401 - tensors have no static type
    """The tutorial's."""
    image = tf.image.decode_jpeg(image, channels=3)
    image = tf.image.convert_image_dtype(image, tf.float32)
    return tf.image.resize(image, [299, 299])


def process_path(filepath: Any, label: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tensors
    """The tutorial's."""
    return decode_img(tf.io.read_file(filepath)), label


def prepare_for_testing(dataset: Any, cache: str) -> Any:  # noqa: ANN401 - tf.data.Dataset
    """The tutorial's: a cache in a file, and a shuffle."""
    return dataset.cache(cache).shuffle(buffer_size=1000)


def evaluate(network: Any, paths: list[str]) -> dict[str, float]:  # noqa: ANN401 - keras
    """The tutorial's loop; a path's number stands for its label, because the order is shuffled."""
    with tempfile.TemporaryDirectory() as folder:  # a cache of an earlier pass would save decoding
        test_ds = tf.data.Dataset.from_tensor_slices((paths, range(len(paths))))
        test_ds = prepare_for_testing(test_ds.map(process_path), f"{folder}/test-cached-data")
        y_test = np.zeros((len(paths),))
        x_test = np.zeros((len(paths), 299, 299, 3))
        for i, (img, label) in enumerate(test_ds.take(len(paths))):
            x_test[i] = img
            y_test[i] = label.numpy()
    y_pred = network.predict(x_test, verbose=0)
    return {paths[int(at)]: float(row[0]) for at, row in zip(y_test, y_pred, strict=True)}


def main() -> None:
    """Warm up on one batch, then time whole passes."""
    checkpoint, manifest, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    network, _ = load_checkpoint(checkpoint)
    with manifest.open(newline="") as file:
        rows = [row["path"] for row in csv.DictReader(file)]
    paths = [path for path in rows if path.startswith("copy0/")]
    evaluate(network, paths[:64])
    rates = []
    for _ in range(rounds):
        began = time.perf_counter()
        found = evaluate(network, paths)
        rates.append(len(paths) / (time.perf_counter() - began))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"rates": rates, "peak": peak, "scores": found}))


if __name__ == "__main__":
    main()
