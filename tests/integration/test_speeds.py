"""Whether a precision pays: timed when a checkpoint is loaded, kept in the ledger, and told."""

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from drawing import draw
from networks import SIDE, Saved, engine, hub_checkpoint, save_module
from processes import Site
from sqlalchemy import text, update

from base.arrays import Float32Array
from base.runtime import gpus
from db.clock import Now
from db.queries.refusals import Wanted
from db.queries.runs import RunSpec, add_checkpoint
from db.queries.speeds import HostSpeed, Machine, Rates, is_timed, note_speed, speeds_of
from db.session import Database
from db.tables import Run, Speed
from producer.diagnosis import slowness
from worker import timing
from worker.scoring.batch_processor import BatchProcessor
from worker.scoring.graphs import graph_speeds
from worker.scoring.graphs.graph_speeds import compared

Compute = Callable[[Float32Array], Float32Array]
FAST = "a" * 64
WANTED = Wanted(FAST, "bfloat16")
THREE = ", on ".join(f"{name}: 1.0 against 2.0 images/s" for name in "abc")
HERE = Machine("host-1", "Xeon, CPU (2 threads)")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Saved:
    folder = tmp_path_factory.mktemp("hub")
    return hub_checkpoint(folder / "one.keras", save_module(folder / "module"), 1)


@pytest.fixture
def bfloat16(saved: Saved) -> RunSpec:
    if gpus or "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this CPU has no bfloat16 (AVX512-BF16), or a GPU computes")
    return saved.spec(1, "bfloat16")


@pytest.fixture
def speeds(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.INFO, logger="worker"):
        yield caplog


