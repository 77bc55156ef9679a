"""A worker's metrics, fetched as Prometheus fetches them, against what the ledger holds."""

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

import psutil
import pytest
import yaml
from colours import draw_number
from processes import PATIENCE, PROJECT, Process, Site, error_lines, stub_checkpoint
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from servers import RedisServer, free_port

BATCH = 10
Samples = dict[tuple[str, ...], float]


def metrics_site(folder: Path, **settings: str) -> Site:
    """A folder with the stub's checkpoint, whose worker serves its metrics on a free port."""
    path = os.pathsep.join([str(PROJECT), str(PROJECT / "tests" / "helpers")])
    checkpoint = str(stub_checkpoint(folder))
    return Site(
        folder, {"CHECKPOINT": checkpoint, "PYTHONPATH": path, "METRICS_PORT": "0", **settings}
    )


@pytest.fixture(params=["embedded", "servers"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    """On the embedded broker with SQLite, and on Redis with PostgreSQL."""
    if request.param == "embedded":
        return metrics_site(tmp_path)
    redis: RedisServer = request.getfixturevalue("redis")
    address: str = request.getfixturevalue("postgres_url")
    return metrics_site(tmp_path, BROKER_URL=redis.url, DATABASE_URL=address)


class Scraped:
    """A worker under way, and its metrics."""

    def __init__(self, worker: Process) -> None:
        self.worker = worker
        worker.await_output("metrics on port")
        (self._port,) = re.findall(r"^metrics on port (\d+)", worker.output, re.MULTILINE)

    def families(self) -> list[Metric]:
        with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=PATIENCE) as answer:
            return list(text_string_to_metric_families(answer.read().decode()))

    def samples(self) -> Samples:
        """(name, label values...) to value, the names without `dermscore_`."""
        return {
            (sample.name.removeprefix("dermscore_"), *sample.labels.values()): sample.value
            for family in self.families()
            for sample in family.samples
        }

    def await_batches(self, number: int, *, or_more: bool = False) -> None:
        """Wait until so many batches were counted: each is stored, then counted, then told."""
        told = re.compile(r" images/s \(")

        def holds() -> bool:
            found = len(told.findall(self.worker.output))
            return found >= number if or_more else found == number

        self.worker.await_true(holds, f"it told {number} batches")

    def await_samples(self, condition: Callable[[Samples], object], what: str) -> Samples:
        """The first samples for which the condition holds."""
        found: list[Samples] = []

        def holds() -> bool:
            found[:] = [self.samples()]
            return bool(condition(found[0]))

        self.worker.await_true(holds, what)
        return found[0]


@contextmanager
def scraped_worker(site: Site, *options: str) -> Iterator[Scraped]:
    with site.start("celery", "-A", "stub_worker", "worker", *options) as worker:
        yield Scraped(worker)


def images_by_outcome(samples: Samples) -> dict[str, float]:
    """Those outcomes that any image had."""
    return {key[1]: value for key, value in samples.items() if key[0] == "images_total" and value}


def outcomes_in(site: Site) -> dict[str, float]:
    """The same from the ledger."""
    query = "SELECT coalesce(error, 'scored'), count(*) FROM predictions GROUP BY 1"
    return dict(site.ledger.rows(query))


def test_counts_follow_the_ledger_during_a_run_and_equal_it_afterwards(site: Site) -> None:
    rows = "".join(f"{at}.jpg\n" for at in range(8 * BATCH - 3))
    (site.folder / "manifest.csv").write_text(f"path\n{rows}")
    site.settings.update(STUB_MODE="wait", STUB_SECONDS="0.7")
    site.succeed(
        "producer", "enqueue", "manifest.csv", "--allow-missing", "--batch-size", str(BATCH)
    )
    with scraped_worker(site) as worker:
        before = worker.samples()
        during = worker.await_samples(lambda found: found["batches_total",] > 0, "begun")
        stored = outcomes_in(site)
        assert 0 < images_by_outcome(during)["scored"] <= stored["scored"]
        assert during["batches_total",] < 8
        assert during["images_per_second",] > 0
        assert before["owed_batches",] > 0
        worker.await_batches(8)
        after = worker.await_samples(lambda found: found["owed_batches",] == 0, "nothing owed")
    assert images_by_outcome(after) == outcomes_in(site) == {"scored": 8 * BATCH - 3}
    assert after["batches_total",] == 8
    assert after["failed_batches_total",] == 0
    assert after["queue_length",] == after["leased_batches",] == 0
    ((digest, compute, write),) = site.ledger.rows(
        "SELECT digest, sum(compute_seconds), sum(write_seconds) FROM batches "
        "JOIN runs ON runs.id = run_id JOIN checkpoints ON checkpoints.id = checkpoint_id "
        "GROUP BY digest"
    )
    assert after["checkpoint_info", digest, "float32"] == 1
    assert after["stage_seconds_total", "compute"] == pytest.approx(compute)
    assert after["stage_seconds_total", "write"] >= write > 0, "the ledger's ends before the commit"


def told_rate(worker: Scraped) -> float:
    """Images per second of the worker's last line."""
    return float(re.findall(r"([\d.]+) images/s \(", worker.worker.output)[-1])


class Rates(NamedTuple):
    """Images per second, looked up one after the other while both workers work."""

    run: dict[str, Any]
    shown: list[float]
    told: list[float]

    def agree(self) -> bool:
        """Whether status, metrics and log say the same; a batch may end between two looks."""
        total = sum(self.told)
        return bool(sum(self.shown) == pytest.approx(total, rel=0.06)) and bool(
            # The two did not begin at the same moment, which a few batches leave visible.
            self.run["images_per_second"] == pytest.approx(total, rel=0.15)
        )


def test_log_metric_and_status_agree_on_images_per_second_and_an_idle_worker_has_none(
    site: Site,
) -> None:
    rows = "".join(f"{at}.jpg\n" for at in range(50 * BATCH))
    (site.folder / "manifest.csv").write_text(f"path\n{rows}")
    site.settings.update(STUB_MODE="wait", STUB_SECONDS="0.8")
    with scraped_worker(site, "-n", "one@%h") as one, scraped_worker(site, "-n", "two@%h") as two:
        for each in (one, two):
            each.worker.await_true((site.folder / f"up.{each.worker.pid}").exists, "it is up")
        site.succeed(
            "producer", "enqueue", "manifest.csv", "--allow-missing", "--batch-size", str(BATCH)
        )
        for each in (one, two):
            each.await_batches(5, or_more=True)

        found: list[Rates] = []

        def agreed() -> bool:
            seen = site.succeed("producer", "status", "--format", "json").stdout
            (run,) = json.loads(seen)["runs"]
            assert run["pending"], "they are at work on it"
            shown = [each.samples()["images_per_second",] for each in (one, two)]
            found.append(Rates(run, shown, [told_rate(one), told_rate(two)]))
            return found[-1].agree()

        one.worker.await_true(agreed, "log, metric and status agree")
        rates = found[-1]
        # Each takes 0.8 s for ten images at least; storing them takes as long as the machine needs.
        assert max(rates.told) <= 12.6
        run = rates.run
        assert run["seconds_left"] == pytest.approx(run["pending"] / run["images_per_second"])
        one.await_samples(lambda found: found["owed_batches",] == 0, "nothing owed")
        for each, busy in ((one, rates.shown[0]), (two, rates.shown[1])):
            each.await_samples(shows_fewer_than(busy / 2), "it fell")


def shows_fewer_than(rate: float) -> Callable[[Samples], bool]:
    """Images per second."""
    return lambda found: found["images_per_second",] < rate


def asked_for() -> set[str]:
    """The metrics that Grafana's dashboard and Prometheus's alerts name."""
    deploy = PROJECT / "deploy"
    dashboard = json.loads((deploy / "grafana/dashboards/dermscore.json").read_text())
    alerts = yaml.safe_load((deploy / "prometheus/alerts.yml").read_text())
    queries = [rule["expr"] for group in alerts["groups"] for rule in group["rules"]]
    queries += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = set(re.findall(r"\b(?:dermscore|process)_\w+", " ".join(queries)))
    assert len(names) > 10
    return names


def test_each_kind_of_outcome_is_counted_apart(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for at in range(15):
        (data / f"{at}.png").write_bytes(draw_number(at))
    (data / "empty.png").touch()
    for name in ("text.png", "words.png"):
        (data / name).write_text("no image")
    site = metrics_site(tmp_path, STUB_MODE="colour")
    site.succeed("producer", "enqueue", "data", "--batch-size", str(BATCH))
    with scraped_worker(site) as worker:
        worker.await_batches(2)
        after = worker.samples()
        families = worker.families()
    sampled = {sample.name for family in families for sample in family.samples}
    served = sampled | {family.name for family in families}  # of the GPU there is no sample
    assert asked_for() <= served, "dashboard and alerts ask for what there is"
    page = (PROJECT / "docs" / "reference" / "metrics.md").read_text()
    documented = set(re.findall(r"`(dermscore_\w+)(?:{[\w,]+})?`", page))
    assert documented == {name for name in sampled if name.startswith("dermscore_")} | {
        "dermscore_gpu_memory_bytes"
    }
    assert images_by_outcome(after) == outcomes_in(site)
    assert images_by_outcome(after) == {"scored": 15, "empty": 1, "not_an_image": 2}


def test_a_broker_that_is_away_is_said_and_costs_no_other_figure(
    redis: RedisServer, tmp_path: Path
) -> None:
    site = metrics_site(tmp_path, BROKER_URL=redis.url)
    with scraped_worker(site) as worker:
        assert worker.samples()["broker_reachable",] == 1
        redis.stop()
        away = worker.await_samples(lambda found: not found["broker_reachable",], "away")
        assert math.isnan(away["queue_length",])
        assert away["owed_batches",] == 0
        assert away["database_reachable",] == 1


def test_a_port_that_is_taken_ends_the_worker_with_one_line(tmp_path: Path) -> None:
    site = metrics_site(tmp_path)
    port = free_port()
    site.settings["METRICS_PORT"] = str(port)
    with scraped_worker(site):
        second = site.run("celery", "-A", "stub_worker", "worker", "-n", "second@%h")
    assert second.code == 1
    (line,) = error_lines(second.stderr)
    assert line.startswith(f"Error: METRICS_PORT={port}: Address already in use; ")


def listening(worker: Process) -> set[str]:
    """The addresses on which the worker takes connections."""
    found = psutil.Process(worker.pid).net_connections("tcp")
    return {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}


@pytest.mark.parametrize(
    ("host", "addresses"),
    [("", {"127.0.0.1"}), ("0.0.0.0", {"0.0.0.0"}), ("127.0.0.2", {"127.0.0.2"})],
)
def test_metrics_are_served_on_the_named_address_alone(
    tmp_path: Path, host: str, addresses: set[str]
) -> None:
    with scraped_worker(metrics_site(tmp_path, METRICS_HOST=host)) as scraped:
        assert listening(scraped.worker) == addresses


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.machine.invalid", "a..b", "x" * 300, "::5"])
def test_an_address_that_is_not_the_machines_ends_the_worker_with_one_line(
    tmp_path: Path, host: str
) -> None:
    done = metrics_site(tmp_path, METRICS_HOST=host).run("celery", "-A", "stub_worker", "worker")
    assert done.code == 1
    (line,) = error_lines(done.stderr)
    assert line.startswith(f"Error: METRICS_HOST={host[:40]}: ")
    assert "0.0.0.0 for all" in line


def test_a_worker_says_so_in_one_line(tmp_path: Path) -> None:
    site = metrics_site(tmp_path, METRICS_PORT="http")
    done = site.run("celery", "-A", "stub_worker", "worker")
    assert done.code == 1
    assert len(error_lines(done.stderr)) == 1


def test_nothing_is_served_unless_a_port_is_named(tmp_path: Path) -> None:
    site = metrics_site(tmp_path, METRICS_PORT="")
    (tmp_path / "manifest.csv").write_text("path\n0.jpg\n")
    site.succeed("producer", "enqueue", "manifest.csv", "--allow-missing")
    with site.start("celery", "-A", "stub_worker", "worker", "--drain") as worker:
        assert worker.await_end() == 0
        assert "metrics on port" not in worker.output
