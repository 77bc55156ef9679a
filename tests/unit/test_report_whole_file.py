"""Files of the report: whole, and never in the place of a device."""

import os
import stat
from pathlib import Path

import pytest
from stored import report, rows, store_run, succeed

LABELLED = rows([1, 0], [0.75, 0.25])
EXPORT = ("export", "mine")
PAGE = ("page", "mine", "--threshold", "0.5", "--images", "0")
WRITERS = pytest.mark.parametrize("command", [EXPORT, PAGE], ids=["export", "page"])


@pytest.fixture(autouse=True)
def _run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "sqlite:///ledger.db")
    store_run("sqlite:///ledger.db", LABELLED, name="mine")


@WRITERS
def test_a_pipe_is_written_to_and_stays_a_pipe(command: tuple[str, ...]) -> None:
    os.mkfifo("pipe")
    reader = os.open("pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        os.set_blocking(reader, True)
        # What fits into a pipe's 64 KB needs no second process; the page without images does.
        succeed(*command, "-o", "pipe")
        assert len(os.read(reader, 1 << 20)) > 100
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(Path("pipe").stat().st_mode)


@WRITERS
def test_a_symbolic_link_stays_one(command: tuple[str, ...]) -> None:
    Path("folder").mkdir()
    Path("link").symlink_to("folder/file")
    succeed(*command, "-o", "link")
    assert Path("link").is_symlink()
    assert len(Path("folder/file").read_text()) > 100


@WRITERS
def test_what_cannot_be_written_leaves_nothing(command: tuple[str, ...]) -> None:
    before = sorted(Path().iterdir())
    done = report(*command, "-o", "/dev/full")
    assert done.exit_code == 1
    assert "No space left on device" in done.stderr
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)
    Path("file").mkdir()
    assert report(*command, "-o", "file").exit_code == 2
    Path("file").rmdir()
    assert sorted(Path().iterdir()) == before
