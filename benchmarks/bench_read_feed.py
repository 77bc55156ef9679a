"""How well reading from a slow store feeds two cores that nobody else uses, whatever uses them now.

Two threads take batches as a worker's do: they read with `read_images`, a group at a time, and in
the place of decoding and computing they wait for as long as two free cores would take, one at a
time. Utilisation is the share of the time in which one of them did so. The figures assumed: 4 ms of
a core to decode a usual image and 50 ms for one of 12 MP, 10 ms of both cores to compute in int8.
With `--before FOLDER`, the project's code as it was in a folder does the same first.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
from common import PROJECT, images_folder
from draw_large import draw_large
from processes import Site
from slow_store import start_store

BATCH, BATCHES = 64, 6
COMPUTE_SECONDS = 0.010 * BATCH


class Kind(NamedTuple):
    """Images: how many are decoded together, and the seconds for each on two free cores."""

    name: str
    group: int
    seconds: float


KINDS = (Kind("real images", BATCH, 0.002), Kind("12 MP", 10, 0.025))


def feed(paths: Sequence[str], kind: Kind) -> tuple[float, float]:
    """Images per second and utilisation of all batches, by the code that is imported."""
    from imaging.decoding.image_file import ImageFile, read_images
    from imaging.stores.object_store import open_store

    root, cores, busy = open_store(os.environ["DATA_ROOT"]), threading.Lock(), [0.0]

    def use(seconds: float) -> None:
        with cores:
            time.sleep(seconds)
            busy[0] += seconds

    def score(batch: Sequence[str]) -> None:
        files = read_images(root, batch)
        while group := [*islice(files, kind.group)]:
            assert all(isinstance(file, ImageFile) for file in group)  # noqa: S101
            use(kind.seconds * len(group))
        use(COMPUTE_SECONDS)

    score(paths[:8])  # connects
    busy[0], began = 0.0, time.perf_counter()
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(score, (paths[at::BATCHES] for at in range(BATCHES))))
    seconds = time.perf_counter() - began
    return len(paths) / seconds, busy[0] / seconds


def compare(folder: Path, source: Path, kind: Kind, delay: float, sides: dict[str, Path]) -> None:
    """Print both sides of one situation."""
    files = sorted(str(file.relative_to(source)) for file in source.rglob("*.*") if file.is_file())
    names = [f"copy{at // len(files)}/{files[at % len(files)]}" for at in range(BATCH * BATCHES)]
    helpers = os.pathsep.join(map(str, (PROJECT, PROJECT / "tests" / "helpers")))
    store = start_store(Site(folder, {"PYTHONPATH": helpers}), source, delay)
    with store.process:
        for side, code in sides.items():
            path = os.pathsep.join((str(code), helpers))
            environment = {**os.environ, **store.settings, "PYTHONPATH": path}
            command = [sys.executable, __file__, "--kind", str(KINDS.index(kind))]
            asked = json.dumps(names)
            done = subprocess.run(  # noqa: S603 - ourselves
                command, env=environment, input=asked, text=True, capture_output=True, check=True
            )
            rate, used = json.loads(done.stdout)
            what = f"{kind.name}, store at {delay * 1000:.0f} ms, {side}"
            print(f"{what}: {rate:.1f} images/s, utilisation {used:.2f}", flush=True)


@click.command()
@click.option("--before", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--kind", type=int, hidden=True)
def main(before: Path | None, kind: int | None) -> None:
    """Both kinds of images, stores at 20 and 100 ms."""
    if kind is not None:
        print(json.dumps(feed(json.load(sys.stdin), KINDS[kind])))
        return
    large = PROJECT / ".work" / "read-ahead" / "large"
    draw_large(large, 12.0, 8)
    sides = {"now": PROJECT} if before is None else {"before": before.resolve(), "now": PROJECT}
    with TemporaryDirectory() as name:
        for of_kind, source in zip(KINDS, (images_folder(), large), strict=True):
            for delay in (0.02, 0.1):
                compare(Path(name), source, of_kind, delay, sides)


if __name__ == "__main__":
    main()
