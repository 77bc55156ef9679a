"""The manifests of deploy/kubernetes against docker-compose.yml, the commands and the ledger.

No cluster runs here: docs/deployment.md says what was and was not tried.
"""

import shutil
import subprocess
from functools import cache
from importlib.metadata import entry_points
from typing import Any, NamedTuple

import pytest
import yaml
from compose import services
from processes import PROJECT
from sqlalchemy import text, update
from stack import PASSWORDS

from db.listing import ListedImage, cut_batches, stage_images
from db.runs import add_checkpoint
from db.session import Database
from db.tables import Batch, Run
from worker.celery import app

FOLDER = PROJECT / "deploy" / "kubernetes"
NAMESPACE = "dermscore"
Manifest = dict[str, Any]


@cache
def manifests() -> list[tuple[str, Manifest]]:
    """(file, manifest) of all files."""
    return [
        (path.name, document)
        for path in sorted(FOLDER.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if path.name != "kustomization.yaml"
    ]


def of_kind(kind: str) -> dict[str, Manifest]:
    """Manifests of a kind by name."""
    return {
        one["metadata"].get("name") or one["metadata"]["generateName"].rstrip("-"): one
        for _, one in manifests()
        if one["kind"] == kind
    }


class Pod(NamedTuple):
    """What runs one container: a Deployment, StatefulSet or Job."""

    name: str
    kind: str
    spec: Manifest

    @property
    def container(self) -> Manifest:
        (container,) = self.spec["containers"]
        found: Manifest = container
        return found

    @property
    def command(self) -> list[str]:
        return [*self.container.get("command", []), *self.container.get("args", [])]

    @property
    def environment(self) -> dict[str, Manifest]:
        return {variable["name"]: variable for variable in self.container.get("env", [])}


def pods() -> list[Pod]:
    return [
        Pod(name, kind, one["spec"]["template"]["spec"])
        for kind in ("Deployment", "StatefulSet", "Job")
        for name, one in of_kind(kind).items()
    ]


PODS = pods()
COMPOSED = services("docker-compose.yml", PASSWORDS)
# Which service of docker-compose.yml each is.
SAME_AS = {
    "redis": "redis",
    "postgres": "postgres",
    "migrate": "migrate",
    "worker": "worker",
    "worker-gpu": "worker",
    "worker-spot": "worker",
    "enqueue": "producer",
}
OURS = [pod for pod in PODS if pod.name not in ("redis", "postgres")]


def test_every_manifest_is_of_the_namespace_and_listed_or_optional() -> None:
    listed = set(yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"])
    files = {file for file, _ in manifests()}
    optional = {"enqueue.yaml", "keda.yaml", "podmonitor.yaml", "secret.example.yaml"}
    assert files == listed | optional | {"worker-gpu.yaml", "worker-spot.yaml"}
    for file, one in manifests():
        own = one["metadata"]["name" if one["kind"] == "Namespace" else "namespace"]
        assert own == NAMESPACE, file


def test_there_is_a_pod_for_every_service_that_does_the_work() -> None:
    assert {pod.name for pod in PODS} == set(SAME_AS)


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
def test_images_and_variables_are_those_of_compose(pod: Pod) -> None:
    service = COMPOSED[SAME_AS[pod.name]]
    image = "dermscore:gpu" if pod.name == "worker-gpu" else service["image"]
    assert pod.container["image"] == image
    # A pod's threads follow from its limit, and `redis-server` gets its password from a variable.
    extra = {"REDIS_PASSWORD"} if pod.name == "redis" else set()
    assert set(pod.environment) - extra <= set(service["environment"])
    for name in ("DATABASE_URL", "BROKER_URL"):
        if pod.name != "migrate" and pod in OURS:
            assert name in pod.environment


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
def test_values_come_from_a_key_that_is_there(pod: Pod) -> None:
    keys = {("secretKeyRef", "servers"): of_kind("Secret")["servers"]["stringData"]}
    keys["configMapKeyRef", "settings"] = of_kind("ConfigMap")["settings"]["data"]
    for variable in pod.environment.values():
        for kind, reference in variable.get("valueFrom", {}).items():
            assert reference["key"] in keys[kind, reference["name"]]


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
def test_commands_are_those_of_compose(pod: Pod) -> None:
    service = COMPOSED[SAME_AS[pod.name]]
    composed = [*service.get("entrypoint", []), *service["command"]]
    if pod.name == "enqueue":
        assert pod.command[:2] == ["producer", "enqueue"]
        assert pod.command[-1] == "--wait"
    elif pod.name == "worker-spot":
        assert pod.command == [*worker_command(composed), "--drain"]
    elif pod.name.startswith("worker"):
        assert pod.command == worker_command(composed)
    elif pod.name == "redis":
        password = PASSWORDS["REDIS_PASSWORD"]
        assert pod.command == [
            "$(REDIS_PASSWORD)" if word == password else word for word in composed
        ]
    else:
        assert pod.command == composed


def worker_command(composed: list[str]) -> list[str]:
    """Without events, which only Flower listens to."""
    assert composed[-1] == "--task-events"
    return composed[:-1]


@pytest.mark.parametrize("pod", OURS, ids=lambda pod: pod.name)
def test_commands_are_in_the_image(pod: Pod) -> None:
    scripts = {script.name for script in entry_points(group="console_scripts")}
    assert pod.command[0] in scripts | {"python"}
    if "--drain" in pod.command:
        assert any("--drain" in option.opts for option in app.user_options["worker"])


@pytest.mark.parametrize("pod", OURS, ids=lambda pod: pod.name)
def test_pods_run_as_the_images_user_and_write_only_where_they_must(pod: Pod) -> None:
    user = str(pod.spec["securityContext"]["runAsUser"])
    assert f"useradd --uid {user} " in (PROJECT / "Dockerfile").read_text()
    assert pod.container["securityContext"]["readOnlyRootFilesystem"]
    assert pod.spec["enableServiceLinks"] is False
    mounts = {mount["name"]: mount["mountPath"] for mount in pod.container["volumeMounts"]}
    assert set(mounts) == {volume["name"] for volume in pod.spec["volumes"]}
    composed = {volume.split(":")[1] for volume in COMPOSED["worker"]["volumes"]}
    assert set(mounts.values()) <= composed | {"/tmp"}


@pytest.mark.parametrize("pod", PODS, ids=lambda pod: pod.name)
def test_claims_are_there(pod: Pod) -> None:
    claims = of_kind("PersistentVolumeClaim")
    for volume in pod.spec.get("volumes", []):
        if "persistentVolumeClaim" in volume:
            assert volume["persistentVolumeClaim"]["claimName"] in claims


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_selectors_find_their_pods(kind: str) -> None:
    for one in of_kind(kind).values():
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_a_worker_has_time_to_finish_what_it_began() -> None:
    for name in ("worker", "worker-gpu"):
        seconds = of_kind("Deployment")[name]["spec"]["template"]["spec"][
            "terminationGracePeriodSeconds"
        ]
        assert seconds > app.conf.worker_soft_shutdown_timeout


def test_metrics_are_served_where_they_are_looked_for() -> None:
    port = of_kind("ConfigMap")["settings"]["data"]["METRICS_PORT"]
    (endpoint,) = of_kind("PodMonitor")["workers"]["spec"]["podMetricsEndpoints"]
    selected = of_kind("PodMonitor")["workers"]["spec"]["selector"]["matchLabels"]
    deployed, jobs = of_kind("Deployment"), of_kind("Job")
    for one in (deployed["worker"], deployed["worker-gpu"], jobs["worker-spot"]):
        template = one["spec"]["template"]
        (served,) = template["spec"]["containers"][0]["ports"]
        assert served == {"name": endpoint["port"], "containerPort": int(port)}
        assert selected.items() <= template["metadata"]["labels"].items()


def test_the_gpu_variant_asks_for_one_gpu_on_a_node_that_has_one() -> None:
    spec = of_kind("Deployment")["worker-gpu"]["spec"]["template"]["spec"]
    assert spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert spec["nodeSelector"]


def test_keda_looks_at_the_list_that_celery_fills() -> None:
    scaled = of_kind("ScaledObject")["workers"]["spec"]
    assert scaled["scaleTargetRef"]["name"] in of_kind("Deployment")
    queue = scaled["triggers"][0]["metadata"]
    # tests/test_publish.py finds the messages in the list of this name.
    assert queue["listName"] == app.conf.task_default_queue
    secret = of_kind("Secret")["servers"]["stringData"]
    assert secret["BROKER_URL"].endswith(f"/{queue['databaseIndex']}")
    for trigger in scaled["triggers"]:
        (target,) = of_kind("TriggerAuthentication")[trigger["authenticationRef"]["name"]]["spec"][
            "secretTargetRef"
        ]
        assert target["key"] in secret


def test_keda_wants_one_worker_while_a_batch_is_owed_and_none_otherwise(
    database: Database,
) -> None:
    query = of_kind("ScaledObject")["workers"]["spec"]["triggers"][1]["metadata"]["query"]

    def asked() -> int:
        with database.read() as session:
            found: int = session.scalar(text(query))
            return found

    assert asked() == 0
    with database.write() as session:
        checkpoint = add_checkpoint(session, "a" * 64, "model.keras", {})
        run = Run(source="images", checkpoint_id=checkpoint.id, precision="float32", batch_size=1)
        session.add(run)
        session.flush()
        stage_images(session, run, [ListedImage(name, None, None) for name in ("1", "2", "3")])
        cut_batches(session, run.id)
    assert asked() == 1
    with database.write() as session:
        session.execute(update(Batch).values(finished_at=1.0))
    assert asked() == 0


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl on the PATH")
def test_kubectl_puts_the_listed_manifests_together() -> None:
    built = subprocess.run(
        ["kubectl", "kustomize", str(FOLDER)], check=True, capture_output=True, text=True
    )
    kinds = [one["kind"] for one in yaml.safe_load_all(built.stdout)]
    assert kinds[0] == "Namespace"
    assert len(kinds) == 11
