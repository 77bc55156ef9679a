"""Redis Sentinel as the way to the broker: a real sentinel, and a failover in mid-run."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import SHORT_LEASE, colour_site, crew, enqueue, predictions, recovered
from forging import message, stub_site
from processes import Site, error_lines
from sentinels import MASTER, Watched, watched_redis
from servers import free_port

PASSWORD, SENTINELS_OWN = "hunq@terx", "s3z;cretz"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with watched_redis(tmp_path / "redis") as started:
        yield started


def site_on(folder: Path, watched: Watched, **settings: str) -> Site:
    address = {"BROKER_URL": watched.url(), "BROKER_MASTER": MASTER}
    return colour_site(folder, **{**address, **settings})


@pytest.mark.parametrize("fault", ["kill", "freeze"])
def test_a_failover_in_mid_run_loses_nothing(
    watched: Watched,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    fault: str,
) -> None:
    """The master dies, or stands still with its connections held: workers go to the new one."""
    site = site_on(tmp_path / "site", watched, STUB_IMAGE_SECONDS="0.02")
    expected = enqueue(site, 640, "--batch-size", "16")
    with crew(site, 2, **SHORT_LEASE) as workers:
        workers.await_true(lambda: predictions(site) >= 64, "some were scored")
        before = watched.master
        began = time.time()
        getattr(before, fault)()
        after = watched.await_failover(before)
        assert predictions(site) < 640, "it came when all was done"
        name = {"kill": "Redis master killed -9", "freeze": "Redis master frozen for good"}[fault]
        row = recovered(workers, name, "sentinels + SQLite", 1, expected, since=began)
        assert "Traceback" not in workers.last_words, workers.last_words
        assert not workers.ended, workers.last_words
        with after.client() as client:
            assert client.llen("dermscore") == 0
    record_property("fault", list(row))
    assert row.holds, row


def test_the_next_run_goes_through_the_new_master(watched: Watched, tmp_path: Path) -> None:
    site = site_on(tmp_path / "site", watched)
    before = watched.master
    before.kill()
    after = watched.await_failover(before)

    enqueue(site, 20, "--batch-size", "10")

    with after.client() as client:
        assert client.llen("dermscore") == 2
    site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
    assert site.ledger.unfinished() == 0


def test_one_sentinel_that_is_away_is_passed_over(tmp_path: Path) -> None:
    """The first of three; what the address says with the last holds for the others."""
    with watched_redis(
        tmp_path / "redis", 3, password=PASSWORD, sentinel_password=SENTINELS_OWN
    ) as watched:
        watched.sentinels[0].kill()
        login = ":hunq%40terx@"
        site = stub_site(
            tmp_path,
            BROKER_URL=watched.url(login, "/1"),
            BROKER_MASTER=MASTER,
            BROKER_SENTINEL_PASSWORD=SENTINELS_OWN,
        )
        (tmp_path / "m.csv").write_text("path\na.jpg\n")
        began = time.monotonic()
        enqueued = site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
        with watched.master.client() as client:
            client.select(1)
            assert client.llen("dermscore") == 1
        done = site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
        assert time.monotonic() - began < 60  # and not the half minute of each try
        assert f"sentinel://:***@127.0.0.1:{watched.sentinels[-1].port}/1" in done.stderr
        for piece in ("hunq", "terx", "s3z", "cretz"):
            assert piece not in enqueued.stdout + enqueued.stderr + done.stdout + done.stderr


def test_a_forged_item_and_the_length_of_the_queue(watched: Watched, tmp_path: Path) -> None:
    """What holds of `redis://` holds here: strangers' items are dropped, metrics count."""
    site = stub_site(tmp_path, BROKER_URL=watched.url(), BROKER_MASTER=MASTER, METRICS_PORT="0")
    with watched.master.client() as client:
        for item in (b"\xff", b"[]", b'{"body": 3}', str(message([[1], {}, {}])).encode()):
            client.lpush("dermscore", item)
    (tmp_path / "m.csv").write_text("path\na.jpg\n")
    site.succeed("producer", "enqueue", "m.csv", "--allow-missing")
    done = site.succeed("celery", "-A", "stub_worker", "worker", "--drain")
    assert "metrics on port" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("is not a message, dropped") == 4
    assert site.ledger.unfinished() == 0


REFUSED = [
    ({"BROKER_URL": "sentinel://127.0.0.1:1"}, ["BROKER_MASTER", "sentinel monitor NAME"]),
    ({"BROKER_URL": "zookeeper://127.0.0.1:1"}, ["zookeeper://"]),
    ({"BROKER_URL": "memory://"}, ["memory://"]),
    ({"BROKER_URL": "filesystem:///tmp"}, ["filesystem://"]),
    ({"BROKER_URL": "sqla+sqlite:///b.db"}, ["sqla+sqlite://"]),
    ({"BROKER_URL": "sqs://key:secret@"}, ["sqs://"]),
    ({"BROKER_URL": "REDIS://127.0.0.1"}, ["not the address of a broker"]),
    ({"BROKER_URL": "redis://127.0.0.1;sentinel://127.0.0.1"}, ["the same scheme"]),
]


@pytest.mark.parametrize(
    ("settings", "words"), REFUSED, ids=[case["BROKER_URL"] for case, _ in REFUSED]
)
def test_another_broker_is_refused_by_producer_and_worker(
    tmp_path: Path, settings: dict[str, str], words: list[str]
) -> None:
    site = stub_site(tmp_path, **settings)
    (tmp_path / "m.csv").write_text("path\na.jpg\n")
    for command in (
        ("producer", "enqueue", "m.csv", "--allow-missing"),
        ("celery", "-A", "stub_worker", "worker", "--drain"),
    ):
        done = site.run(*command)
        assert done.code == 1, done
        assert "Traceback" not in done.stderr, done
        assert done.stdout == "", done
        (line,) = error_lines(done.stderr)
        for word in ("BROKER_URL", *words):
            assert word in line, done
        if "://" in words[0] and words[0] != "sentinel://":
            for known in ("redis://", "rediss://", "sentinel://", "amqp://", "QUEUE_DIR"):
                assert known in line
        assert "secret" not in line
    assert not (tmp_path / "dermscore.db").exists()


def test_a_master_of_another_name_is_said(watched: Watched, tmp_path: Path) -> None:
    site = stub_site(tmp_path, BROKER_URL=watched.url(), BROKER_MASTER="nevi")
    done = site.run("celery", "-A", "stub_worker", "worker", "--drain")
    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert "'nevi'" in line
    assert "(BROKER_URL, BROKER_MASTER)" in line


def test_sentinels_that_are_away_are_said(tmp_path: Path) -> None:
    address = f"sentinel://127.0.0.1:{free_port()};sentinel://127.0.0.1:{free_port()}"
    site = stub_site(tmp_path, BROKER_URL=address, BROKER_MASTER=MASTER)
    done = site.run("celery", "-A", "stub_worker", "worker", "--drain")
    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert "No master found for 'lesions', and not every sentinel answers (BROKER_URL" in line
