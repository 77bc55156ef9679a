"""Fuzz of the decode path: thousands of damaged images, none of which may do any harm.

`python tests/faults/fuzz_decode.py --count 10000`; --seed and --first find one of them again.
"""

import argparse
import faulthandler
import io
import sys
import time
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import get_args

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "helpers"))

from drawing import encoded
from mutants import mutant
from PIL import Image

from base.runtime import tf
from imaging.decoding.decoder import DecodedBatch, Decoder
from imaging.decoding.image_file import ImageFile
from imaging.errors import ErrorCode, ImageError
from model.card import Decode

BATCH = 16
HANGS_SECONDS = 300  # by the clock, on however busy a machine
MOST_CPU_SECONDS = 10
MOST_BYTES = 1_500_000_000
GOOD = [encoded(kind, 50, 40, seed) for seed, kind in enumerate(("JPEG", "PNG", "BMP"))]


class Fuzz:
    """Decodes damaged images among good ones; `failures` say what went wrong, with the number."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._decoder = Decoder(Decode())
        self._good = [self._decoder.decode(data) for data in GOOD]
        self.outcomes: Counter[str] = Counter()
        self.failures: list[str] = []
        self.slowest = 0.0

    def run(self, first: int, count: int) -> None:
        """Decode the mutants from `first` on."""
        for begin in range(first, first + count, BATCH):
            numbers = range(begin, min(begin + BATCH, first + count))
            faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
            self._batch(numbers)
        faulthandler.cancel_dump_traceback_later()
        if peak() > MOST_BYTES:
            self.failures.append(f"the process held {peak():,} bytes")

    def _batch(self, numbers: range) -> None:
        mutants = [mutant(self._seed, number) for number in numbers]
        goods = [GOOD[number % len(GOOD)] for number in numbers]
        files = [file for pair in zip(goods, mutants, strict=True) for file in pair]
        began = time.process_time()
        batch = self._decoder.decode_read({at: _file(data) for at, data in enumerate(files)})
        self.slowest = max(self.slowest, time.process_time() - began)
        images = dict(zip(batch.positions, batch.images, strict=True))
        for at, number in enumerate(numbers):
            good, other = 2 * at, 2 * at + 1
            if not np.array_equal(images.get(good, 0), self._good[number % len(GOOD)]):
                self.failures.append(f"{number}: another image changed beside it")
            self.failures += [
                f"{number}: {fault}" for fault in self._faults(mutants[at], other, images, batch)
            ]

    def _faults(
        self, data: bytes, at: int, images: dict[int, np.ndarray], batch: DecodedBatch
    ) -> Iterator[str]:
        error = batch.errors.get(at)
        if (error is None) == (at not in images):
            yield "not exactly one of image and error"
        elif error is not None:
            self.outcomes[error.code] += 1
            yield from _faults_of_error(error)
        else:
            self.outcomes["scored"] += 1
            yield from self._faults_of_image(data, images[at])

    def _faults_of_image(self, data: bytes, image: np.ndarray) -> Iterator[str]:
        if image.shape != (299, 299, 3) or not ((image >= 0) & (image <= 1)).all():
            yield f"an image of shape {image.shape}, {image.min()} to {image.max()}"
        elif not np.array_equal(self._decoder.decode(data), image):
            yield "another image the second time"
        elif data.startswith(b"\xff\xd8") and not _is_of_the_size_that_was_judged(data):
            yield "another size than its header was judged by"


def _is_of_the_size_that_was_judged(jpeg: bytes) -> bool:
    height, width, _ = tf.io.extract_jpeg_shape(jpeg).numpy()
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        return image.size == (width, height)


def _faults_of_error(error: ImageError) -> Iterator[str]:
    if error.code not in get_args(ErrorCode):
        yield f"an error of code {error.code}"
    if not error.detail or not error.detail.isprintable():
        yield f"an error that says {error.detail!r}"


def _file(data: bytes) -> ImageFile:
    return ImageFile(data, sha256(data).hexdigest())


def peak() -> int:
    """The most bytes that this process has held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    fuzz = Fuzz(options.seed)
    began = time.monotonic()
    fuzz.run(options.first, options.count)
    print(
        f"{options.count} damaged images in {time.monotonic() - began:.0f} s, seed {options.seed}"
    )
    for outcome, count in fuzz.outcomes.most_common():
        print(f"  {count:6} {outcome}")
    print(f"slowest {BATCH}: {fuzz.slowest:.2f} CPU s; peak {peak() / 1e6:.0f} MB")
    for failure in fuzz.failures:
        print(failure)
    sys.exit(bool(fuzz.failures) or fuzz.slowest > MOST_CPU_SECONDS)


if __name__ == "__main__":
    main()
