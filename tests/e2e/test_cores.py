"""How many threads a process computes with: the container's quota, or `THREADS`."""

from pathlib import Path

import click
import pytest
from processes import Site, error_lines

from base.cores import threads, usable_cores


@pytest.mark.parametrize(
    ("cpu_max", "cores"),
    [
        ("max 100000\n", 8),
        ("400000 100000\n", 4),
        ("250000 100000\n", 3),  # two and a half are three, or a half would lie idle
        ("50000 100000\n", 1),
        ("1600000 100000\n", 8),  # a quota beyond the cores that we may use gives none
        ("100000 50000\n", 2),
        ("", 8),
        ("garbage\n", 8),
        ("100000 0\n", 8),
    ],
)
def test_the_quota_of_a_container_bounds_the_cores(
    tmp_path: Path, cpu_max: str, cores: int
) -> None:
    (tmp_path / "cpu.max").write_text(cpu_max)

    assert usable_cores(8, tmp_path / "cpu.max") == cores


def test_without_control_groups_all_allowed_cores_are_used(tmp_path: Path) -> None:
    assert usable_cores(8, tmp_path / "cpu.max") == 8


@pytest.mark.parametrize(("setting", "number"), [("1", 1), (" 3 ", 3), ("64", 64)])
def test_the_variable_goes_before_what_the_machine_has(
    monkeypatch: pytest.MonkeyPatch, setting: str, number: int
) -> None:
    monkeypatch.setenv("THREADS", setting)

    assert threads() == number


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("THREADS", raising=False)
    without = threads()
    monkeypatch.setenv("THREADS", " ")

    assert threads() == without > 0


@pytest.mark.parametrize("setting", ["0", "-1", "2.5", "two", "1e3", "²", "100000", "9" * 30])
def test_what_is_no_number_of_threads_is_refused(
    monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    monkeypatch.setenv("THREADS", setting)

    with pytest.raises(click.ClickException, match=r"THREADS=.* is not a whole number") as caught:
        threads()

    assert "\n" not in caught.value.message


def test_a_bad_number_of_threads_ends_the_worker_with_one_line(tmp_path: Path) -> None:
    with Site(tmp_path, {"THREADS": "many"}).worker("--drain") as worker:
        assert worker.await_end() == 1, worker.output
        (line,) = error_lines(worker.output)
        assert line.startswith("Error: THREADS=many is not a whole number")
        assert "Traceback" not in worker.output


def test_a_worker_says_how_many_threads_it_computes_with(tmp_path: Path) -> None:
    with Site(tmp_path, {"THREADS": "3"}).worker("--drain") as worker:
        assert worker.await_end() == 1, worker.output  # nothing was ever enqueued here
        assert "on CPU (3 threads)" in worker.output
