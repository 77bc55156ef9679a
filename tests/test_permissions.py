"""Who may read what the programs make, and what a link that others planted comes to."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from colours import draw_number
from forging import said, stub_site
from processes import Site, Trained, error_lines

from worker.mailboxes import Mailboxes

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


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def modes(paths: set[Path]) -> dict[str, set[str]]:
    """The modes of folders and of files, in octal."""
    found: dict[str, set[str]] = {"folders": set(), "files": set()}
    for path in paths:
        status = path.lstat()
        kind = "folders" if stat.S_ISDIR(status.st_mode) else "files"
        found[kind].add(f"{stat.S_IMODE(status.st_mode):o}")
    return found


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", UMASKS)
def test_what_the_programs_make_is_for_their_user_alone(tmp_path: Path, umask: str) -> None:
    site = image_site(tmp_path, umask)
    before = everything(tmp_path)

    site.succeed("producer", "enqueue", "data")
    queued = everything(tmp_path) - before
    assert any(path.suffix == ".msg" for path in queued)
    assert modes(queued) == {"folders": {"700"}, "files": {"600"}}

    with site.start("celery", "-A", "stub_worker", "worker", "--logfile", "log") as worker:
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        names = ("dermscore.db", "dermscore.db-wal", "dermscore.db-shm", "log")
        assert {name: f"{mode(tmp_path / name):o}" for name in names} == dict.fromkeys(names, "600")

    site.succeed("report", "--threshold", "0.5", "--output", "reports/figures")
    site.succeed("report", "page", "--threshold", "0.5", "-o", "pages/report.html")
    site.succeed("report", "export", "1", "-o", "scores.csv")
    made = everything(tmp_path) - before - set(tmp_path.glob("up.*"))
    assert {"roc.png", "report.html", "scores.csv"} <= {path.name for path in made}
    assert modes(made) == {"folders": {"700"}, "files": {"600"}}


def test_checkpoints_are_for_their_user_alone(trained: Trained) -> None:
    """As `trainer train` made them in a process of its own, under the umask of these tests."""
    folder = trained.checkpoint.parent
    assert trained.checkpoint in everything(folder)
    assert modes(everything(folder) | {folder}) == {"folders": {"700"}, "files": {"600"}}


def test_what_is_there_keeps_its_permissions(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    kept = {"dermscore.queue": 0o750, "figures": 0o755, "pages": 0o711}
    for name, permissions in kept.items():
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(permissions)
    files = {"dermscore.db": 0o640, "pages/report.html": 0o644, "scores.csv": 0o664}
    for name, permissions in files.items():
        (tmp_path / name).touch()
        (tmp_path / name).chmod(permissions)

    site.succeed("producer", "enqueue", "data")
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        assert mode(tmp_path / "dermscore.db-wal") == mode(tmp_path / "dermscore.db-shm") == 0o640
    site.succeed("report", "--threshold", "0.5", "--output", "figures")
    site.succeed("report", "page", "--threshold", "0.5", "-o", "pages/report.html")
    site.succeed("report", "export", "1", "-o", "scores.csv")

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

    site.succeed("producer", "enqueue", "data")
    assert list(shared.rglob("*.msg"))
    assert modes(everything(shared)) == {"folders": {"2770"}, "files": {"660"}}
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        assert mode(shared / "ledger.db-wal") == mode(shared / "ledger.db-shm") == 0o660
    site.succeed("report", "page", "--threshold", "0.5", "-o", "shared/pages/report.html")

    assert modes(everything(shared)) == {"folders": {"2770"}, "files": {"660"}}


LINKS = [
    "private",
    "waiting",
    "exchanges",
    "damaged",
    "waiting/dermscore.queue",
    "exchanges/celery.pidbox.exchange",
]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(
    "command",
    [("producer", "enqueue", "data"), ("celery", "-A", "stub_worker", "worker")],
    ids=["producer", "worker"],
)
def test_a_folder_of_the_queue_that_is_a_link_is_refused_with_one_line(
    tmp_path: Path, link: str, command: tuple[str, ...]
) -> None:
    site = image_site(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a,b,c").touch()
    planted = tmp_path / "dermscore.queue" / link
    planted.parent.mkdir(parents=True)
    planted.symlink_to(elsewhere)

    done = site.run(*command)

    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert f"{planted} is a symbolic link" in line
    assert [path.name for path in elsewhere.iterdir()] == ["a,b,c"]


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

    done = site.run("producer", "enqueue", "data")

    (line,) = error_lines(done.stderr)
    assert "belongs to another user" in line
    assert "QUEUE_DIR" in line
    assert not list(queue.iterdir())


def test_the_queue_may_be_a_link_of_ones_own(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    (tmp_path / "other-disk").mkdir()
    (tmp_path / "dermscore.queue").symlink_to(tmp_path / "other-disk")

    site.succeed("producer", "enqueue", "data")
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")

    assert site.ledger.unfinished() == 0


def plant_link(file: Path, secret: Path) -> None:
    file.symlink_to(secret)


def plant_endless(file: Path, _secret: Path) -> None:
    file.symlink_to("/dev/zero")


def plant_pipe(file: Path, _secret: Path) -> None:
    os.mkfifo(file)


def plant_folder(file: Path, _secret: Path) -> None:
    file.mkdir()


@pytest.mark.parametrize("plant", [plant_link, plant_endless, plant_pipe, plant_folder])
def test_a_message_that_is_no_file_is_set_aside_unread(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    site = image_site(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        site.succeed("producer", "enqueue", "data")
        worker.await_true(lambda: site.ledger.unfinished() == 0, "all is scored")
        before = len(worker.output)
        plant(tmp_path / "dermscore.queue/waiting/dermscore.queue/1.msg", secret)

        (line,) = said(worker, before, ("is not a message, set aside: ",))

        assert "secret" not in line.partition("set aside: ")[2]
        (tmp_path / "data/nevus/new.png").write_bytes(draw_number(77))
        site.succeed("producer", "enqueue", "data", "--new-run")
        worker.await_true(lambda: site.ledger.unfinished() == 0, "it goes on")
    assert secret.read_text() == "a secret"


def test_a_binding_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    site = image_site(tmp_path)
    target = tmp_path / "target"
    exchange = tmp_path / "dermscore.queue/exchanges/celery.pidbox.exchange"
    exchange.mkdir(parents=True)
    name = "me@here"
    (exchange / f",,{name}.celery.pidbox").symlink_to(target)

    site.succeed("producer", "enqueue", "data")
    site.succeed("celery", "-A", "stub_worker", "worker", "-n", name, "--drain")

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
