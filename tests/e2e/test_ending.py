"""A worker that is told to end: what each signal does to a batch that takes a minute.

That messages which keep coming do no harm is in `process_faults.told_to_end`.
"""

import signal
from pathlib import Path

import pytest
from faults import SHORT_LEASE, colour_site, enqueue, stub_worker
from processes import Process, Site
from shutdowns import HEEDED

LONG = {"STUB_IMAGE_SECONDS": "60"}
HURRIED = "gives back what is not finished within 10 s; Ctrl-C again ends it at once"


@pytest.fixture
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """A run of two batches of two images."""
    broker = {}
    if request.param == "redis":
        broker = {"BROKER_URL": request.getfixturevalue("redis").url}
    made = colour_site(tmp_path, **broker, **SHORT_LEASE)
    enqueue(made, 4, "--batch-size", "2")
    return made


def hold_both(site: Site, worker: Process) -> None:
    worker.await_true(lambda: len(site.ledger.leased()) == 2, "it held both batches")


def batches(site: Site) -> list[tuple[int, bool]]:
    """Attempts of each, and whether somebody holds it."""
    return [
        (attempts, leased_until is not None)
        for attempts, leased_until in site.ledger.rows(
            "SELECT attempts, leased_until FROM batches ORDER BY number"
        )
    ]


@pytest.mark.parametrize(
    ("site", "numbers"),
    [("embedded", [signal.SIGQUIT]), ("redis", [signal.SIGTERM, signal.SIGINT])],
    indirect=["site"],
)
def test_what_is_not_done_in_time_is_given_back_as_if_it_had_never_been_taken(
    site: Site, numbers: list[signal.Signals]
) -> None:
    with stub_worker(site, **LONG) as worker:
        hold_both(site, worker)
        worker.send(numbers[0])
        if len(numbers) > 1:
            worker.await_output(HEEDED)
            worker.send(numbers[1])
        assert worker.await_end() == 0, worker.last_words
    last = worker.output.rstrip().splitlines()[-1]
    assert HURRIED in worker.output
    assert last.endswith(
        ("unfinished: run 1 batch 1, run 1 batch 2", "unfinished: run 1 batch 2, run 1 batch 1")
    )
    assert "Traceback" not in worker.output, worker.last_words
    assert batches(site) == [(0, False), (0, False)]
    with stub_worker(site, "--drain") as next_worker:
        assert next_worker.await_end() == 0, next_worker.last_words
    assert batches(site) == [(1, False), (1, False)], "the messages had gone back"
    assert len(site.ledger.scores()) == 4


@pytest.mark.parametrize("site", ["embedded"], indirect=True)
def test_a_third_ctrl_c_ends_it_at_once(site: Site) -> None:
    with stub_worker(site, **LONG) as worker:
        hold_both(site, worker)
        for said in (HEEDED, HURRIED):
            worker.send(signal.SIGINT)
            worker.await_output(said)
        worker.send(signal.SIGINT)
        assert worker.await_end() == 128 + signal.SIGINT
    assert worker.output.rstrip().endswith(
        "worker: it ends at once; other workers score what it held when its leases expire"
    )
    assert "Traceback" not in worker.output, worker.last_words
    assert [attempts for attempts, _ in batches(site)] == [1, 1]
