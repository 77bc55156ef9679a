"""A full disk, and a folder that is not ours, under every file that a command writes: one line."""

import os
from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from colours import draw_number
from page_runs import Shot, store
from read_only import as_other_user, let_others_enter
from servers import fill_disk, small_disk

from db.errors import DatabaseAwayError
from db.session import open_database
from report.cli import main as report
from trainer.cli import main as trainer

SHOTS = [Shot(f"melanoma/{at}.jpg", at % 2, at / 10) for at in range(8)]
# The last word is the file or folder that is written.
Call = tuple[click.Command, *tuple[str, ...], str]
COMMANDS: list[Call] = [
    (report, "--threshold", "0.3", "--output", "figures"),
    (report, "page", "1", "--threshold", "0.3", "-o", "page.html"),
    (report, "export", "1", "-o", "rows.csv"),
    (report, "export", "1", "--format", "parquet", "-o", "rows.parquet"),
    (report, "compare", "1", "2", "--threshold-a", ".3", "--threshold-b", ".3", "--output", "roc"),
    (trainer, "manifest", "images", "-o", "images.csv"),
]
IDS = ["figures", "page", "csv", "parquet", "compare", "manifest"]


@pytest.fixture(autouse=True)
def _ledger(page_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("first", "second"):
        store(page_url, SHOTS, name=name)
    for number in range(400):  # more rows than a full disk still takes
        image = tmp_path / "images" / "nevus" / f"{'long' * 20}{number}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.touch()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A disk without any room."""
    if os.geteuid():
        pytest.skip("only root can mount a small disk")
    with small_disk(tmp_path / "disk", 1) as disk:
        fill_disk(disk / "ballast")
        yield disk


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_a_full_disk_is_one_line_and_leaves_no_half_file(full: Path, command: Call) -> None:
    program, *words, name = command
    done = CliRunner().invoke(program, [*words, f"{full}/{name}"])
    assert done.exit_code == 1, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert str(full) in line
    assert line.endswith("make room there, or write to another disk")
    left = [path for path in full.rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["ballast"]


def test_a_full_disk_under_the_curves_of_a_training_is_not_taken_for_memory(
    full: Path, tmp_path: Path
) -> None:
    for name in ("melanoma/1.png", "melanoma/2.png", "nevus/1.png", "nevus/2.png"):
        (tmp_path / "few" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "few" / name).write_bytes(draw_number(len(name)))
    words = ["train", "few", "few", "--backbone", "small", "--epochs", "1", "--logs"]
    done = CliRunner().invoke(trainer, [*words, str(full / "logs")])
    assert done.exit_code == 1, done.output
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"Error: {full}/logs cannot be written: No space left on device: make")


def test_a_ledger_on_a_full_disk_is_one_line_that_names_it(full: Path) -> None:
    with pytest.raises(DatabaseAwayError) as caught:
        open_database(f"sqlite:///{full}/ledger.db")
    assert caught.value.message == (
        f"database {full}/ledger.db cannot be written: the disk is full, make room in {full} "
        "(DATABASE_URL)"
    )


def test_a_ledger_whose_disk_fills_up_is_told_the_same(full: Path) -> None:
    (full / "ballast").unlink()
    address = f"sqlite:///{full}/ledger.db"
    store(address, SHOTS)
    fill_disk(full / "ballast")
    with pytest.raises(DatabaseAwayError, match=f"{full}/ledger.db cannot be written: the disk is"):
        list(map(partial(store, address), repeat(SHOTS, 1000)))


@pytest.mark.parametrize("command", COMMANDS[1:4], ids=IDS[1:4])
def test_a_folder_that_is_not_ours_is_one_line(tmp_path: Path, command: Call) -> None:
    program, *words, name = command
    CliRunner().invoke(program, ["--help"])  # imported while root
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    (tmp_path / "ledger.db").chmod(0o644)  # for others to read, which a new ledger is not
    let_others_enter(closed)
    CliRunner().invoke(program, [*words, str(tmp_path / name)])
    with as_other_user():
        done = CliRunner().invoke(program, [*words, str(closed / name)])
    assert done.exit_code == 1, done.output
    assert f"{closed}/{name}" in done.stderr
    assert "Permission denied: write to a folder that is yours" in done.stderr
