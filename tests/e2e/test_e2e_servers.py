"""The same three commands against a real Redis and a real PostgreSQL, two workers at once."""

import re
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest
from processes import (
    CleanRun,
    Done,
    Ledger,
    Process,
    Site,
    Trained,
    begin_together,
    fresh_site,
    kill_a_holder,
)
from servers import new_database, redis_server

pytestmark = pytest.mark.usefixtures("measured")

IMAGES = 150
RUNS = 3


class Kill(NamedTuple):
    """Two draining workers, of which one was killed; the other is still at work."""

    site: Site
    code_of_the_killed: int
    name_of_the_killed: str
    owed_by_the_killed: int
    survivor: Process


@pytest.fixture(scope="module")
def kill(
    trained: Trained, postgres_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kill]:
    """The survivor waits for half a minute, so this begins first and is looked at last."""
    folder = tmp_path_factory.mktemp("killed_on_servers")
    with ExitStack() as started:
        redis = started.enter_context(redis_server(folder / "redis"))
        address = new_database(postgres_uri, "killed_in_mid_batch")
        site = fresh_site(folder, trained, BROKER_URL=redis.url, DATABASE_URL=address)
        site.succeed("producer", "enqueue", "data/test")
        workers = [started.enter_context(site.worker("--drain")) for _ in range(2)]
        killed, name = kill_a_holder(workers, site.ledger)
        (survivor,) = (worker for worker in workers if worker is not killed)
        yield Kill(site, killed.await_end(), name, owed_by(site.ledger, name), survivor)


def owed_by(ledger: Ledger, worker: str) -> int:
    """Unfinished batches that this worker holds."""
    return ledger.leased().count(worker)


class Parallel(NamedTuple):
    """Runs that two workers drained together, and what was printed."""

    site: Site
    enqueued: list[Done]
    outputs: list[str]
    reported: Done


@pytest.fixture(scope="module")
def parallel(
    trained: Trained, postgres_uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Parallel]:
    """Both begin at once, so that neither can be done before the other has begun."""
    folder = tmp_path_factory.mktemp("parallel_on_servers")
    with ExitStack() as started:
        redis = started.enter_context(redis_server(folder / "redis"))
        address = new_database(postgres_uri, "two_workers")
        site = fresh_site(folder, trained, BROKER_URL=redis.url, DATABASE_URL=address)
        enqueued = [
            site.succeed("producer", "enqueue", "data/test", *options)
            for options in ((), *[("--new-run", "--batch-size", "8")] * (RUNS - 1))
        ]
        workers = [started.enter_context(site.worker("--drain")) for _ in range(2)]
        begin_together(workers, site.ledger)
        codes = [worker.await_end() for worker in workers]
        outputs = [worker.output for worker in workers]
        assert codes == [0, 0], "\n".join(outputs)
        yield Parallel(site, enqueued, outputs, site.succeed("report", "--threshold", "0.23"))


def assert_every_image_has_one_prediction(ledger: Ledger, run: int) -> None:
    listed = ledger.images(run)
    assert len(listed) == IMAGES
    assert [prediction.path for prediction in ledger.predictions(run)] == listed


def test_a_kill_in_mid_batch_leaves_the_batch_owed(kill: Kill) -> None:
    assert kill.code_of_the_killed == -signal.SIGKILL
    assert kill.owed_by_the_killed > 0


def test_two_workers_score_every_image_once(parallel: Parallel) -> None:
    for run in range(1, RUNS + 1):
        assert_every_image_has_one_prediction(parallel.site.ledger, run)
    assert parallel.site.ledger.unfinished() == 0
    logged = [tuple(map(int, found)) for output in parallel.outputs for found in batches_in(output)]
    kept = parallel.site.ledger.rows("SELECT run_id, number, 0 FROM batches ORDER BY 1, 2")
    assert sorted((run, number, 0) for run, number in logged) == kept, "no batch was done twice"


def batches_in(output: str) -> list[tuple[str, str]]:
    """(run, batch) of each batch that a worker says it finished."""
    return re.findall(r"INFO run (\d+) batch (\d+): \d+ images", output)


def test_both_workers_took_part(parallel: Parallel) -> None:
    names = parallel.site.ledger.rows("SELECT DISTINCT worker FROM predictions")
    assert len(names) == 2
    assert all(batches_in(output) for output in parallel.outputs)


def test_scores_are_those_of_the_embedded_path_bit_for_bit(
    parallel: Parallel, clean: CleanRun
) -> None:
    for run in range(1, RUNS + 1):
        assert parallel.site.ledger.scores(run) == clean.scores


def test_the_commands_say_the_same_as_without_servers(parallel: Parallel, clean: CleanRun) -> None:
    assert parallel.enqueued[0].stdout == clean.enqueued.stdout
    last_line = f"run {RUNS} of data/test"
    assert parallel.reported.stdout == clean.reported.stdout.replace(
        "run 1 of data/test", last_line
    )


def test_workers_say_which_servers_they_use(parallel: Parallel) -> None:
    settings = parallel.site.settings
    for output in parallel.outputs:
        assert f"  broker {settings['BROKER_URL'].rsplit('/', 1)[0]}" in output
        assert re.search(r"^  database postgresql\S*two_workers", output, re.MULTILINE)


def test_the_other_worker_finishes_what_a_killed_one_began(kill: Kill, clean: CleanRun) -> None:
    assert kill.survivor.await_end() == 0, kill.survivor.output
    ledger = kill.site.ledger
    assert_every_image_has_one_prediction(ledger, 1)
    assert ledger.unfinished() == 0
    assert ledger.scores() == clean.scores, "as if nothing had happened"
    assert "sent again" in kill.survivor.output
    twice = ledger.rows("SELECT number FROM batches WHERE attempts = 2")
    assert len(twice) == kill.owed_by_the_killed, "what was begun was begun again, nothing else"


def test_the_killed_worker_left_no_half_batch(kill: Kill) -> None:
    named = [row.worker for row in kill.site.ledger.predictions()]
    assert named.count(kill.name_of_the_killed) == 0
