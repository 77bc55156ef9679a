"""Processes killed, stopped and hindered in mid-run: nothing lost, nothing twice, nothing wrong."""

from pathlib import Path

from faults import (
    EMBEDDED,
    SHORT_LEASE,
    colour_site,
    crew,
    enqueue,
    kill_at_random,
    recovered,
    table,
)


def test_kills_at_random(tmp_path: Path) -> None:
    site = colour_site(tmp_path, STUB_IMAGE_SECONDS="0.001", **SHORT_LEASE)
    expected = enqueue(site, 1000, "--batch-size", "16")
    with crew(site) as workers:
        kill_at_random(workers, 4, 1000, seed=1)
        row = recovered(workers, "kill -9 at random", EMBEDDED, 4, expected)
    print(table([row]))
    assert row.holds
