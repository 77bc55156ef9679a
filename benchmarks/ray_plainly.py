"""The fourth side of bench_scoring.py: Ray Data, a map that decodes and an actor with the model.

Usage: ray_plainly.py CHECKPOINT MANIFEST ROUNDS, in the folder that the manifest's paths are
relative to. Prints JSON as predict_plainly.py does. Ray runs both steps in the actor's process, one
after the other. A pass is timed from the actor's first prediction to its last one: Ray's start and
the model's loading are left out, and so is the decoding of the first batch. The peak is the sum
over Ray's processes.
"""

import csv
import json
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import common

# Nothing leaves the machine; read when Ray is imported.
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}
# Otherwise Ray would write a token into the home folder. No proxy stands between its processes.
os.environ |= {"RAY_AUTH_TOKEN": secrets.token_hex(32), "no_proxy": "*"}

import numpy as np
import psutil
import ray

BATCH = 64
# Room for the images of some batches: otherwise all would be decoded before the model is loaded.
STORE_BYTES = 400_000_000


def decode(row: dict[str, Any]) -> dict[str, Any]:
    """The tutorial's `decode_img`, in a task."""
    from base.runtime import tf  # in Ray's process

    image = tf.image.decode_jpeg(tf.io.read_file(row["path"]), channels=3)
    image = tf.image.resize(tf.image.convert_image_dtype(image, tf.float32), [299, 299])
    return {"path": row["path"], "image": image.numpy()}


class Model:
    """The actor that holds the model."""

    def __init__(self, checkpoint: str) -> None:
        from model.checkpoint import load_checkpoint  # in Ray's process

        self._network, _ = load_checkpoint(Path(checkpoint))
        self._network.predict(np.zeros((BATCH, 299, 299, 3), np.float32), verbose=0)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The scores of a batch, and when it began and ended."""
        began = time.time()
        scores = self._network.predict(batch["image"], verbose=0)[:, 0]
        times = {"began": [began] * len(scores), "ended": [time.time()] * len(scores)}
        return {"path": batch["path"], "score": scores, **times}


def score(checkpoint: str, paths: list[str]) -> tuple[float, dict[str, float]]:
    """Images per second of a pass, and the scores by path."""
    images = ray.data.from_items([{"path": path} for path in paths]).map(decode)
    rows = images.map_batches(
        Model,
        fn_constructor_args=(checkpoint,),
        batch_size=BATCH,
        compute=ray.data.ActorPoolStrategy(size=1),
    ).take_all()
    seconds = max(row["ended"] for row in rows) - min(row["began"] for row in rows)
    return len(rows) / seconds, {row["path"]: float(row["score"]) for row in rows}


def peak() -> int:
    """The sum of the peaks of all processes of Ray, in bytes."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        status = Path(f"/proc/{process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    return total * 1024


def main() -> None:
    """One pass after another."""
    checkpoint, manifest, rounds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with manifest.open(newline="") as file:
        paths = [row["path"] for row in csv.DictReader(file)]
    # Ray's processes have other working folders; sockets want a short name.
    absolute = {str(Path(path).absolute()): path for path in paths}
    os.environ["PYTHONPATH"] = str(common.PROJECT)
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as folder:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=STORE_BYTES,
            _temp_dir=folder,
            _node_ip_address="127.0.0.1",
        )
        try:
            passes = [score(checkpoint, list(absolute)) for _ in range(rounds)]
            found = {
                "rates": [rate for rate, _ in passes],
                "peak": peak(),
                "scores": {absolute[path]: score for path, score in passes[-1][1].items()},
            }
        finally:
            ray.shutdown()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
