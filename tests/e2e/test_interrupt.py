"""Ctrl-C at every moment of every command: exit code 130 and one line, never a traceback.

The moments are counted in audit events (see `audited/sitecustomize.py`), so that each is met
exactly, however busy the machine is.
"""

import shutil
import signal
import subprocess
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from faults import colour_site
from forging import stub_site
from processes import PATIENCE, PROJECT, SCRIPTS, Done, Process, Site, ctrl_c_heeded

from base.console.interrupt import INTERRUPTED

AUDITED = Path(__file__).parents[1] / "audited"
# Python's own, and what its script imports: nothing that takes time.
HEAVY = {"celery", "click", "kombu", "keras", "numpy", "pydantic", "sqlalchemy", "tensorflow"}


class Counted(NamedTuple):
    """How many moments a command has, and what was imported before Ctrl-C was taken over."""

    events: int
    before: list[str]
    done: Done


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A folder with a scored run, and the programs as an installer would make them."""
    site = stub_site(tmp_path_factory.mktemp("listed"))
    site.settings["PYTHONPATH"] += f":{AUDITED}"
    (site.folder / "m.csv").write_text("path,label\na.jpg,1\nb.jpg,0\nc.jpg,1\n")
    site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
    (site.folder / "bin").mkdir()
    for name, target in tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"][
        "scripts"
    ].items():
        module, _, function = target.partition(":")
        script = site.folder / "bin" / name
        script.write_text(
            f"#!{SCRIPTS / 'python'}\nimport re\nimport sys\nfrom {module} import {function}\n"
            f"if __name__ == '__main__':\n    sys.exit({function}())\n"
        )
        script.chmod(0o755)
    return site


@pytest.fixture
def site(listed: Site, tmp_path: Path) -> Site:
    """A copy, to interrupt."""
    shutil.copytree(listed.folder, tmp_path / "site")
    return Site(tmp_path / "site", dict(listed.settings))


def start(site: Site, *command: str, **settings: str) -> Process:
    name, *arguments = command
    ours = site.folder / "bin" / name
    program = str(ours) if ours.exists() else name
    log = site.folder / "interrupted.log"
    return Process(
        [str(SCRIPTS / program), *arguments], site.folder, {**site.environment, **settings}, log
    )


def counted(site: Site, *command: str) -> Counted:
    """Run the command to its end, and count."""
    file = site.folder / "counted"
    with start(site, *command, INTERRUPT_COUNTED=str(file)) as process:
        done = Done(process.await_end(), process.output, "")
    events, before = file.read_text().splitlines()
    return Counted(int(events), before.split(), done)


def moments(events: int, count: int) -> list[int]:
    """So many, the first and the last among them, more of them early."""
    return sorted({1, *(round(events * (at / count) ** 2) for at in range(1, count)), events})


COMMANDS = [
    (("producer", "enqueue", "m.csv", "--allow-missing", "--new-run"), 8),
    (("producer", "status"), 5),
    (("producer", "delete", "1", "--yes"), 5),
    (("report", "--threshold", "0.5", "--output", "figures"), 4),
    (("report", "export", "1", "-o", "p.csv"), 4),
    (("trainer", "cache", "list"), 4),
    (("python", "-m", "db.upgrade"), 4),
]


@pytest.mark.parametrize(("command", "count"), COMMANDS, ids=str)
def test_a_command_is_interrupted_at_any_moment(
    site: Site, command: tuple[str, ...], count: int, tmp_path: Path
) -> None:
    shutil.copytree(site.folder, tmp_path / "whole")
    whole = counted(Site(tmp_path / "whole", site.settings), *command)
    assert whole.done.code == 0, whole.done
    assert not HEAVY & {name.partition(".")[0] for name in whole.before}, whole.before
    for moment in moments(whole.events, count):
        with start(site, *command, INTERRUPT_AT=str(moment)) as process:
            assert_ended_in_one_line(process, f"{moment} of {whole.events}")
    assert not [file for file in site.folder.rglob(".*") if file.name.endswith(".part")]


def assert_ended_in_one_line(process: Process, moment: str) -> str:
    """It ended with 130, and its last line says so; returns that."""
    code, output = process.await_end(), process.output
    assert code == INTERRUPTED, f"{moment}: {code}\n{output}"
    for word in ("Traceback", "Aborted", "Exception ignored", "KeyboardInterrupt"):
        assert word not in output, f"{moment}:\n{output}"
    assert output.count("interrupted; ") == 1, f"{moment}:\n{output}"
    last = output.splitlines()[-1]
    assert last.startswith("interrupted; "), f"{moment}:\n{output}"
    return last


def test_the_moments_of_a_command_are_the_same_with_and_without_bytecode(
    site: Site, tmp_path: Path
) -> None:
    site.settings["PYTHONPYCACHEPREFIX"] = str(tmp_path / "bytecode")
    first, second = (counted(site, "trainer", "cache", "list") for _ in range(2))
    assert list((tmp_path / "bytecode").iterdir())
    assert first.events == second.events


def test_what_was_interrupted_goes_on(site: Site) -> None:
    """At each moment of an order; the last order is a whole one, and everything is scored."""
    command = ("producer", "enqueue", "m.csv", "--allow-missing", "--name", "again", "--new-run")
    events = counted(site, *command).events
    for number, moment in enumerate(moments(events, 3)):
        order = ("producer", "enqueue", "m.csv", "--allow-missing", "--name", f"run {number}")
        with start(site, *order, INTERRUPT_AT=str(moment)) as process:
            process.await_end()
        site.succeed(*order)
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
    assert site.ledger.unfinished() == 0


def test_a_worker_that_starts_is_interrupted_at_any_moment(site: Site) -> None:
    command = ("celery", "-A", "stub_worker", "worker", "--drain")
    events = counted(site, *command).events
    early = 0
    for moment in moments(events, 7):
        with start(site, *command, INTERRUPT_AT=str(moment)) as worker:
            code = worker.await_end()
            assert "Traceback" not in worker.output, worker.output
            assert "KeyboardInterrupt" not in worker.output
            assert code in (0, INTERRUPTED), f"{moment} of {events}: {code}\n{worker.output}"
            if code == INTERRUPTED:
                early += 1
                assert "interrupted; the worker was still starting" in worker.output
                assert not (site.folder / f"up.{worker.pid}").exists()  # it took no message
    assert early >= 3


def test_a_training_is_interrupted_while_it_loads(site: Site) -> None:
    """TensorFlow's import holds its own noise back from the terminal: not this line."""
    (site.folder / "train").mkdir()
    for moment in (1, 60, 1500, 3000):
        with start(site, "trainer", "train", "nowhere", "train", INTERRUPT_AT=str(moment)) as one:
            assert_ended_in_one_line(one, str(moment))


def test_a_question_is_interrupted(site: Site) -> None:
    """Of a prompt that is left click makes "Aborted!" and exit code 1."""
    with (
        ctrl_c_heeded(),
        subprocess.Popen(
            [str(site.folder / "bin" / "producer"), "delete", "1"],
            cwd=site.folder, env=site.environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process,
    ):  # fmt: skip
        assert process.stdout is not None
        asked = ""
        while not asked.endswith("[y/N]: "):
            asked += process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == INTERRUPTED
    assert said == "interrupted; `producer delete 1` begins again, or goes on with the rest\n"
    assert len(site.ledger.images()) == 3


def test_a_worker_at_work_ends_with_0(tmp_path: Path) -> None:
    site = colour_site(tmp_path)
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_true(lambda: list(tmp_path.glob("up.*")), "it was up")
        worker.send(signal.SIGINT)
        assert worker.await_end() == 0, worker.output
        assert "interrupted; " not in worker.output
