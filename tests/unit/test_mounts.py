"""Network file systems, told by the table of mounts."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from db.connection import mounts
from db.connection.ledger_file import network_warning
from db.connection.mounts import network_mount, read_mounts
from producer.cli import main as producer

TABLE = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 0:21 / /proc rw,nosuid - proc proc rw
40 22 0:50 / /mnt/images rw,relatime shared:20 - nfs4 store.lan:/export/images rw,vers=4.2
41 22 0:51 / /mnt/two\040words rw master:3 propagate_from:2 - cifs //nas/two\040words rw
42 40 0:52 / /mnt/images/local rw - tmpfs tmpfs rw
43 22 0:53 / /home/ana/far rw - fuse.sshfs ana@far:/ rw,user_id=0
44 22 0:54 / /c rw - 9p drvfs rw,aname=drvfs
45 22 8:2 / /mnt/imagesbackup rw - xfs /dev/sdb1 rw
46 22 0:60 / /mnt/over rw - ext4 /dev/sdc1 rw
47 46 0:61 / /mnt/over rw - nfs store.lan:/over rw
48 22 0:62 / /home/ana/disk.mtp rw - fuse.portal portal rw

a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/mnt/images/dermscore.db", "nfs4"),
        ("/mnt/images/deep/down/dermscore.db", "nfs4"),
        ("/mnt/two words/dermscore.db", "cifs"),
        ("/home/ana/far/dermscore.db", "fuse.sshfs"),
        ("/c/dermscore.db", "9p"),
        ("/mnt/over/dermscore.db", "nfs"),  # what was mounted last is what is seen
    ],
)
def test_a_network_file_system_is_found(path: str, kind: str) -> None:
    found = network_mount(Path(path), TABLE)
    assert found is not None
    assert found.kind == kind


@pytest.mark.parametrize(
    "path",
    [
        "/srv/dermscore.db",
        "/mnt/images/local/dermscore.db",  # memory, mounted inside
        "/mnt/imagesbackup/dermscore.db",  # another folder whose name begins the same
        "/home/ana/disk.mtp/dermscore.db",
    ],
)
def test_a_disk_of_this_machine_is_none(path: str) -> None:
    assert network_mount(Path(path), TABLE) is None


def test_an_empty_table_tells_nothing() -> None:
    assert network_mount(Path("/srv/dermscore.db"), "") is None


def test_the_table_of_this_machine_is_read() -> None:
    if not mounts.MOUNTS.exists():
        pytest.skip("no Linux: there is no table of mounts")
    assert "/" in {mount.point for mount in read_mounts(mounts.MOUNTS.read_text())}


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file in the table's place."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(TABLE)
        file.flush()
        monkeypatch.setattr(mounts, "MOUNTS", Path(file.name))
        yield Path(file.name)


@pytest.mark.usefixtures("table")
def test_the_warning_names_file_and_server() -> None:
    assert network_warning(Path("/srv/dermscore.db")) is None
    said = network_warning(Path("/mnt/images/dermscore.db"))
    assert said is not None
    assert said.startswith(
        "warning: the database /mnt/images/dermscore.db is on a network file system "
        "(nfs4, store.lan:/export/images): "
    )
    assert "\n" not in said


def test_who_writes_to_a_network_file_system_is_warned(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.write_text("1 0 0:1 / / rw - nfs4 store.lan:/ rw\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DATABASE_URL", raising=False)
    image = tmp_path / "data" / "nevus" / "1.jpg"
    image.parent.mkdir(parents=True)
    image.touch()
    done = CliRunner().invoke(producer, ["enqueue", "data"])
    assert done.exit_code == 1
    first, error = done.stderr.splitlines()
    assert first.startswith(f"warning: the database {tmp_path}/dermscore.db is on a network file")
    assert error.startswith("Error: no checkpoint is known yet")


def test_without_a_table_nothing_is_said(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "MOUNTS", table.with_name("none-such"))
    assert network_warning(Path("/mnt/images/dermscore.db")) is None
