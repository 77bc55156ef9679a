"""Who may read what the programs make, and what a link that others planted comes to."""

import os
import re
import stat
from pathlib import Path

import pytest
from colours import draw_number
from forging import stub_site
from kombu.connection import Connection
from processes import Done, Site, error_lines

from worker.broker.embedded import BROKER_URL
from worker.broker.mailboxes import Mailboxes, make_or_touch

UMASKS = ["022", "000"]


def under(umask: str, site: Site) -> Site:
    """The same site, as somebody works in it whose shell has this umask."""
    return Site(site.folder, site.settings, ("sh", "-c", f'umask {umask}; exec "$@"', "sh"))


def image_site(folder: Path, umask: str = "022") -> Site:
    """A folder with ten images, half of them of a melanoma, and the stub's checkpoint."""
    for number in range(10):
        image = folder / "data" / ("melanoma" if number % 2 else "nevus") / f"{number}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(draw_number(number))
    return under(umask, stub_site(folder, STUB_MODE="colour"))


def run(site: Site, program: str, *arguments: str) -> Done:
    """A program by its package, which is what an installation's script calls."""
    return site.run("python", "-m", program, *arguments)


def succeed(site: Site, program: str, *arguments: str) -> None:
    done = run(site, program, *arguments)
    assert done.code == 0, done


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def others_than(folders: int, files: int, paths: set[Path]) -> dict[str, str]:
    """The modes, in octal, of those whose mode is neither that of folders nor that of files."""
    wanted = {path: folders if path.is_dir() else files for path in paths}
    return {str(path): f"{mode(path):o}" for path in paths if mode(path) != wanted[path]}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", UMASKS)
def test_what_the_programs_make_is_for_their_user_alone(tmp_path: Path, umask: str) -> None:
    site = image_site(tmp_path, umask)
    before = everything(tmp_path)

    succeed(site, "producer", "enqueue", "data")
    queued = everything(tmp_path) - before
    assert any(path.suffix == ".msg" for path in queued)
    assert not others_than(0o700, 0o600, queued)

    with site.start("celery", "-A", "stub_worker", "worker", "--logfile", "log") as worker:
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        names = ("dermscore.db", "dermscore.db-wal", "dermscore.db-shm", "log")
        assert {name: f"{mode(tmp_path / name):o}" for name in names} == dict.fromkeys(names, "600")


def test_reports_and_manifests_are_for_their_user_alone(tmp_path: Path) -> None:
    site = image_site(tmp_path, "000")
    succeed(site, "producer", "enqueue", "data")
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
    before = everything(tmp_path)

    succeed(site, "report", "--threshold", "0.5", "--output", "reports/figures")
    succeed(site, "report", "page", "--threshold", "0.5", "-o", "pages/report.html")
    succeed(site, "report", "export", "1", "-o", "scores.csv")
    succeed(site, "trainer", "manifest", "data", "-o", "labels.csv")

    made = everything(tmp_path) - before
    assert {"roc.png", "report.html", "scores.csv", "labels.csv"} <= {path.name for path in made}
    assert not others_than(0o700, 0o600, made)


def test_what_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    kept = {"dermscore.queue": 0o750, "pages": 0o711}
    for name, permissions in kept.items():
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(permissions)
    files = {"dermscore.db": 0o640, "pages/report.html": 0o644, "scores.csv": 0o664}
    for name, permissions in files.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(permissions)

    succeed(site, "producer", "enqueue", "data")
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        assert mode(tmp_path / "dermscore.db-wal") == mode(tmp_path / "dermscore.db-shm") == 0o640
    succeed(site, "report", "page", "--threshold", "0.5", "-o", "pages/report.html")
    succeed(site, "report", "export", "1", "-o", "scores.csv")

    assert (tmp_path / "scores.csv").stat().st_size
    wanted = {**kept, **files}
    assert {name: mode(tmp_path / name) for name in wanted} == wanted


