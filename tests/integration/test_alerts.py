"""The alerts, each situation played to Prometheus's own rules by `promtool test rules`.

A look every 15 seconds, as deploy/ sets it. Where no promtool is on the PATH the tests that need it
are skipped.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from container_tools import run
from processes import PROJECT

PROMETHEUS = PROJECT / "deploy" / "prometheus"
RULES = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"][0]["rules"]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
DASHBOARD = PROJECT / "deploy" / "grafana" / "dashboards" / "dermscore.json"
UP = "up{job=JOB, instance='a'}"
OWED = "dermscore_owed_batches{job=JOB, instance='a'}"
BATCHES = "dermscore_batches_total{job=JOB, instance='a'}"
SCORED = "dermscore_images_total{job=JOB, instance='a', outcome='scored'}"
MISSING = "dermscore_images_total{job=JOB, instance='a', outcome='missing'}"


def configured_job() -> str:
    """The job that prometheus.yml gives the workers."""
    (job,) = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text())["scrape_configs"]
    name: str = job["job_name"]
    return name


def monitored_job() -> str:
    """The job that the Prometheus operator gives them by the PodMonitor."""
    text = (PROJECT / "deploy" / "kubernetes" / "podmonitor.yaml").read_text()
    monitor = yaml.safe_load(text)
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    job = f"{monitor['metadata']['namespace']}/{monitor['metadata']['name']}"
    for rule in endpoint.get("relabelings", []):
        if rule["targetLabel"] == "job":
            job = rule["replacement"]
    return job


JOBS = {configured_job(), monitored_job()}


class Situation(NamedTuple):
    """What the looks found, in promtool's notation, and which alerts are on after so long."""

    name: str
    series: dict[str, str]
    on: dict[str, set[str]]


# `0x20` is 0 and then 20 times the same: 5 minutes. `_` is a look that found nothing.
SITUATIONS = [
    Situation(
        "nothing was ever there",
        {},
        {"1m": set(), "30m": set()},
    ),
    Situation(
        "idle, then scaled to zero",
        {UP: "1x40 stale", OWED: "5x20 0x20 stale", BATCHES: "0+1x20 20x20 stale"},
        {"9m": set(), "30m": set(), "2h": set()},
    ),
    Situation(
        "everything fails within one scrape",
        {
            UP: "1x200",
            OWED: "0x200",
            BATCHES: "0x20 344x180",
            SCORED: "0x200",
            MISSING: "0x20 22000x180",
        },
        {"5m": set(), "5m15s": {"DermscoreErrors"}, "19m": {"DermscoreErrors"}, "22m": set()},
    ),
    Situation(
        "everything failed before the first look",
        {UP: "1x20", SCORED: "0x20", MISSING: "22000x20", OWED: "0x20", BATCHES: "344x20"},
        {"0m": {"DermscoreErrors"}, "5m": {"DermscoreErrors"}},
    ),
    Situation(
        "and the worker ended soon",
        {SCORED: "0x3 stale", MISSING: "22000x3 stale"},
        {"5m": {"DermscoreErrors"}, "20m": set()},
    ),
    Situation(
        "one image in ten fails, ten a minute",
        {
            UP: "1x200",
            OWED: "900x200",
            BATCHES: "0+1x200",
            SCORED: "0+9x200",
            MISSING: "0+1x200",
        },
        {"2m": set(), "3m": {"DermscoreErrors"}, "45m": {"DermscoreErrors"}},
    ),
    Situation(
        "one image in fifty fails",
        {UP: "1x200", OWED: "900x200", BATCHES: "0+1x200", SCORED: "0+49x200", MISSING: "0+1x200"},
        {"1m": set(), "20m": set(), "45m": set()},
    ),
    Situation(
        "all of nine images fail",
        {UP: "1x100", OWED: "0x100", BATCHES: "0 1x99", SCORED: "0x100", MISSING: "0 9x99"},
        {"1m": set(), "20m": set()},
    ),
    Situation(
        "stuck after two minutes",
        {UP: "1x100", OWED: "5x100", BATCHES: "0+1x8 8x92"},
        {"11m": set(), "12m15s": {"DermscoreStuck"}, "20m": {"DermscoreStuck"}},
    ),
    Situation(
        "slow: a batch every four minutes",
        {UP: "1x96", OWED: "5x96", BATCHES: "0x15 1x15 2x15 3x15 4x15 5x15"},
        {"11m": set(), "16m": set(), "23m": set()},
    ),
    Situation(
        "a worker that is killed and started again, over and over",
        {
            UP: "1x2 0x2 1x2 0x2 1x2 0x2 1x2 0x2 1x2 0x2 1x2 0x2 1x2 0x2",
            OWED: " ".join(["5x2 stale _"] * 14),
            BATCHES: " ".join(["0x2 stale _"] * 14),
        },
        {"5m": set(), "11m": {"DermscoreStuck"}},
    ),
    Situation(
        "gone while work is owed",
        {UP: "1x20 stale", OWED: "5x20 stale", BATCHES: "0+1x20 stale"},
        {"9m": set(), "10m30s": {"DermscoreNoWorker"}, "20h": {"DermscoreNoWorker"}},
    ),
    Situation(
        "there and does not answer",
        {UP: "0x60"},
        {"4m": set(), "5m": {"DermscoreNoWorker"}},
    ),
    Situation(
        "one died in the midst of it, another did the rest, then scaled to zero",
        {
            UP: "1x40 stale",
            OWED: "9x4 stale",
            OWED.replace("'a'", "'b'"): "9x20 0x20 stale",
            BATCHES.replace("'a'", "'b'"): "0+1x20 20x20 stale",
        },
        {"9m": set(), "30m": set()},
    ),
    Situation(
        "drained between two looks",
        {
            UP: "1x20 stale",
            OWED: "5x20 stale",
            "dermscore_draining{job=JOB, instance='a'}": "1x20 stale",
            BATCHES: "0+1x20 stale",
        },
        {"10m30s": set(), "30m": set()},
    ),
    Situation(
        "the database is away",
        {
            UP: "1x60",
            OWED: "5x4 " + " ".join(["NaN"] * 56),
            BATCHES: "0+1x4 4x56",
            "dermscore_database_reachable{job=JOB, instance='a'}": "1x4 0x56",
            "dermscore_broker_reachable{job=JOB, instance='a'}": "1x60",
        },
        {"2m": set(), "3m30s": {"DermscoreUnreachable"}, "14m": {"DermscoreUnreachable"}},
    ),
]


