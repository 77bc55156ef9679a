"""A rolling upgrade: a worker of the first release and one of this, on one queue and one ledger.

The first release is taken from the project's own history; where that is not at hand (a source
archive, a shallow clone) the test says so.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from processes import GREETED, PROJECT, CleanRun, Site, Trained, fresh_site
from servers import redis_server

# The commit that landed the main job and the trainer: its schema is 0001.
FIRST_RELEASE = "88390796dc58a1f9e05122607d3e38d15ff08119"
PACKAGES = ("db", "model", "producer", "report", "trainer", "worker")


class Upgrade(NamedTuple):
    """The same folder with its servers, as either release sees it."""

    old: Site
    new: Site


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("first_release")
    archive = ["git", "-C", str(PROJECT), "archive", FIRST_RELEASE, *PACKAGES]
    packed = subprocess.run(archive, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip(f"no first release at hand: {packed.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


@pytest.fixture
def upgrade(
    trained: Trained, postgres_url: str, old_code: Path, tmp_path: Path
) -> Iterator[Upgrade]:
    with redis_server(tmp_path / "redis") as redis:
        new = fresh_site(tmp_path, trained, BROKER_URL=redis.url, DATABASE_URL=postgres_url)
        path = os.pathsep.join([str(old_code), os.environ.get("PYTHONPATH", "")])
        yield Upgrade(Site(new.folder, {**new.settings, "PYTHONPATH": path}), new)


def test_nothing_is_lost_while_two_releases_work_together(
    upgrade: Upgrade, clean: CleanRun
) -> None:
    old, new = upgrade
    # The installed script is this release's, which starts its program elsewhere.
    started = "from producer.cli import main; main()"
    old.succeed("python", "-c", started, "enqueue", "data/test", "--batch-size", "8")
    assert schema(old) == "0001"
    order = ("enqueue", "data/test", "--batch-size", "4", "--new-run")
    with ExitStack() as workers:
        elder = workers.enter_context(old.worker())
        elder.await_true(old.ledger.predictions, "the old worker scored something")
        new.succeed("producer", *order)
        assert schema(new) > "0001"
        elder.await_true(lambda: new.ledger.predictions(2), "it goes on under the new schema")
        younger = workers.enter_context(new.worker())
        younger.await_output(GREETED)
        new.succeed("producer", *order)
        younger.await_true(lambda: len(new.ledger.predictions(3)) == 150, "all was scored")
        elder.await_true(lambda: not new.ledger.unfinished(), "nothing was owed")
        for worker in (elder, younger):
            worker.send(signal.SIGTERM)
        assert (elder.await_end(), younger.await_end()) == (0, 0), elder.output + younger.output
        assert "Traceback" not in elder.output + younger.output

    names = {row.worker for run in (1, 2, 3) for row in new.ledger.predictions(run)}
    assert len(names) == 2, "both took part"
    for run in (1, 2, 3):
        assert [row.path for row in new.ledger.predictions(run)] == new.ledger.images(run)
        # The first release computed by another call: equal to a few last bits.
        assert new.ledger.scores(run) == pytest.approx(clean.scores, abs=1e-6)
    # What one release reports of the other's run is the same as of its own.
    report = new.succeed("report", "--run", "1", "--threshold", "0.23")
    assert "150" in report.stdout


def test_an_old_worker_that_starts_late_says_what_to_do(upgrade: Upgrade) -> None:
    upgrade.new.succeed("producer", "enqueue", "data/test")
    late = upgrade.old.run("celery", "-A", "worker", "worker", "--drain")
    assert late.code == 1
    assert "is of a newer version" in late.stderr
    assert "upgrade dermscore" in late.stderr
    assert upgrade.new.ledger.unfinished() == 3


def schema(site: Site) -> str:
    ((version,),) = site.ledger.rows("SELECT version_num FROM alembic_version")
    return str(version)
