"""A worker on a cold machine: from its command to the first batch, and to its end with `--drain`.

Aim: with kept graphs, the first batch of 64 is stored after at most 1.6 times a bare `import
tensorflow` and one batch. The other side of a whole run is a process that loads the checkpoint with
Keras and calls `model.predict` once. Each is given by the clock, and in seconds of the processor,
which other programs disturb less.
"""

import csv
import json
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from math import isnan, nan
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench_scoring import make_site
from common import describe_machine
from processes import Site
from sites import newest_run

ROUNDS = 3
BATCH = 64
RUNS = (80, 260)


class Cost(NamedTuple):
    """Seconds by the clock and of the processor, and by the clock until a batch was stored."""

    wall: float
    processor: float
    first: float = nan


def cost_of(run: Callable[[], object]) -> Cost:
    """What it costs to run processes to their end."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run()
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, used)


def middle(costs: list[Cost]) -> Cost:
    """The medians."""
    return Cost(*(median(values) for values in zip(*costs, strict=True)))


def told(what: str, costs: list[Cost], other: Cost | None = None) -> None:
    """Print the medians, and how many times those of the other side they are."""
    wall, processor, first = middle(costs)
    line = f"{what}: {wall:.1f} s by the clock, {processor:.1f} s of the processor"
    if other is not None:
        ratios = wall / other.wall, processor / other.processor
        line += f"; {ratios[0]:.2f} and {ratios[1]:.2f} times the other side"
    if not isnan(first):
        line += f"; the first batch was stored after {first:.1f} s"
        line += "" if other is None else f", {first / other.wall:.2f} times"
    print(line)


def enqueue(site: Site, images: int) -> None:
    """A run of the first images of the manifest."""
    with (site.folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.reader(file))[: images + 1]
    with (site.folder / f"{images}.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    site.succeed("producer", "enqueue", f"{images}.csv", "--new-run")


def forget(site: Site) -> None:
    """Remove the kept graphs: the next start is a first one."""
    shutil.rmtree(site.folder / "dermscore.features" / "graphs", ignore_errors=True)


def drained(site: Site, images: int) -> Cost:
    """A run by a worker that ends after it."""
    enqueue(site, images)
    began = time.time()
    cost = cost_of(site.drain)
    ((stored,),) = site.ledger.rows(
        "SELECT min(finished_at) FROM batches WHERE run_id = :run", run=newest_run(site)
    )
    return cost._replace(first=stored - began)


def predicted(site: Site, images: int) -> tuple[Cost, dict[str, float]]:
    """The same images by `model.predict` in a process of its own, and their scores."""
    script = str(Path(__file__).with_name("predict_plainly.py"))
    output: list[str] = []
    arguments = (site.settings["CHECKPOINT"], f"{images}.csv", "0")
    cost = cost_of(lambda: output.append(site.succeed("python", script, *arguments).stdout))
    return cost, json.loads(output[0])["scores"]


def one_batch(site: Site) -> Cost:
    """A bare import of TensorFlow, and what one more batch costs a worker that is warm."""
    bare = cost_of(lambda: site.succeed("python", "-c", "import tensorflow"))
    batch = batch_of(site)
    return Cost(bare.wall + batch.wall, bare.processor + batch.processor)


def batch_of(site: Site) -> Cost:
    """What a batch costs a process that has computed others: the difference of two runs."""
    short, long = (drained(site, number * BATCH) for number in (1, 3))
    return Cost((long.wall - short.wall) / 2, (long.processor - short.processor) / 2)


def same_scores(site: Site, runs: int) -> bool:
    """Whether all runs of the ledger gave their images the same scores, to the bit."""
    scores: dict[str, float | None] = {}
    for run in range(1, runs + 1):
        for path, score in site.ledger.scores(run).items():
            if scores.setdefault(path, score) != score:
                return False
    return True


def main() -> None:
    """All sides in turn, so that a noisy moment meets each."""
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        site = make_site(Path(name))
        costs: dict[str, list[Cost]] = {}
        for _ in range(ROUNDS):
            costs.setdefault("bare", []).append(one_batch(site))
            forget(site)
            for side in ("first", "second"):
                costs.setdefault(side, []).append(drained(site, BATCH))
            for images in RUNS:
                forget(site)
                costs.setdefault(f"first {images}", []).append(drained(site, images))
                costs.setdefault(f"second {images}", []).append(drained(site, images))
                costs.setdefault(f"predict {images}", []).append(predicted(site, images)[0])
        bare = middle(costs["bare"])
        told("import tensorflow, and a batch of 64", costs["bare"])
        told("first start, one batch of 64, and the end", costs["first"], bare)
        told("second start, the same; aim: at most 1.6 to the batch", costs["second"], bare)
        for images in RUNS:
            other = middle(costs[f"predict {images}"])
            told(f"model.predict of {images} images, a whole process", costs[f"predict {images}"])
            told("a drained run of them, first start", costs[f"first {images}"], other)
            told("a drained run of them, second start", costs[f"second {images}"], other)
        ((runs,),) = site.ledger.rows("SELECT count(*) FROM runs")
        if not same_scores(site, runs):
            sys.exit("kept graphs gave other scores")
        print("scores with and without kept graphs are the same to the bit")


if __name__ == "__main__":
    main()
