"""How-tos whose commands need an engine or a cluster: what they name is in the files."""

import re
from importlib.metadata import metadata
from importlib.util import find_spec
from typing import Any

import pytest
import yaml
from commands import parse
from compose import env_file, services
from container_tools import run
from howto import NOT_RUN, blocks, prose
from processes import PROJECT
from stack import PASSWORDS

COMPOSED = services("docker-compose.yml", PASSWORDS)
MANIFESTS: list[dict[str, Any]] = [
    document
    for path in (PROJECT / "deploy" / "kubernetes").glob("*.yaml")
    if path.name != "kustomization.yaml"
    for document in yaml.safe_load_all(path.read_text())
]


def commands(page: str) -> list[list[str]]:
    """Those of the page's blocks that are not run."""
    return [
        words
        for block in blocks(page)
        if (page, block.number) in NOT_RUN
        for words in block.commands
    ]


def test_the_pages_are_all_looked_at() -> None:
    assert {page for page, _ in NOT_RUN} == {"compose.md", "kubernetes.md", "object-store.md"}


@pytest.mark.parametrize("words", commands("compose.md"), ids=" ".join)
def test_compose_commands_name_services_and_options_not_run(words: list[str]) -> None:
    assert words[:2] == ["docker", "compose"]
    verb, *rest = words[2:]
    if verb == "run":
        assert rest[0] == "--rm"
        _, service, *arguments = rest
        assert COMPOSED[service]["profiles"] == ["commands"]
        parse([*COMPOSED[service]["entrypoint"], *arguments])
        rest = ["--rm"]
    elif "--scale" in rest:
        name, _, count = rest.pop().partition("=")
        assert name in COMPOSED
        assert int(count) > 1
    elif verb == "logs":
        assert rest.pop() in COMPOSED
    shown = run("docker-compose", verb, "--help")
    assert shown.returncode == 0
    assert set(rest) <= set(re.findall(r"--[\w-]+", shown.stdout))


def test_compose_page_names_variables_ports_and_logins_that_are_there() -> None:
    text = prose("compose.md")
    variables = set(re.findall(r"`([A-Z]+(?:_[A-Z]+)*)`", text))
    assert {"THREADS", "RUN_AS"} <= variables <= set(env_file(PROJECT / ".env.example"))
    published = {name: one["ports"] for name, one in COMPOSED.items() if "ports" in one}
    for port in re.findall(r"http://(127\.0\.0\.1:\d+)", text):
        assert any(each.startswith(f"{port}:") for ports in published.values() for each in ports)
    without = run("docker-compose", "--env-file", "/dev/null", "config", variables={})
    (said,) = re.findall(r"- `(.+?)`: there is no `\.env`", text)
    assert said in without.stderr


def named(kind: str) -> dict[str, dict[str, Any]]:
    found = (one for one in MANIFESTS if one["kind"].lower() == kind.lower())
    return {one["metadata"].get("name", ""): one for one in found}


def labels() -> list[dict[str, str]]:
    """Of the pods of every workload."""
    templates = [one["spec"]["template"] for one in MANIFESTS if "template" in one.get("spec", {})]
    return [template["metadata"]["labels"] for template in templates]


@pytest.mark.parametrize("words", commands("kubernetes.md"), ids=" ".join)
def test_kubectl_commands_name_what_the_manifests_hold_not_run(words: list[str]) -> None:
    if words[0] == "cp":
        source, target = words[1:]
        assert (PROJECT / source).is_file()
        assert ["kubectl", "apply", "--filename", target] in commands("kubernetes.md")
        return
    assert words[0] == "kubectl"
    if words[1] in ("apply", "create"):
        verb, option, name = words[1:]
        path = PROJECT / name
        if option == "--kustomize":
            assert (path / "kustomization.yaml").is_file()
        elif name != "my-secret.yaml":
            assert option == "--filename"
            # A name that the cluster makes up can only be created.
            made_up = "generateName:" in path.read_text()
            assert made_up == (verb == "create")
        return
    assert words[1] == "--namespace"
    assert words[2] in named("Namespace")
    verb, *rest = words[3:]
    if "--selector" in rest:
        key, _, value = rest[-1].partition("=")
        assert any(each.get(key) == value for each in labels())
    elif verb == "get":
        kind, name = rest
        assert name in named(kind)
    else:
        workload, dashes, *inner = rest
        assert (verb, dashes) == ("exec", "--")
        kind, name = workload.split("/")
        assert name in named(kind)
        parse(inner)


def test_kubernetes_page_names_values_of_the_manifests() -> None:
    text = " ".join(prose("kubernetes.md").split())
    (scaled,) = named("ScaledObject").values()
    spec = scaled["spec"]
    assert spec["scaleTargetRef"]["name"] == "worker"
    assert f"{spec['cooldownPeriod'] // 60} minutes" == "5 minutes"
    assert "five minutes after the last batch" in text
    (shown,) = [block.text for block in blocks("kubernetes.md") if "keda.yaml" in block.text]
    assert f"{spec['minReplicaCount']} to {spec['maxReplicaCount']} workers" in shown
    for name in re.findall(r"`([\w.]+\.yaml)`", text):
        assert (PROJECT / "deploy" / "kubernetes" / name).is_file(), name
    assert {"data", "checkpoints"} <= set(named("PersistentVolumeClaim"))
    assert "replicas" in named("Deployment")["worker"]["spec"]
    assert "migrate" in named("Job")
    container = named("Deployment")["worker"]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"]["requests"]["cpu"] == "4"
    policies = [one for one in MANIFESTS if one["kind"] == "NetworkPolicy"]
    assert "{'kubernetes.io/metadata.name': 'keda'}" in str(policies)


def test_pip_names_an_extra_that_is_declared_not_run() -> None:
    (words,) = commands("object-store.md")
    assert words == ["pip", "install", "dermscore[s3]"]
    extras = metadata("dermscore").get_all("Provides-Extra") or []
    assert {"s3", "gcs", "azure"} <= set(extras)
    assert find_spec("s3fs") is not None
