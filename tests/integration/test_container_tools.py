"""The container files as the tools themselves read them.

promtool comes with Debian's package `prometheus`, which CI installs; the others come as wheels.
"""

import json
from pathlib import Path

from compose import services
from container_tools import run
from processes import PROJECT
from stack import PASSWORDS

MANIFESTS = sorted(
    path
    for path in (PROJECT / "deploy" / "kubernetes").glob("*.yaml")
    # Of KEDA's, kustomize's and the Prometheus operator's kinds Kubernetes has no schema.
    if path.stem not in {"kustomization", "keda", "podmonitor"}
)


def test_docker_compose_reads_the_file_as_these_tests_do() -> None:
    read = run("docker-compose", "--profile", "*", "config", "--format", "json")
    assert read.returncode == 0, read.stderr
    composed = json.loads(read.stdout)["services"]
    ours = services("docker-compose.yml", PASSWORDS)
    assert set(composed) == set(ours)
    for name, service in composed.items():
        for key in ("image", "entrypoint", "command"):
            # What it prints is a compose file again, in which $$ stands for $.
            words = json.loads(json.dumps(service.get(key)).replace("$$", "$"))
            assert words == ours[name].get(key), (name, key)
        assert service.get("environment", {}) == ours[name].get("environment", {})


def test_docker_compose_takes_the_gpu_file() -> None:
    files = ("--file", "docker-compose.yml", "--file", "docker-compose.gpu.yml")
    read = run("docker-compose", *files, "--profile", "gpus-4", "config", "--format", "json")
    assert read.returncode == 0, read.stderr
    workers = {
        name: service
        for name, service in json.loads(read.stdout)["services"].items()
        if name.startswith("worker")
    }
    assert len(workers) == 4
    for service in workers.values():
        assert service["image"] == "dermscore:gpu"
        assert service["command"] == ["celery", "-A", "worker", "worker", "--task-events"]


def test_docker_compose_wants_the_passwords() -> None:
    arguments = ("--env-file", "/dev/null", "config", "--quiet")
    assert run("docker-compose", *arguments).returncode == 0
    without = run("docker-compose", *arguments, variables={})
    assert without.returncode != 0
    assert "REDIS_PASSWORD is missing a value: copy .env.example to .env" in without.stderr


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    linted = run("hadolint", "Dockerfile")
    assert linted.returncode == 0, linted.stdout


def test_prometheus_takes_its_configuration_and_its_alerts() -> None:
    checked = run("promtool", "check", "config", "deploy/prometheus/prometheus.yml")
    assert checked.returncode == 0, checked.stderr
    assert "6 rules found" in checked.stdout


def test_manifests_are_of_kubernetes_own_schema(tmp_path: Path) -> None:
    for path in MANIFESTS:
        # The tool wants a name, which a Job that is made for each run gets from the cluster.
        named = path.read_text().replace("generateName:", "name:")
        (tmp_path / path.name).write_text(named)
    files = [str(tmp_path / path.name) for path in MANIFESTS]
    checked = run("kubernetes-validate", "--strict", *files)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count(" passed for resource ") >= len(MANIFESTS)
