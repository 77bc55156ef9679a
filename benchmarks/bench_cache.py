"""The feature cache: 100,000 rows of an InceptionV3 added and read, against one numpy file of them.

Both sides get batches of 64 rows, as the backbone gives them, and give back one row at a time, as
trainer and worker ask for them. The bare side checks nothing, and knows where each row lies.
Fewer rows: `bench_cache.py ROWS`. Another folder than the system's for temporary files: `TMPDIR`.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from common import PROJECT, describe_machine, line

sys.path.insert(0, str(PROJECT))

from base.arrays import Float32Array
from model.card import Decode
from model.features.feature_cache import FeatureKey, FeatureStore
from model.features.kept_features import KeptFeatures

ROUNDS, BATCH, SIZE = 3, 64, 2048
ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
KEY = FeatureKey(backbone="ab" * 32, decode=Decode(), shape=(SIZE,))
DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(ROWS)]
IN_ORDER = range(ROWS)
AT_RANDOM: list[int] = np.random.default_rng(1).permutation(ROWS).tolist()
WHAT = ("adding", "opening", "reading in order", "reading at random")


def batches() -> Iterator[tuple[range, Float32Array]]:
    """Numbers of rows and the rows, `[n, SIZE]`; each begins with its own number."""
    rows = np.random.default_rng(0).normal(size=(BATCH, SIZE)).astype(np.float32)
    for first in range(0, ROWS, BATCH):
        numbers = range(first, min(first + BATCH, ROWS))
        rows[: len(numbers), 0] = numbers
        yield numbers, rows[: len(numbers)]


def check(numbers: Iterable[int], get: Callable[[int], Float32Array | None]) -> None:
    """Read one row after another, each of which must be the right one."""
    for number in numbers:
        row = get(number)
        if row is None or row[0] != number:
            sys.exit(f"row {number} was not found")


def cache(folder: Path) -> Iterator[None]:
    """The steps of `WHAT` with the feature cache."""
    kept = KeptFeatures(FeatureStore(folder, KEY), sys.exit)
    for numbers, rows in batches():
        for number, row in zip(numbers, rows, strict=True):
            kept.add(DIGESTS[number], row)
    kept.close()
    yield
    opened = KeptFeatures(FeatureStore(folder, KEY), sys.exit)
    yield
    check(IN_ORDER, lambda number: opened.get(DIGESTS[number]))
    yield
    check(AT_RANDOM, lambda number: opened.get(DIGESTS[number]))
    yield


def bare(folder: Path) -> Iterator[None]:
    """The same with one file of the rows' bytes."""
    path = folder / "rows"
    with path.open("wb") as file:
        for _, rows in batches():
            rows.tofile(file)
    yield
    with path.open("rb") as written:
        yield

        def get(number: int) -> Float32Array:
            written.seek(number * SIZE * 4)
            return np.fromfile(written, np.float32, SIZE)

        check(IN_ORDER, get)
        yield
        check(AT_RANDOM, get)
        yield


def seconds(side: Callable[[Path], Iterator[None]]) -> list[float]:
    """How long each step took, in a folder of its own."""
    with TemporaryDirectory() as folder:
        times = [time.perf_counter()]
        times += [time.perf_counter() for _ in side(Path(folder))]
    return np.diff(times).tolist()


def main() -> None:
    """Both sides in turn, after one round each that is not counted."""
    print(f"feature cache, {ROWS:,} rows of {SIZE} float32\n{describe_machine()}", flush=True)
    rounds = [(seconds(bare), seconds(cache)) for _ in range(ROUNDS + 1)][1:]
    plain, ours = (np.array(side).T.tolist() for side in zip(*rounds, strict=True))
    for what, of_bare, of_cache in zip(WHAT, plain, ours, strict=True):
        print(line(f"{what}: numpy file", of_bare, "s"))
        print(line(f"{what}: feature cache", of_cache, "s"))
        if what != "opening":
            print(f"{what}: ratio of the medians {median(of_cache) / median(of_bare):.2f}")


if __name__ == "__main__":
    main()