@pytest.mark.parametrize("job", sorted(JOBS))
def test_each_situation_has_its_alerts_and_no_other(job: str, tmp_path: Path) -> None:
    tests = [
        {
            "name": situation.name,
            "interval": "15s",
            "input_series": [
                {"series": name.replace("JOB", f"'{job}'"), "values": values}
                for name, values in situation.series.items()
            ],
            "alert_rule_test": list(_expected(situation)),
        }
        for situation in SITUATIONS
    ]
    rules = {"rule_files": [str(PROMETHEUS / "alerts.yml")], "evaluation_interval": "15s"}
    file = tmp_path / "situations.yml"
    file.write_text(yaml.safe_dump({**rules, "tests": tests}))
    tested = run("promtool", "test", "rules", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def _expected(situation: Situation) -> Iterator[dict[str, Any]]:
    for moment, on in situation.on.items():
        assert on <= set(ALERTS)
        for alert, rule in ALERTS.items():
            firing = [{"exp_annotations": rule["annotations"]}] if alert in on else []
            yield {"eval_time": moment, "alertname": alert, "exp_alerts": firing}


def test_every_alert_has_a_situation() -> None:
    assert {alert for one in SITUATIONS for on in one.on.values() for alert in on} == set(ALERTS)


def queries() -> list[str]:
    """Those of the rules and of the dashboard."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    targets = [target["expr"] for panel in panels for target in panel["targets"]]
    return [rule["expr"] for rule in RULES] + targets


def test_labels_that_are_asked_for_are_those_that_every_manifest_gives() -> None:
    """Of Prometheus's own labels only those that mean the same wherever the files are used."""
    given = {label: values for label, values in [("job", JOBS)] if len(values) == 1}
    asked = {
        (label, value)
        for query in queries()
        for label, value in re.findall(r"\b(\w+)!?=~?\"([^\"]*)\"", query)
    }
    assert ("job", configured_job()) in asked
    own = {"outcome": {"scored"}, "kind": {"current"}}
    for label, value in asked:
        assert value in {**own, **given}.get(label, set()), f"{label}={value} is not everywhere"
