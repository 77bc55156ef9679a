"""1 to 8 workers on a stub model that waits one second for each batch, one batch at a time each.

Aim: 8 workers at least 7.5 times the images per second of one.
"""

from contextlib import ExitStack

from common import describe_machine
from processes import Process, Site
from sites import BACKENDS, finished, newest_run, start_worker, stub_site, write_manifest

WORKERS = (1, 2, 4, 8)
BATCH = 64
SECONDS = 1  # that the stub waits for each batch
BATCHES_EACH = 10  # with fewer, the rate would depend on how the last batches are dealt out
ONE_BATCH_EACH = ("-c", "1")


def throughput(site: Site, workers: int) -> float:
    """Images per second of so many workers, all ready before the first batch is enqueued."""
    with ExitStack() as started:
        team = [started.enter_context(start_worker(site, *ONE_BATCH_EACH)) for _ in range(workers)]
        await_ready(site, team)
        images = workers * BATCHES_EACH * BATCH
        manifest = write_manifest(site.folder, images)
        site.succeed(
            "producer",
            "enqueue",
            manifest,
            "--allow-missing",
            "--new-run",
            "--batch-size",
            str(BATCH),
        )
        team[0].await_true(lambda: not site.ledger.unfinished(), "the run was finished")
        # From the first lease, so that all of a team's first batches count alike.
        return images / (finished(site, newest_run(site)).seconds + SECONDS)


def await_ready(site: Site, team: list[Process]) -> None:
    """Wait until each worker has scored a batch: the greeting comes before it listens."""
    manifest = write_manifest(site.folder, 2 * len(team))
    ready: set[str] = set()
    while len(ready) < len(team):
        site.succeed(
            "producer", "enqueue", manifest, "--allow-missing", "--new-run", "--batch-size", "1"
        )
        team[0].await_true(lambda: not site.ledger.unfinished(), "the first batches were finished")
        run = newest_run(site)
        found = site.ledger.rows("SELECT worker FROM batches WHERE run_id = :run", run=run)
        ready.update(worker for (worker,) in found)


def main() -> None:
    """Each number of workers in turn."""
    print(f"workers that wait one second for each batch of {BATCH}, {BATCHES_EACH} batches each")
    print(describe_machine())
    for backend in BACKENDS:
        with stub_site(backend, STUB_MODE="wait", STUB_SECONDS=str(SECONDS)) as site:
            rates = {workers: throughput(site, workers) for workers in WORKERS}
        for workers, rate in rates.items():
            print(
                f"{backend}: {workers} workers {rate:.1f} images/s, {rate / rates[1]:.2f} times one"
            )
        print(f"ratio of 8 to 1: {rates[8] / rates[1]:.2f} (aim: at least 7.5)", flush=True)


if __name__ == "__main__":
    main()
