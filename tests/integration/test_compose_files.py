"""What the container files promise one another, read and not run."""

import json
import re
import subprocess
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest
import yaml
from compose import env_file, secret_variables, services, variables_of
from processes import PROJECT, SCRIPTS
from stack import PASSWORDS

from worker.celery import app

FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
PACKAGES = ("base", "db", "imaging", "model", "producer", "report", "trainer", "worker")
WORKERS = ("worker", "worker-gpu1", "worker-gpu2", "worker-gpu3")
PROMETHEUS = yaml.safe_load((PROJECT / "deploy/prometheus/prometheus.yml").read_text())
DASHBOARD = json.loads((PROJECT / "deploy/grafana/dashboards/dermscore.json").read_text())


@pytest.fixture(scope="module")
def composed() -> dict[str, dict[str, Any]]:
    return services(FILES[0], PASSWORDS)


def test_every_variable_is_in_the_example_file_or_has_a_default() -> None:
    documented = env_file(PROJECT / ".env.example")
    used = variables_of("".join((PROJECT / file).read_text() for file in FILES))
    secret = set().union(*(secret_variables(file) for file in FILES))
    assert secret | {name for name, default in used.items() if default is None} <= set(documented)
    assert set(documented) <= secret | set(used), "nothing is documented that no file reads"
    assert {name for name in documented if name.endswith("PASSWORD")} == set(PASSWORDS)


def test_without_passwords_compose_stops_and_says_what_to_do() -> None:
    with pytest.raises(KeyError, match=r"copy \.env\.example to \.env"):
        services(FILES[0], {})


def test_every_service_that_others_wait_for_has_a_health_check(
    composed: dict[str, dict[str, Any]],
) -> None:
    awaited = {
        (name, condition["condition"])
        for service in composed.values()
        for name, condition in service.get("depends_on", {}).items()
    }
    assert ("redis", "service_healthy") in awaited
    assert ("postgres", "service_healthy") in awaited
    assert ("migrate", "service_completed_successfully") in awaited
    for name, condition in awaited:
        if condition == "service_healthy":
            assert composed[name]["healthcheck"]["test"], name


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_time_to_finish_what_it_began(
    name: str, composed: dict[str, dict[str, Any]]
) -> None:
    minutes = re.fullmatch(r"(\d+)m", composed[name]["stop_grace_period"])
    assert minutes is not None
    assert int(minutes[1]) * 60 > app.conf.worker_soft_shutdown_timeout