def test_a_folder_with_the_setgid_bit_is_shared_with_its_group(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    site.settings.update(
        QUEUE_DIR=str(shared / "queue"), DATABASE_URL=f"sqlite:///{shared}/ledger.db"
    )

    succeed(site, "producer", "enqueue", "data")
    assert list(shared.rglob("*.msg"))
    assert not others_than(0o2770, 0o660, everything(shared))
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        assert mode(shared / "ledger.db-wal") == mode(shared / "ledger.db-shm") == 0o660

    assert not others_than(0o2770, 0o660, everything(shared))


QUEUE = "dermscore.queue"
LINKS = [
    "private",
    "waiting",
    "exchanges",
    "damaged",
    "waiting/dermscore.queue",
    "exchanges/celery.pidbox.exchange",
]


@pytest.mark.parametrize("link", LINKS)
def test_a_folder_of_the_queue_that_is_a_link_is_refused(tmp_path: Path, link: str) -> None:
    planted = plant(tmp_path, link)

    with (
        Connection(BROKER_URL, transport_options={"queue_dir": str(tmp_path / QUEUE)}) as broker,
        pytest.raises(broker.channel_errors, match=re.escape(f"{planted} is a symbolic link")),
    ):
        broker.channel()

    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["a,b,c"]


@pytest.mark.parametrize(
    ("command", "link"),
    [
        (("producer", "enqueue", "data"), "waiting/dermscore.queue"),
        (("celery", "-A", "stub_worker", "worker"), "exchanges/celery.pidbox.exchange"),
    ],
    ids=["producer", "worker"],
)
def test_a_program_says_so_in_one_line(tmp_path: Path, command: tuple[str, ...], link: str) -> None:
    site = image_site(tmp_path)
    planted = plant(tmp_path, link)

    done = run(site, *command)

    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert f"{planted} is a symbolic link" in line
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["a,b,c"]


def plant(folder: Path, link: str) -> Path:
    """Put a link in a folder's place in the queue, to one that is not the queue's."""
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a,b,c").touch()
    planted = folder / QUEUE / link
    planted.parent.mkdir(parents=True)
    planted.symlink_to(elsewhere)
    return planted


def test_a_folder_of_another_user_that_all_may_write_is_refused_with_one_line(
    tmp_path: Path,
) -> None:
    if os.geteuid():
        pytest.skip("only root can make a folder of another user")
    site = image_site(tmp_path)
    queue = tmp_path / "dermscore.queue"
    queue.mkdir()
    queue.chmod(0o1777)
    os.chown(queue, 65534, 65534)

    done = run(site, "producer", "enqueue", "data")

    (line,) = error_lines(done.stderr)
    assert "belongs to another user" in line
    assert "QUEUE_DIR" in line
    assert not list(queue.iterdir())


def test_the_queue_may_be_a_link_of_ones_own(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    (tmp_path / "other-disk").mkdir()
    (tmp_path / "dermscore.queue").symlink_to(tmp_path / "other-disk")

    succeed(site, "producer", "enqueue", "data")
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")

    assert site.ledger.unfinished() == 0


def test_a_message_that_is_no_file_is_set_aside_unread(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    waiting = tmp_path / QUEUE / "waiting" / "dermscore.queue"
    waiting.mkdir(parents=True)
    (waiting / "1.msg").symlink_to(secret)
    (waiting / "2.msg").symlink_to("/dev/zero")
    os.mkfifo(waiting / "3.msg")
    (waiting / "4.msg").mkdir()

    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        succeed(site, "producer", "enqueue", "data")
        worker.await_true(lambda: site.ledger.unfinished() == 0, "it goes on")
        lines = [line for line in worker.output.splitlines() if "set aside: " in line]
        # What was set aside stands in nobody's way.
        succeed(site, "producer", "enqueue", "data", "--new-run")
        worker.await_true(lambda: site.ledger.unfinished() == 0, "it goes on again")

    assert len(lines) == 4
    assert not any("secret" in line.partition("set aside: ")[2] for line in lines)
    assert secret.read_text() == "a secret"


def test_a_binding_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    binding, target = tmp_path / "binding", tmp_path / "target"
    binding.symlink_to(target)

    make_or_touch(binding)

    assert not target.exists()


def test_what_lies_behind_a_link_is_not_tidied_away(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "letter").touch()
    old = elsewhere / ",,old.celery.pidbox"
    old.touch()
    os.utime(old, (0, 0))
    queue = tmp_path / "queue"
    for kind, name in (("waiting", "a.celery.pidbox.queue"), ("exchanges", "x.exchange")):
        (queue / kind).mkdir(parents=True)
        (queue / kind / name).symlink_to(elsewhere)
    binding = queue / "binding"
    binding.touch()

    Mailboxes(queue).bound("me.celery.pidbox", binding)

    assert {path.name for path in elsewhere.iterdir()} == {"letter", old.name}
