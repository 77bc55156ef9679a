"""Two terminals in two folders: where the ledger and the queue are is said, whole, everywhere."""

import json
from pathlib import Path

import pytest
from forging import stub_site
from processes import Site, error_lines
from servers import free_port

DRAIN = ("celery", "-A", "stub_worker", "worker", "--drain")
NEW = "a new database was made: sqlite:///{folder}/dermscore.db\n"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A folder with a checkpoint and a manifest, and no ledger."""
    site = stub_site(tmp_path)
    (tmp_path / "m.csv").write_text("path,label\na.jpg,1\nb.jpg,0\n")
    return site


def test_a_worker_in_another_folder_asks_whether_it_is_the_right_one(
    site: Site, tmp_path: Path
) -> None:
    site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    (tmp_path / "elsewhere").mkdir()
    other = Site(tmp_path / "elsewhere", {**site.settings})
    del other.settings["CHECKPOINT"]
    database = f"sqlite:///{other.folder}/dermscore.db"
    for is_new in (True, False):  # the second worker finds what the first one made
        done = other.run(*DRAIN)
        assert done.code == 1, done
        made = " (new)" if is_new else ""
        assert f"\n  database {database}{made}\n" in f"\n{done.stderr}"
        assert f"  broker embedded, in {other.folder}/dermscore.queue\n" in done.stderr
        question = (
            f"database {database} holds no run and no checkpoint: is {other.folder} the folder "
            "where `producer enqueue` runs? DATABASE_URL names another database\n"
        )
        assert question in done.stderr
        assert f"drain: {question}" in done.stderr
    site.succeed(*DRAIN)
    assert site.ledger.unfinished() == 0


def test_a_worker_that_waits_asks_too_and_takes_what_comes(site: Site) -> None:
    with site.start("celery", "-A", "stub_worker", "worker") as worker:
        del site.settings["CHECKPOINT"]
        worker.await_true(lambda: list(site.folder.glob("up.*")), "it was up")
        site.succeed(
            "producer", "enqueue", "m.csv", "--allow-missing", "--checkpoint", "stub.keras"
        )
        worker.await_true(lambda: not site.ledger.unfinished(), "it scored")


def test_an_empty_server_that_was_there_before_is_not_asked_about(
    postgres_url: str, site: Site
) -> None:
    """A deployment upgrades its ledger first, and has nothing to score yet."""
    site.settings["DATABASE_URL"] = postgres_url
    made = site.succeed("python", "-m", "db.upgrade")
    assert made.stderr.startswith("a new database was made: postgresql://")
    again = site.succeed("python", "-m", "db.upgrade")
    assert again.stderr == ""
    done = site.succeed(*DRAIN)
    assert "the folder where" not in done.stderr


def test_a_ledger_that_was_made_is_told_once(site: Site) -> None:
    first = site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    assert first.stderr == NEW.format(folder=site.folder)
    assert site.succeed("producer", "enqueue", "m.csv", "--allow-missing").stderr == ""


FAILURES = [
    (("producer", "enqueue", "nowhere"), "no such folder"),
    (
        ("producer", "enqueue", "m.csv", "--allow-missing", "--checkpoint", "absent.keras"),
        "absent.keras",
    ),
    (("producer", "enqueue", "late.csv"), "late.csv:30:"),
    (("report", "import-scores", "m.csv", "--truth", "m.csv", "--name", "x"), "m.csv"),
    (("report", "import-scores", "s.csv", "--truth", "t.csv", "--name", "3"), "3"),
    (("trainer", "train", "nowhere", "nowhere"), "nowhere"),
]


@pytest.mark.parametrize(("command", "words"), FAILURES, ids=str)
def test_what_fails_leaves_no_ledger_behind(
    site: Site, command: tuple[str, ...], words: str
) -> None:
    rows = "".join(f"{number}.jpg,1\n" for number in range(28))
    (site.folder / "late.csv").write_text(f"path,label\n{rows}c.jpg,2\n")
    (site.folder / "s.csv").write_text("image_id,melanoma\na,0.5\n")
    (site.folder / "t.csv").write_text("image_id,melanoma\na,1\n")
    before = set(site.folder.iterdir())

    done = site.run(*command)

    assert done.code == 1, done
    (line,) = error_lines(done.stderr)
    assert words in line
    assert "a new database" not in done.stderr
    assert {file for file in site.folder.iterdir() if "queue" not in file.name} == before


def test_without_any_checkpoint_no_ledger_is_left(site: Site) -> None:
    del site.settings["CHECKPOINT"]
    done = site.run("producer", "enqueue", "m.csv", "--allow-missing")
    assert "no checkpoint is known yet" in done.stderr
    assert not list(site.folder.glob("dermscore*"))


def test_a_ledger_that_was_there_or_is_used_stays(site: Site) -> None:
    """What was listed while the broker was away is owed; an upgraded, empty one is somebody's."""
    site.succeed("python", "-m", "db.upgrade")
    assert site.run("producer", "enqueue", "nowhere").code == 1
    assert (site.folder / "dermscore.db").exists()
    (site.folder / "dermscore.db").unlink()
    site.settings["BROKER_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    done = site.run("producer", "enqueue", "m.csv", "--allow-missing")
    assert done.code == 1, done
    assert len(site.ledger.images()) == 2


@pytest.mark.parametrize(
    "command", [("producer", "status"), ("producer", "runs"), ("report",), ("producer", "resume")]
)
def test_a_missing_ledger_is_named_by_its_whole_path(site: Site, command: tuple[str, ...]) -> None:
    done = site.run(*command)
    assert f"there is no database {site.folder}/dermscore.db yet" in done.stderr
    site.settings["DATABASE_URL"] = "sqlite:///sub/other.db"
    done = site.run(*command)
    assert f"there is no database {site.folder}/sub/other.db yet" in done.stderr


def test_an_error_names_the_whole_path(site: Site) -> None:
    site.settings["DATABASE_URL"] = "sqlite:///absent/ledger.db"
    done = site.run("producer", "enqueue", "m.csv", "--allow-missing")
    (line,) = error_lines(done.stderr)
    assert f"{site.folder}/absent/ledger.db" in line
    site.settings["DATA_ROOT"] = "images"
    done = site.run("producer", "enqueue", "m.csv", "--allow-missing")
    assert f"DATA_ROOT=images is not a folder ({site.folder}/images)" in done.stderr


def test_status_says_which_ledger_it_is_of(site: Site) -> None:
    site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    address = f"sqlite:///{site.folder}/dermscore.db"
    assert site.succeed("producer", "status").stdout.startswith(f"database {address}\n")
    shown = site.succeed("producer", "status", "--format", "json").stdout
    assert json.loads(shown)["database"] == address


def test_where_no_run_is_no_list_is_offered(site: Site) -> None:
    site.succeed("python", "-m", "db.upgrade")
    for command in (
        ("producer", "status", "3"),
        ("report", "--run", "3"),
        ("report", "--run", "x"),
    ):
        (line,) = error_lines(site.run(*command).stderr)
        assert line.endswith(
            f"there is no run {command[-1]}, and no other run yet: start one with "
            "`producer enqueue SOURCE`"
        )
    site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    (line,) = error_lines(site.run("producer", "status", "3").stderr)
    assert line == "Error: there is no run 3: `producer status` lists them"


def test_postgresql_is_shown_as_it_is_typed(postgres_url: str, site: Site) -> None:
    site.settings["DATABASE_URL"] = postgres_url
    done = site.succeed("python", "-m", "db.upgrade")
    assert "psycopg" not in done.stdout + done.stderr
    assert "postgresql://" in done.stdout
