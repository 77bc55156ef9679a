"""One worker through queue and ledger against a plain `model.predict`: same images, same model.

Two more sides in the same sitting: the tutorial's own loop, and Ray Data.

Aim: at least 1.0 times its images per second at no more than 1.3 times its memory, in float32; in
bfloat16 at least 1.8 times float32, AUC within 0.005 and scores within 0.02; quantised to int8 at
least 3.5 times float32 where the CPU has VNNI, no more memory, AUC within 0.005. Start-up is left
out on both sides: predict is warmed up by a batch, the worker is timed from its first lease.
"""

import csv
import json
import shutil
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import NamedTuple

from common import PROJECT, backbone_option, describe_machine, images_folder, line
from processes import GREETED, Process, Site
from sites import newest_run
from sklearn.metrics import roc_auc_score

from imaging.listing.labels import LABELS
from worker.timing import LEASE_SECONDS

ROUNDS = 3
# What else people do, each in a script beside this one.
OTHERS = {"the tutorial's loop": "tutorial_loop.py", "Ray Data": "ray_plainly.py"}
COPIES = 8  # each image under so many names: what begins and ends a run should not count


class Side(NamedTuple):
    """Images per second of each round, peak memory in bytes, scores by path."""

    rates: list[float]
    peak: float
    scores: dict[str, float]


def make_site(folder: Path) -> Site:
    """Images, each under several names, their manifest, and a checkpoint trained on them."""
    shutil.copytree(images_folder(), folder / "copy0")
    for number in range(1, COPIES):
        (folder / f"copy{number}").symlink_to("copy0")
    files = [
        (f"copy{number}" / path.relative_to(folder / "copy0"), LABELS[path.parent.name])
        for number in range(COPIES)
        for path in sorted(folder.glob("copy0/*/*/*.*"))
    ]
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *files])
    site = Site(folder, {"PYTHONPATH": str(PROJECT), "TF_CPP_MIN_LOG_LEVEL": "2"})
    options = ("--backbone", backbone_option(), "--epochs", "20")
    site.succeed("trainer", "train", "copy0/train", "copy0/valid", *options, seconds=300)
    (checkpoint,) = folder.glob("checkpoints/*.keras")
    site.settings["CHECKPOINT"] = str(checkpoint)
    return site


def another_side(site: Site, name: str) -> Side:
    """Another side, a script in a process of its own."""
    script = str(Path(__file__).with_name(name))
    arguments = (site.settings["CHECKPOINT"], "manifest.csv", str(ROUNDS))
    done = site.succeed("python", script, *arguments, seconds=3600)
    return Side(**json.loads(done.stdout.splitlines()[-1]))


def through_worker(site: Site, *options: str) -> Side | None:
    """This side: a new run for each round; None where `producer enqueue` refuses the options."""
    rates = []
    with site.start("celery", "-A", "worker", "worker") as worker:
        worker.await_output(GREETED)
        for _ in range(ROUNDS):
            enqueued = site.run("producer", "enqueue", "manifest.csv", "--new-run", *options)
            if "No such option" in enqueued.stderr:
                return None
            if enqueued.code:
                raise SystemExit(enqueued.stderr)
            rates.append(_rate(site, worker))
        return Side(rates, _peak(worker), _scores(site))


def through_quantised(site: Site) -> Side:
    """The same checkpoint quantised, calibrated on the images of its training."""
    output = site.folder / "quantised.keras"
    site.succeed(
        "trainer", "quantise", site.settings["CHECKPOINT"], "copy0/train", "-o", str(output)
    )
    side = through_worker(site, "--checkpoint", str(output))
    if side is None:
        raise SystemExit("the worker scored nothing with the quantised checkpoint")
    return side


def _rate(site: Site, worker: Process) -> float:
    """Images per second of the newest run, from its first lease to its last finish."""
    run = newest_run(site)
    leases = "SELECT leased_until FROM batches WHERE run_id = :run AND leased_until IS NOT NULL"
    worker.await_true(lambda: site.ledger.rows(leases, run=run), "it took a batch")
    ((first,), *_) = sorted(site.ledger.rows(leases, run=run))
    worker.await_true(lambda: not site.ledger.unfinished(), "the run was finished", 600)
    ((last,),) = site.ledger.rows(
        "SELECT max(finished_at) FROM batches WHERE run_id = :run", run=run
    )
    return len(site.ledger.images(run)) / float(last - (first - LEASE_SECONDS))


def _peak(worker: Process) -> float:
    status = Path(f"/proc/{worker.pid}/status").read_text()
    (kilobytes,) = (row.split()[1] for row in status.splitlines() if row.startswith("VmHWM"))
    return int(kilobytes) * 1024


def _scores(site: Site) -> dict[str, float]:
    scores = site.ledger.scores(newest_run(site))
    return {path: score for path, score in scores.items() if score is not None}


def auc(side: Side) -> float:
    """ROC AUC over all images, the training's among them: a figure to compare, not to quote."""
    labels = [LABELS[Path(path).parent.name] for path in side.scores]
    return float(roc_auc_score(labels, list(side.scores.values())))


def compare(name: str, side: Side, other: Side, aims: str) -> None:
    """Print one side's figures and its ratios to the other."""
    difference = max(abs(score - other.scores[path]) for path, score in side.scores.items())
    print(line(name, side.rates, "images/s"), f"; peak {side.peak / 1e9:.2f} GB", sep="")
    print(
        f"  ratio {median(side.rates) / median(other.rates):.2f}, "
        f"memory {side.peak / other.peak:.2f}, largest score difference {difference:.2g}, "
        f"AUC {auc(side):.4f} against {auc(other):.4f} ({aims})",
        flush=True,
    )


def main() -> None:
    """Predict, other ways, float32, bfloat16, one process after another."""
    with tempfile.TemporaryDirectory() as name:
        site = make_site(Path(name))
        print(f"scoring by {backbone_option().split('/')[-1]}, {describe_machine()}", flush=True)
        plain = another_side(site, "predict_plainly.py")
        print(
            line("model.predict", plain.rates, f"images/s; peak {plain.peak / 1e9:.2f} GB"),
            flush=True,
        )
        for what, script in OTHERS.items():
            compare(what, another_side(site, script), plain, "no aim: other ways to score")
        exact = through_worker(site)
        if exact is None:
            sys.exit("the worker scored nothing")
        compare("worker, float32", exact, plain, "aim: at least 1.0, memory at most 1.3")
        fast = through_worker(site, "--precision", "bfloat16")
        if fast is None:
            print("worker, bfloat16: not available")
        else:
            aims = "aim: at least 1.8; AUC within 0.005, scores within 0.02"
            compare("worker, bfloat16, against float32", fast, exact, aims)
        quantised = through_quantised(site)
        aims = "aim: at least 3.5; memory at most 1, AUC within 0.005"
        compare("worker, int8, against float32", quantised, exact, aims)


if __name__ == "__main__":
    main()
