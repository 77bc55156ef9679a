"""Output that the terminal cannot show, or that its disk cannot take."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from page_runs import Shot, store
from processes import SCRIPTS, Site

from base.console.terminal import show_plain_forms

# What terminals of Windows and of old machines understand.
ENCODINGS = ["ascii", "latin-1", "cp1252", "cp437", "cp932"]
SHOTS = [
    Shot("melanoma/zażółć.jpg", 1, 0.9),
    Shot("melanoma/2.jpg", 1, 0.4),
    Shot("nevus/3.jpg", 0, 0.2),
    Shot("nevus/4.jpg", 0, 0.5),
]
PRINTING = [
    ("report", "--threshold", "0.3"),
    ("report", "--threshold", "0.3", "--format", "markdown"),
    ("report", "compare", "1", "2", "--threshold-a", ".3", "--threshold-b", ".6"),
    ("producer", "status", "1"),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A ledger whose names no old terminal can show."""
    folder = tmp_path_factory.mktemp("shown")
    address = f"sqlite:///{folder}/ledger.db"
    for name in ("łódź", "二"):
        store(address, SHOTS, name=name, source="obrazy/łódź…")
    return Site(folder, {"DATABASE_URL": address})


def run(site: Site, command: tuple[str, ...], encoding: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command on a terminal of this encoding."""
    done = subprocess.run(
        [SCRIPTS / command[0], *command[1:]],
        cwd=site.folder,
        env={**site.environment, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
    )
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_report_is_shown_on_every_terminal(site: Site, encoding: str) -> None:
    code, shown, errors = run(site, PRINTING[0], encoding)
    assert (code, errors) == (0, "")
    minus = "−".encode(encoding, "replace").decode(encoding).replace("?", "-")
    assert f"LR{minus}" in shown, "code page 932 has a minus sign of its own"
    assert "obrazy/" in shown


@pytest.mark.parametrize("command", PRINTING[1:], ids=" ".join)
def test_every_program_prints_what_can_be_shown(site: Site, command: tuple[str, ...]) -> None:
    code, shown, errors = run(site, command, "ascii")
    assert (code, errors) == (0, "")
    assert shown


def test_an_error_is_shown_too(site: Site) -> None:
    for command, opened in (
        (("report", "--run", "−1…"), ""),
        (("producer", "status", "−1…"), "database "),
    ):
        code, shown, errors = run(site, command, "ascii")
        assert (code, shown[: len("database ")]) == (1, opened)
        assert errors == "Error: there is no run -1...: `producer status` lists them\n"
    code, _, errors = run(site, ("trainer", "manifest", "−1"), "ascii")
    assert (code, errors) == (1, "Error: -1 is not a folder\n")


def test_an_export_is_utf8_on_every_terminal(site: Site) -> None:
    done = subprocess.run(
        [SCRIPTS / "report", "export", "1"],
        env={**site.environment, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert "melanoma/zażółć.jpg" in done.stdout.decode("utf-8")


def test_what_the_environment_asks_for_stays(site: Site) -> None:
    done = subprocess.run(
        [SCRIPTS / "report", "--threshold", "0.3"],
        env={**site.environment, "PYTHONIOENCODING": "latin-1:replace"},
        capture_output=True,
        check=True,
    )
    assert b"LR?" in done.stdout


@pytest.mark.parametrize(
    ("text", "plain"),
    [("A − B", "A - B"), ("≥ 0.5 × 2…", ">= 0.5 x 2..."), ("ł", "\\u0142"), ("é", "\\xe9")],
)
def test_signs_become_their_plain_forms(
    monkeypatch: pytest.MonkeyPatch, text: str, plain: str
) -> None:
    shown = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", shown)
    show_plain_forms()
    print(text)
    assert shown.buffer.getvalue() == f"{plain}{os.linesep}".encode()


# --- a full disk behind standard output

FULL = Path("/dev/full")
FULL_COMMANDS = [
    ("report", "--threshold", "0.3"),
    ("report", "export", "1"),
    ("producer", "runs", "--format", "json"),
    ("report", "--help"),
]


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("command", FULL_COMMANDS, ids=" ".join)
def test_standard_output_on_a_full_disk_is_one_line(
    site: Site, command: tuple[str, ...], unbuffered: str
) -> None:
    if not FULL.exists():
        pytest.skip("this system has no /dev/full")
    with FULL.open("wb") as full:
        done = subprocess.run(
            [SCRIPTS / command[0], *command[1:]],
            env=site.environment | {"PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1, done
    assert done.stderr == (
        "Error: standard output cannot be written: No space left on device: "
        "make room there, or write to another disk\n"
    )


def test_who_reads_only_the_beginning_is_not_told(site: Site) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as closed:
        done = subprocess.run(
            [SCRIPTS / "report", "--threshold", "0.3"],
            env=site.environment,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == ""
