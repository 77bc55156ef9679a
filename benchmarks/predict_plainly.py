"""The other side of bench_scoring.py: `model.predict` over the tutorial's own tf.data pipeline.

Usage: predict_plainly.py CHECKPOINT MANIFEST ROUNDS, in the folder that the manifest's paths are
relative to. Prints JSON: images per second of each round, peak memory in bytes, scores by path.
With 0 rounds it does one pass, and nothing to warm up before.

A pass ends with its last batch. `predict` itself often returns later: the thread that tunes tf.data
misses that it is told to end, and sleeps on for up to as long as the pass took (see "Two speeds" in
docs/performance.md).
"""

import csv
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import common  # noqa: F401 - puts the project on the path

from base.runtime import keras, tf
from model.checkpoint import load_checkpoint

BATCH = 64


def decode(path: Any) -> Any:  # noqa: ANN401 - tensors have no static type
    """The tutorial's `decode_img`."""
    image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
    return tf.image.resize(tf.image.convert_image_dtype(image, tf.float32), [299, 299])


def pipeline(paths: list[str]) -> Any:  # noqa: ANN401 - tf.data.Dataset
    """The tutorial's dataset, without its cache: each image is seen once."""
    files = tf.data.Dataset.from_tensor_slices(paths)
    images = files.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return images.batch(BATCH).prefetch(tf.data.AUTOTUNE)


def main() -> None:
    """Warm up on one batch, then time whole passes."""
    checkpoint, manifest, rounds = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    network, _ = load_checkpoint(checkpoint)
    with manifest.open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    if rounds:
        network.predict(pipeline(paths[:BATCH]), verbose=0)
    rates = []
    ended: list[float] = []
    note = keras.callbacks.LambdaCallback(
        on_predict_batch_end=lambda _batch, **_: ended.append(time.perf_counter())
    )
    for _ in range(max(1, rounds)):
        began = time.perf_counter()
        scores = network.predict(pipeline(paths), verbose=0, callbacks=[note])[:, 0]
        rates.append(len(paths) / (ended[-1] - began))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    found = dict(zip(paths, map(float, scores), strict=True))
    print(json.dumps({"rates": rates, "peak": peak, "scores": found}))


if __name__ == "__main__":
    main()