def run_in(database: Database, digest: str = FAST, precision: str = "bfloat16") -> int:
    with database.write() as session:
        checkpoint = add_checkpoint(session, digest, "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision=precision, batch_size=64)
        session.add(run)
        session.flush()
        return run.id


def note(database: Database, machine: Machine, rates: Rates | None) -> None:
    with database.write() as session:
        note_speed(session, WANTED, machine, rates)


def known(database: Database, machine: Machine = HERE) -> bool:
    with database.read() as session:
        return is_timed(session, WANTED, machine)


def told(database: Database, run: int) -> list[tuple[str, Rates]]:
    with database.read() as session:
        return [(speed.host, speed.rates) for speed in speeds_of(session, run)]


def test_a_run_has_the_rates_of_its_checkpoint_in_its_precision(database: Database) -> None:
    run = run_in(database)
    others = [run_in(database, precision="float32"), run_in(database, digest="b" * 64)]
    note(database, Machine("host-2", "EPYC"), Rates(60.0, 30.0))
    note(database, HERE, Rates(12.7, 21.0))
    assert told(database, run) == [("host-1", Rates(12.7, 21.0)), ("host-2", Rates(60.0, 30.0))]
    assert [told(database, other) for other in others] == [[], []]


def test_a_machine_is_known_until_it_has_another_processor(database: Database) -> None:
    assert not known(database)
    note(database, HERE, Rates(12.7, 21.0))
    assert known(database)
    assert not known(database, HERE._replace(host="host-2"))
    other = HERE._replace(device="EPYC, CPU (2 threads)")
    assert not known(database, other)
    note(database, other, Rates(60.0, 30.0))
    assert told(database, run_in(database)) == [("host-1", Rates(60.0, 30.0))]


def test_a_timing_that_took_the_process_is_not_begun_again_for_a_day(database: Database) -> None:
    run = run_in(database)
    note(database, HERE, None)
    assert known(database)
    assert told(database, run) == []
    age(database, seconds=90_000)
    assert not known(database)


def test_rates_are_forgotten_after_a_month(database: Database) -> None:
    run = run_in(database)
    note(database, HERE, Rates(12.7, 21.0))
    age(database, seconds=31 * 86_400)
    note(database, Machine("host-2", "EPYC"), Rates(60.0, 30.0))
    assert [host for host, _ in told(database, run)] == ["host-2"]


def age(database: Database, seconds: float) -> None:
    with database.write() as session:
        session.execute(update(Speed).values(timed_at=Now() - seconds))


@pytest.mark.parametrize(
    ("rates", "sentence"),
    [
        ([], ""),
        ([("a", 60.0, 30.0)], ""),
        (
            [("a", 60.0, 30.0), ("host-1", 12.7, 21.04)],
            "bfloat16 is slower than float32 on host-1: 12.7 against 21.0 images/s",
        ),
        (
            [(name, 1.0, 2.0) for name in "abcde"],
            f"bfloat16 is slower than float32 on {THREE}, and on 2 more",
        ),
    ],
)
def test_what_is_slower_is_said_with_its_hosts(
    rates: list[tuple[str, float, float]], sentence: str
) -> None:
    found = [HostSpeed(host, "CPU", Rates(*both), 0.0) for host, *both in rates]
    assert slowness("bfloat16", found) == (
        [f"{sentence}; enqueue with --precision float32"] if sentence else []
    )


def test_status_says_it_for_people_and_for_programs(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    run_in(database)
    note(database, Machine("\x1b[31mhost\n", "Xeon"), Rates(12.7, 21.0))
    site = Site(tmp_path, {"DATABASE_URL": database_url})

    shown = site.succeed("producer", "status").stdout
    assert "\x1b" not in shown
    assert "bfloat16 is slower than float32 on" in shown
    assert "12.7 against 21.0 images/s; enqueue with --precision float32" in shown

    (run,) = json.loads(site.succeed("producer", "status", "--format", "json").stdout)["runs"]
    (speed,) = run["speeds"]
    assert 0 <= speed.pop("seconds_ago") < 600
    assert speed == {
        "host": "\x1b[31mhost\n",
        "device": "Xeon",
        "images_per_second": 12.7,
        "float32_images_per_second": 21.0,
    }


def test_a_worker_times_a_checkpoint_once(
    database: Database,
    saved: Saved,
    bfloat16: RunSpec,
    tmp_path: Path,
    speeds: pytest.LogCaptureFixture,
) -> None:
    run = run_in(database, saved.digest)
    for name in ("ana", "ben"):  # two workers of this host, one after the other
        processor = BatchProcessor(database, engine(tmp_path, tmp_path / "cache"), name)
        processor.load(saved.spec(1, "float32"))
        processor.load(bfloat16)
        processor.load(bfloat16)
    ((_, rates),) = told(database, run)
    assert rates.rate > 0
    assert rates.float32_rate > 0
    (line,) = [row for row in speeds.records if "images/s" in row.getMessage()]
    assert f"{rates.rate:.1f}" in line.getMessage()
    assert f"{rates.float32_rate:.1f}" in line.getMessage()
    assert "one.keras" in line.getMessage()
    slower = rates.rate < 0.95 * rates.float32_rate  # less is noise
    assert line.levelname == ("WARNING" if slower else "INFO")
    assert ("enqueue with --precision float32" in line.getMessage()) == slower


def test_what_two_timings_differ_by_is_not_slower() -> None:
    assert [Rates(rate, 100.0).is_slower for rate in (94.9, 95.1, 100.0)] == [True, False, False]


def test_a_worker_that_starts_tells_the_rates(
    saved: Saved, bfloat16: RunSpec, tmp_path: Path
) -> None:
    draw(tmp_path / "images" / "one.jpg", seed=1)
    site = Site(tmp_path, {"CHECKPOINT": str(saved.path)})
    site.succeed("producer", "enqueue", "images", "--precision", bfloat16.precision)
    (line,) = [line for line in site.drain().splitlines() if "network alone" in line]
    assert line.startswith("one.keras: ")
    (run,) = json.loads(site.succeed("producer", "status", "--format", "json").stdout)["runs"]
    (speed,) = run["speeds"]
    assert f"{speed['images_per_second']:.1f}" in line
    assert f"{speed['float32_images_per_second']:.1f}" in line
    assert (run["scored"], run["pending"]) == (1, 0)


def test_a_timing_that_hangs_or_fails_keeps_nothing_from_being_scored(
    database: Database,
    bfloat16: RunSpec,
    tmp_path: Path,
    speeds: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging, shown = threading.Event(), threading.Event()

    def hangs(*_: object) -> None:
        shown.set()
        hanging.wait()

    def fails(*_: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(timing, "SPEED_SECONDS", 0.2)
    for wrong, words in ((hangs, "did not end within"), (fails, "is not known")):
        monkeypatch.setattr(graph_speeds, "compared", wrong)
        with database.write() as session:
            session.execute(text("DELETE FROM speeds"))
        monkeypatch.setattr(timing, "SPEED_SECONDS", 60.0 if wrong is fails else 0.2)
        worker = engine(tmp_path, tmp_path / "cache")
        BatchProcessor(database, worker, "ana").load(bfloat16)
        assert words in speeds.text
        (run,) = worker.score([bfloat16], ["gone.jpg"], lambda _: {}).runs
        assert run.errors[0].code == "missing"
    assert shown.is_set()
    hanging.set()


def test_without_the_ledger_the_worker_does_not_time(
    saved: Saved, tmp_path: Path, database: Database, bfloat16: RunSpec
) -> None:
    with database.write() as session:
        session.execute(text("DROP TABLE speeds"))
    worker = engine(tmp_path, tmp_path / "cache")
    BatchProcessor(database, worker, "ana").load(bfloat16)
    assert worker.failure(saved.digest, "bfloat16") is None


def test_two_sides_are_compared_over_the_same_images() -> None:
    seen: list[tuple[str, int]] = []

    def side(name: str, seconds: float) -> Compute:
        def compute(images: Float32Array) -> Float32Array:
            seen.append((name, len(images)))
            threading.Event().wait(seconds * len(images))
            return images

        return compute

    def sample(images: int) -> Float32Array:
        return np.zeros((images, SIDE, SIDE, 3), np.float32)

    rates = compared(side("quick", 0.01), side("slow", 0.025), sample)
    assert rates is not None
    assert rates.float32_rate < rates.rate
    assert rates.float32_rate <= 40.0
    assert rates.rate <= 100.0
    assert [name for name, _ in seen] == ["quick", "slow"] * (len(seen) // 2)
    assert [count for _, count in seen[:4]] == [2] * 4
    assert len({count for _, count in seen[4:]}) == 1
    assert compared(side("a", 0), side("b", 0), sample, lambda: True) is None
