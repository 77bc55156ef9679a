"""Processes killed, stopped and hindered in mid-run: nothing lost, nothing twice, nothing wrong.

The table at the end of the test command has a row for each fault; docs/faults.md keeps it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from checkpoint_faults import broken_checkpoints
from faults import EMBEDDED, RECOVERY_SECONDS, SERVERS, Row
from grounds import ground
from int8_faults import harmed_in_openvino
from process_faults import SCENARIOS, Scale, Scenario
from processes import Trained, ctrl_c_heeded

SCALE = Scale(kills=20, images=2_000)
# Scenarios mostly wait for leases to lapse, so several share two cores.
AT_ONCE = 6
BACKENDS = (EMBEDDED, SERVERS)
# Those that wait for the product's own leases come first.
NAMES = [
    ("broken_checkpoints", EMBEDDED),
    ("harmed_in_openvino", EMBEDDED),
    *((scenario.__name__, backend) for scenario in SCENARIOS for backend in BACKENDS),
]


@pytest.fixture(scope="module")
def under_way(
    postgres_uri: str, trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], Future[list[Row]]]]:
    """All scenarios, begun at once."""

    def rows(scenario: Scenario, backend: str) -> list[Row]:
        return list(scenario(place, backend, SCALE))

    def of_int8() -> list[Row]:
        from int8_colours import int8_engine  # deferred: TensorFlow takes seconds

        engine = int8_engine(tmp_path_factory.mktemp("int8"))
        return harmed_in_openvino(place, EMBEDDED, engine)

    with (
        ground(tmp_path_factory.mktemp("kills"), postgres_uri) as place,
        ctrl_c_heeded(),
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        broken = pool.submit(broken_checkpoints, place, EMBEDDED, trained)
        int8 = pool.submit(of_int8)
        yield {
            NAMES[0]: broken,
            NAMES[1]: int8,
            **{
                (scenario.__name__, backend): pool.submit(rows, scenario, backend)
                for scenario in SCENARIOS
                for backend in BACKENDS
            },
        }


@pytest.mark.parametrize(("name", "backend"), NAMES)
def test_a_fault_loses_doubles_and_changes_nothing(
    under_way: dict[tuple[str, str], Future[list[Row]]],
    name: str,
    backend: str,
    record_property: Callable[[str, object], None],
) -> None:
    for row in under_way[name, backend].result():
        record_property("fault", list(row))
        assert row.holds, row
        assert row.seconds < RECOVERY_SECONDS, row
