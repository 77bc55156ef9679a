"""Ledgers that cannot be written: every command that reads gives what it gives elsewhere."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from page_runs import Shot, store
from processes import Done, Site
from read_only import as_other_user, let_others_enter, mounted_read_only
from sqlalchemy import text

from db.errors import DatabaseError, LedgerReplacedError
from db.schema import HEAD
from db.session import Database, open_database

SHOTS = [
    Shot("melanoma/1.jpg", 1, 0.9),
    Shot("melanoma/2.jpg", 1, 0.4),
    Shot("nevus/3.jpg", 0, 0.2),
    Shot("nevus/4.jpg", 0, 0.1),
]
READING = [
    (("report", "--threshold", "0.3"), "specificity"),
    (("report", "page", "1", "--threshold", "0.3", "-o", "/dev/stdout"), "</html>"),
    (("report", "export", "1"), "melanoma/1.jpg,1,0.9"),
    (("report", "compare", "1", "2", "--threshold-a", ".3", "--threshold-b", ".3"), "AUC"),
    (("producer", "status"), "first"),
    (("producer", "status", "1", "--watch"), "first"),
    (("producer", "runs"), "second"),
]
WRITING = [
    ("report", "choose-threshold", "1", "--youden"),
    ("producer", "delete", "1", "--yes"),
    ("producer", "enqueue", "data", "--new-run"),
]


def make_ledger(folder: Path) -> Path:
    """A ledger of two runs, closed; its folder holds nothing else."""
    folder.mkdir()
    file = folder / "ledger.db"
    for name in ("first", "second"):
        store(f"sqlite:///{file}", SHOTS, name=name)
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]
    file.chmod(0o644)  # for others to read, which a new ledger is not
    return file


def leave_log(file: Path) -> None:
    """Let a process die that has just renamed run 1: what it wrote is beside the file only."""
    pid = os.fork()
    if not pid:
        connection = sqlite3.connect(file, isolation_level=None)
        connection.execute("UPDATE runs SET name = 'renamed' WHERE id = 1")
        os._exit(0)
    os.waitpid(pid, 0)
    assert {path.name for path in file.parent.iterdir()} == {
        "ledger.db", "ledger.db-wal", "ledger.db-shm",
    }  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A working folder with an image, a ledger beside it."""
    file = make_ledger(tmp_path / "ledger")
    image = tmp_path / "work" / "data" / "nevus" / "1.jpg"
    image.parent.mkdir(parents=True)
    image.touch()
    return Site(tmp_path / "work", {"DATABASE_URL": f"sqlite:///{file}"})


def ledger_of(site: Site) -> Path:
    return Path(site.settings["DATABASE_URL"].removeprefix("sqlite:///"))


def read_only(site: Site) -> Site:
    """The same site, its ledger on a read-only file system."""
    return Site(site.folder, site.settings, mounted_read_only(ledger_of(site).parent))


def one_line(done: Done) -> str:
    assert done.code == 1, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: "), done
    return line


@pytest.mark.parametrize(("command", "shown"), READING, ids=[words[1] for words, _ in READING])
def test_reading_needs_no_write(site: Site, command: tuple[str, ...], shown: str) -> None:
    assert shown in read_only(site).succeed(*command).stdout


def test_the_report_is_the_same(site: Site) -> None:
    command = ("report", "--threshold", "0.3", "--format", "json")
    assert read_only(site).succeed(*command).stdout == site.succeed(*command).stdout


@pytest.mark.parametrize("command", WRITING, ids=" ".join)
def test_writing_is_refused_in_one_line(site: Site, command: tuple[str, ...]) -> None:
    line = one_line(read_only(site).run(*command))
    assert f"{ledger_of(site)} cannot be written" in line or "cannot be opened" in line
    assert f"{ledger_of(site).parent} is on a read-only file system" in line


def test_what_is_beside_the_file_is_read_too(site: Site) -> None:
    leave_log(ledger_of(site))
    assert "renamed" in read_only(site).succeed("producer", "runs").stdout


def test_a_copy_that_lacks_what_is_beside_it_is_refused(site: Site) -> None:
    file = ledger_of(site)
    leave_log(file)
    Path(f"{file}-shm").unlink()
    line = one_line(read_only(site).run("producer", "runs"))
    assert f"database {file}: it was copied while it was in use" in line
    assert "ledger.db-wal" in line


def test_an_older_schema_cannot_be_upgraded_there(site: Site) -> None:
    site.ledger.change("UPDATE alembic_version SET version_num = '0001'")
    line = one_line(read_only(site).run("report", "--threshold", "0.3"))
    assert f"its schema is 0001, this dermscore needs {HEAD}" in line
    assert "copy it to a folder that can be written" in line


def test_a_file_without_a_ledger_is_said_to_be_none(site: Site) -> None:
    ledger_of(site).write_bytes(b"")
    assert "holds no ledger yet" in one_line(read_only(site).run("producer", "runs"))


def test_a_folder_may_hold_what_addresses_quote(tmp_path: Path) -> None:
    folder = tmp_path / "50% #1"
    make_ledger(folder)
    site = Site(tmp_path, {"DATABASE_URL": f"sqlite:///{folder}/ledger.db"})
    assert "first" in read_only(site).succeed("producer", "runs").stdout


# --- permissions, as another user than the ledger's


@contextmanager
def opened_by_another(file: Path, folder_mode: int, file_mode: int) -> Iterator[Database]:
    let_others_enter(file.parent)
    file.parent.chmod(folder_mode)
    for path in file.parent.iterdir():
        path.chmod(file_mode)
    with as_other_user(), closing(open_database(f"sqlite:///{file}", to_be_read=True)) as database:
        yield database


def names(database: Database) -> list[str]:
    with database.read() as session:
        return list(session.scalars(text("SELECT name FROM runs ORDER BY id")))


def test_a_file_that_is_not_ours_is_read_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = make_ledger(tmp_path / "ledger")
    for folder_mode in (0o555, 0o777):
        with opened_by_another(file, folder_mode, 0o444) as database:
            assert names(database) == ["first", "second"]
        assert [path.name for path in file.parent.iterdir()] == ["ledger.db"]


def test_what_another_writes_meanwhile_is_read(tmp_path: Path) -> None:
    file = make_ledger(tmp_path / "ledger")
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("UPDATE runs SET name = 'renamed' WHERE id = 1")
        with opened_by_another(file, 0o555, 0o444) as database:
            assert names(database) == ["renamed", "second"]
            writer.execute("UPDATE runs SET name = 'again' WHERE id = 1")
            assert names(database) == ["again", "second"]


def write_as_its_owner(file: Path) -> None:
    if os.getresuid()[2] == 0:
        os.setresuid(0, 0, 0)
    file.chmod(0o644)
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("UPDATE runs SET name = 'renamed' WHERE id = 1")


def test_what_changes_while_nobody_was_expected_to_write_is_no_answer(tmp_path: Path) -> None:
    file = make_ledger(tmp_path / "ledger")
    with (
        opened_by_another(file, 0o755, 0o444) as database,
        pytest.raises(LedgerReplacedError, match="was written to while it was read: start again"),
        database.read(),
    ):
        write_as_its_owner(file)


def test_a_folder_that_is_not_ours_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    let_others_enter(folder)
    with as_other_user(), pytest.raises(DatabaseError) as caught:
        open_database(f"sqlite:///{folder}/ledger.db")
    assert f"database {folder}/ledger.db cannot be opened: the permissions of {folder}" in (
        caught.value.message
    )
