"""The decode path against the tutorial's own decode: time on the same files, and peak memory.

Aims: at most 0.85 of its CPU time; under 1.5 GB for a batch of 64 images of 12 MP. Beyond the
tutorial, ours also digests each file, checks its header and sets bad images apart.
"""

import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import PROJECT, describe_machine, images_folder, line
from draw_large import draw_large

from base.runtime import tf
from imaging.decoding.decoder import Decoder
from model.card import Decode

ROUNDS = 5
BATCH = 64
LARGE = 12.0  # megapixels
DIFFERENT = 8  # large images drawn; a batch holds each of them several times


class Spent(NamedTuple):
    """Seconds of all threads together, and of the clock on the wall."""

    cpu: float
    wall: float


def ours() -> Callable[[Sequence[Path]], None]:
    """The decode path of workers and trainer, in batches of 64."""
    decoder = Decoder(Decode())

    def decode_all(paths: Sequence[Path]) -> None:
        for start in range(0, len(paths), BATCH):
            names = [str(path) for path in paths[start : start + BATCH]]
            batch = decoder.decode_files(Path("/"), names)
            assert not batch.errors  # noqa: S101

    return decode_all


def tutorial() -> Callable[[Sequence[Path]], None]:
    """What the tutorial does with each file, in a tf.data pipeline of batches of 64."""

    def decode(path: Any) -> Any:  # noqa: ANN401 - tensors have no static type
        image = tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
        image = tf.image.convert_image_dtype(image, tf.float32)
        return tf.image.resize(image, [299, 299])

    def decode_all(paths: Sequence[Path]) -> None:
        files = tf.data.Dataset.from_tensor_slices([str(path) for path in paths])
        for _ in files.map(decode, num_parallel_calls=tf.data.AUTOTUNE).batch(BATCH):
            pass

    return decode_all


SIDES = {"the tutorial's decode": tutorial, "ours": ours}


def spent(work: Callable[[], None]) -> Spent:
    """What `work` takes."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    work()
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, wall)


def compare_times(what: str, paths: list[Path]) -> None:
    """Both sides in turn, so that a noisy moment meets both."""
    sides = {name: make() for name, make in SIDES.items()}
    for decode_all in sides.values():
        decode_all(paths)  # warm the page cache and TensorFlow's kernels
    figures: dict[str, list[Spent]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, decode_all in sides.items():
            figures[name].append(spent(lambda: decode_all(paths)))  # noqa: B023 - called at once
    print(f"decoding {what}, batches of {BATCH}")
    for kind, aim in (("cpu", " (aim: at most 0.85)"), ("wall", "")):
        times = {name: [getattr(one, kind) for one in side] for name, side in figures.items()}
        for name, values in times.items():
            print(line(f"  {name}, {kind}", values, "s"))
        before, after = (median(values) for values in times.values())
        print(f"  ratio of the medians: {after / before:.2f}{aim}")


def status(field: str) -> float:
    """A field of this process' status, in GB; ru_maxrss would inherit the parent's peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(text.split()[1]) for text in lines if text.startswith(f"{field}:")) / 1e6


def peak(side: str, small: list[Path], large: list[Path]) -> tuple[float, float]:
    """GB of memory at the peak of one batch above what the process held before, and in all."""
    decode_all = SIDES[side]()
    decode_all(small)
    before = status("VmRSS")
    decode_all(large)
    return status("VmHWM") - before, status("VmHWM")


def compare_peaks(small: list[Path], large: list[Path]) -> None:
    """Each side in a process of its own."""
    print(f"memory of a batch of {len(large)} images of {LARGE:g} MP")
    peaks = []
    for side in SIDES:
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            added, whole = fresh.submit(peak, side, small, large).result()
        print(f"  {side}: {added:.2f} GB above the process before it, {whole:.2f} GB in all")
        peaks.append(whole)
    print(f"  ratio in all: {peaks[1] / peaks[0]:.2f} (aim: ours under 1.5 GB)")


def main() -> None:
    """Time on the usual images and on large ones, then memory."""
    usual = sorted(images_folder().rglob("*.jpg"))
    large = draw_large(PROJECT / ".work" / "large-images", LARGE, DIFFERENT) * (BATCH // DIFFERENT)
    print(describe_machine())
    compare_times(f"{len(usual)} images", usual)
    compare_times(f"{len(large)} drawn images of {LARGE:g} MP", large)
    compare_peaks(usual[:2], large)


if __name__ == "__main__":
    main()
