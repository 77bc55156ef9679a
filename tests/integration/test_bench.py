"""`python -m worker.bench`, as it is typed."""

import signal
import time
from pathlib import Path

import pytest
from drawing import draw
from networks import Saved, hub_checkpoint, save_module
from processes import PATIENCE, Site, error_lines

from base.console.interrupt import INTERRUPTED
from base.runtime import gpus


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    folder = tmp_path_factory.mktemp("bench")
    for seed in range(3):
        draw(folder / "images" / f"{seed}.jpg", seed=seed)
    return Site(folder, {})


@pytest.fixture(scope="module")
def saved(site: Site) -> Saved:
    return hub_checkpoint(site.folder / "one.keras", save_module(site.folder / "module"), 1)


@pytest.mark.skipif(bool(gpus), reason="of a CPU")
def test_it_compares_what_this_machine_computes(site: Site, saved: Saved) -> None:
    done = site.succeed("python", "-m", "worker.bench", saved.path.name, "images")
    machine, _, first, *_ = lines = done.stdout.splitlines()
    assert machine.endswith("; 3 images")
    assert first.split()[:2] == ["one.keras", "float32"]
    assert first.endswith(" 0")
    assert f"{saved.path.name} in float16: n/a: no float16 on a CPU" in done.stdout
    has_bfloat16 = "avx512_bf16" in Path("/proc/cpuinfo").read_text()
    assert has_bfloat16 == any(line.split()[:2] == ["one.keras", "bfloat16"] for line in lines)
    assert lines[-1].startswith("to type: producer enqueue SOURCE --checkpoint one.keras ")
    assert "1 of 3: one.keras in float32" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.keras"], "gone.keras"),
        (["images"], "give one .keras file or several"),
        (["one.keras", "images", "images"], "at most one source"),
        (["one.keras", "gone"], "there is no such folder, manifest or image"),
    ],
)
def test_a_mistake_is_one_line(site: Site, saved: Saved, arguments: list[str], words: str) -> None:
    assert saved.path.exists()
    done = site.run("python", "-m", "worker.bench", *arguments)
    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert words in line
    assert line == done.stderr.strip()


def test_ctrl_c_ends_it_and_its_measurement(site: Site, saved: Saved) -> None:
    with site.start("python", "-m", "worker.bench", saved.path.name, "images") as bench:
        bench.await_output("1 of 3")
        bench.await_true(lambda: children(bench.pid), "the measurement began")
        (child,) = children(bench.pid)
        bench.send(signal.SIGINT)
        assert bench.await_end() == INTERRUPTED
        assert "nothing was kept of the measurement" in bench.output
        assert "Traceback" not in bench.output
    deadline = time.monotonic() + PATIENCE
    while is_running(child):
        assert time.monotonic() < deadline, "its measurement goes on"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
