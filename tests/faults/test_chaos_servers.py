"""Servers and stores that fail in mid-run: nothing lost, nothing twice, and workers outlive it.

The table at the end of the test command has a row for each fault; docs/faults.md keeps it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from faults import RECOVERY_SECONDS, Row
from processes import ctrl_c_heeded
from server_faults import SCENARIOS, Scale, cannot

SCALE = Scale(times=1, images=320)
# Scenarios mostly wait, so that several share two cores.
AT_ONCE = 6


@pytest.fixture(scope="module")
def under_way(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[list[Row]]]]:
    """All scenarios, begun at once."""

    def rows(name: str, folder: Path) -> list[Row]:
        return list(SCENARIOS[name](folder, SCALE))

    with ctrl_c_heeded(), ThreadPoolExecutor(AT_ONCE) as pool:
        yield {
            name: pool.submit(rows, name, tmp_path_factory.mktemp(name))
            for name in SCENARIOS
            if not cannot(name)
        }


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_fault_loses_doubles_and_changes_nothing(
    under_way: dict[str, Future[list[Row]]],
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    if reason := cannot(name):
        pytest.skip(reason)
    for row in under_way[name].result():
        record_property("fault", list(row))
        assert row.holds, row
        assert row.seconds < RECOVERY_SECONDS, row