def test_only_what_a_person_looks_at_is_published_and_only_to_this_machine(
    composed: dict[str, dict[str, Any]],
) -> None:
    published = {name: service["ports"] for name, service in composed.items() if "ports" in service}
    assert set(published) == {"flower", "prometheus", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


@pytest.mark.parametrize("name", services(FILES[0], PASSWORDS))
def test_every_container_is_confined(name: str, composed: dict[str, dict[str, Any]]) -> None:
    service = composed[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # Redis and PostgreSQL are reached only by those that speak with them, and reach nothing.
    networks = set(service.get("networks", ["default"]))
    expected = {"redis": {"servers"}, "postgres": {"servers"}, "migrate": {"servers"}}
    alone = {"prometheus": {"default"}, "grafana": {"default"}}
    assert networks == (expected | alone).get(name, {"default", "servers"})


def test_the_servers_network_has_no_way_out() -> None:
    networks = yaml.safe_load((PROJECT / FILES[0]).read_text())["networks"]
    assert networks["servers"] == {"internal": True}


@pytest.mark.parametrize("name", ["redis", "postgres", "grafana"])
def test_servers_read_their_password_from_a_file(
    name: str, composed: dict[str, dict[str, Any]]
) -> None:
    service = composed[name]
    assert not [word for word in PASSWORDS.values() if word in json.dumps(service)]
    (secret,) = service["secrets"]
    assert f"/run/secrets/{secret}" in json.dumps(service)


def test_folders_of_the_containers_lie_in_the_images_working_directory(
    composed: dict[str, dict[str, Any]],
) -> None:
    (folder,) = re.findall(r"^WORKDIR (\S+)$", dockerfile().rsplit("FROM ", 1)[1], re.MULTILINE)
    for name in (*WORKERS, "producer", "report", "trainer", "migrate"):
        for volume in composed[name]["volumes"]:
            assert volume.split(":")[1].startswith(f"{folder}/"), volume


def test_each_gpu_has_one_worker_with_the_gpu_image() -> None:
    gpu = services(FILES[1], {})
    devices = {}
    for name, service in gpu.items():
        (device,) = service["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        (devices[name],) = device["device_ids"]
        assert service["build"]["args"] == {"GPU": "1"}
    assert devices == {name: str(at) for at, name in enumerate(WORKERS)}


def test_profiles_start_as_many_gpu_workers_as_they_say(
    composed: dict[str, dict[str, Any]],
) -> None:
    profiles = [composed[name].get("profiles", []) for name in WORKERS[1:]]
    for gpus in (2, 3, 4):
        assert sum(f"gpus-{gpus}" in names for names in profiles) == gpus - 1


def test_prometheus_finds_all_workers_by_one_name(composed: dict[str, dict[str, Any]]) -> None:
    (config,) = PROMETHEUS["scrape_configs"]
    (found,) = config["dns_sd_configs"]
    (name,) = found["names"]
    for worker in WORKERS:
        assert name in composed[worker]["networks"]["default"]["aliases"]
        assert composed[worker]["environment"]["METRICS_PORT"] == str(found["port"])
    for file in PROMETHEUS["rule_files"]:
        assert (PROJECT / "deploy" / "prometheus" / file).is_file()


def test_grafana_finds_its_dashboard_and_its_source(composed: dict[str, dict[str, Any]]) -> None:
    folder = PROJECT / "deploy" / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((folder / "dashboards/dermscore.yml").read_text())["providers"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {source["uid"]}
    assert source["url"] == "http://prometheus:9090"
    mounted = dict(volume.split(":")[:2] for volume in composed["grafana"]["volumes"])
    targets = {target: PROJECT / path for path, target in mounted.items() if path.startswith(".")}
    assert (targets[provider["options"]["path"]] / "dermscore.json").is_file()
    assert all(path.is_dir() for path in targets.values())
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def dockerfile() -> str:
    return (PROJECT / "Dockerfile").read_text()


def test_the_images_wheel_is_built_from_what_the_dockerfile_copies(tmp_path: Path) -> None:
    copied = re.findall(r"^COPY (?!--)(.+) \S+$", dockerfile(), re.MULTILINE)
    names = [name for line in copied for name in line.split()]
    ignore = (PROJECT / ".dockerignore").read_text().splitlines()
    assert sorted(f"!{name}" for name in names) == sorted(
        line for line in ignore if line.startswith("!")
    )
    for name in names:
        (tmp_path / name).symlink_to(PROJECT / name)
    build = ["wheel", "--quiet", "--no-build-isolation", "--no-deps", "--wheel-dir", "wheel", "."]
    pip = [str(SCRIPTS / "python"), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, *build], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES]
    there = subprocess.run(listed, cwd=PROJECT, check=True, capture_output=True, text=True)
    assert packed == set(there.stdout.split())


def test_the_gpu_lock_is_the_other_lock_and_cuda() -> None:
    def pins(file: str) -> set[str]:
        return set(re.findall(r"^[\w.-]+==\S+", (PROJECT / file).read_text(), re.MULTILINE))

    plain, gpu = pins("requirements.lock"), pins("requirements-gpu.lock")
    assert plain < gpu
    assert all(name.startswith("nvidia-") for name in gpu - plain)


def test_flower_is_of_the_version_that_its_image_holds(composed: dict[str, dict[str, Any]]) -> None:
    assert composed["flower"]["image"] == f"mher/flower:{version('flower')}"


@pytest.mark.parametrize("name", ["producer", "report", "trainer"])
def test_each_command_service_is_a_console_command(
    name: str, composed: dict[str, dict[str, Any]]
) -> None:
    assert composed[name]["entrypoint"] == [name]
    assert name in {script.name for script in entry_points(group="console_scripts")}


def test_the_documentation_names_what_is_there(composed: dict[str, dict[str, Any]]) -> None:
    text = (PROJECT / "docs" / "deployment.md").read_text()
    for name in set(re.findall(r"--scale (\w+)=", text)):
        assert name in composed
    profiles = {profile for one in composed.values() for profile in one.get("profiles", [])}
    assert set(re.findall(r"--profile (\S+)", text)) <= profiles
    for path in set(re.findall(r"\b(?:deploy|tests)/[\w./-]+\w", text)):
        assert (PROJECT / path).exists(), path
    manifests = {path.name for path in (PROJECT / "deploy" / "kubernetes").glob("*.yaml")}
    table = text[text.index("## Kubernetes") : text.index("**KEDA**")]
    assert set(re.findall(r"`([\w.-]+\.yaml)`", table)) | {"namespace.yaml"} == manifests
    assert set(re.findall(r"`(\w+_PASSWORD)`", text)) <= set(PASSWORDS)
