"""Decodes the kinds of bad_images one after the other, each between two good images.

In a process of its own, for TensorFlow is loaded once and the peak of its memory is watched:
`python tests/faults/decode_kinds.py ROOT PATH...` prints a line of JSON for each path.
"""

import faulthandler
import hashlib
import json
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

from bad_images import GOOD

from imaging.decoding.decoder import Decoder
from model.card import Decode

HANGS_SECONDS = 300  # by the clock, on however busy a machine


def main(root: Path, paths: list[str]) -> None:
    decoder = Decoder(Decode())
    decoder.decode_files(root, [GOOD])  # traced before anything is timed
    for path in paths:
        faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        began, used = time.monotonic(), time.process_time()
        batch = decoder.decode_files(root, [GOOD, path, GOOD])
        error = batch.errors.get(1)
        outcome = {
            "path": path,
            "outcome": error.code if error else "scored",
            "detail": error.detail if error else None,
            "good": [_digest(batch.images[at]) for at in (0, -1)],
            "image": None if error else _range(batch.images[1]),
            "seconds": time.monotonic() - began,
            "cpu_seconds": time.process_time() - used,
            "peak": _peak(),
        }
        print(json.dumps(outcome), flush=True)


def _digest(image: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(image.tobytes()).hexdigest()


def _range(image: npt.NDArray[np.float32]) -> list[float]:
    return [float(image.min()), float(image.max())]


def _peak() -> int:
    """The most bytes that this process held since its peak began anew."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
