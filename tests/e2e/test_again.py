"""`producer resume` and `producer retry`, on an embedded broker and SQLite."""

import shutil

import pytest
from processes import Site, Trained, fresh_site

IMAGES = 150


@pytest.fixture
def site(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return fresh_site(tmp_path_factory.mktemp("again"), trained)


def test_resume_sends_what_a_wiped_queue_lost(site: Site) -> None:
    site.succeed("producer", "enqueue", "data/test")
    shutil.rmtree(site.folder / "dermscore.queue")

    resumed = site.succeed("producer", "resume")

    assert resumed.stdout == "run 1: 3 batches enqueued\n"
    assert site.waiting() == 3
    output = site.drain()
    assert "sent again" not in output, "no sweep was needed"
    assert len(site.ledger.scores()) == IMAGES
    assert site.succeed("producer", "resume").stdout == "no batch needs to be sent again\n"
    assert site.succeed("producer", "resume", "1").stdout == "no batch needs to be sent again\n"


def test_retry_scores_what_was_missing_and_leaves_the_rest(site: Site) -> None:
    pictures = sorted((site.folder / "data" / "test").rglob("*.jpg"))
    away, damaged = pictures[3], pictures[70]
    site.succeed("producer", "enqueue", "data/test")
    content = away.read_bytes()
    away.unlink()
    damaged.write_bytes(content[:1000])
    site.drain()
    before = {row.path: row for row in site.ledger.predictions()}
    errors = {path: row.error for path, row in before.items() if row.error}
    assert sorted(errors.values()) == ["corrupt", "missing"]

    away.write_bytes(content)
    retried = site.succeed("producer", "retry", "--error", "missing", "--error", "empty")
    assert "run 1: 1 missing cleared, 1 batch enqueued" in retried.stdout
    refused = site.run("report", "--threshold", "0.23")
    assert refused.code == 3
    site.drain()

    after = {row.path: row for row in site.ledger.predictions()}
    assert {path for path, row in after.items() if row != before[path]} == {
        path for path, error in errors.items() if error == "missing"
    }
    assert [row.error for row in after.values() if row.error] == ["corrupt"]
    assert len(after) == IMAGES


def test_retry_says_what_it_did_not_find(site: Site) -> None:
    assert "no database" in site.run("producer", "retry", "--error", "missing").stderr
    site.succeed("producer", "enqueue", "data/test")

    nothing = site.succeed("producer", "retry", "1", "--error", "missing")
    assert nothing.stdout == "run 1: no image has the error missing\n"
    unknown = site.run("producer", "retry", "--error", "lost")
    assert unknown.code == 2
    assert "'lost' is not one of 'missing'" in unknown.stderr
    absent = site.run("producer", "retry", "7", "--error", "missing")
    assert absent.code == 1
    assert "there is no run 7" in absent.stderr
