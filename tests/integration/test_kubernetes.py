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

from base.listed_image import ListedImage
from db.queries.listing import cut_batches, stage_images
from db.queries.runs import add_checkpoint
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
    labels: dict[str, str]

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
        Pod(name, kind, template["spec"], template["metadata"]["labels"])
        for kind in ("Deployment", "StatefulSet", "Job")
        for name, one in of_kind(kind).items()
        for template in [one["spec"]["template"]]
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
    optional |= {"object-store.yaml"}
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
    # A pod's threads follow from its limit; PostgreSQL's folder lies in a volume that root made.
    extra = {"PGDATA"} if pod.name == "postgres" else set()
    assert set(pod.environment) - extra <= set(service.get("environment", {}))
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
def test_pods_keep_to_the_restricted_standard_that_the_namespace_demands(pod: Pod) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and more."""
    labels = of_kind("Namespace")[NAMESPACE]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    assert pod.spec["automountServiceAccountToken"] is False
    assert pod.spec["securityContext"]["runAsNonRoot"] is True
    assert pod.spec["securityContext"]["runAsUser"] > 0
    assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod.container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {next(iter(set(volume) - {"name"})) for volume in pod.spec.get("volumes", [])}
    assert volumes <= {"emptyDir", "persistentVolumeClaim", "secret"}


@pytest.mark.parametrize("name", ["redis", "postgres"])
def test_servers_read_their_password_from_a_file(name: str) -> None:
    (pod,) = (pod for pod in PODS if pod.name == name)
    assert not any("secretKeyRef" in str(variable) for variable in pod.environment.values())
    (secret,) = (volume["secret"] for volume in pod.spec["volumes"] if "secret" in volume)
    (item,) = secret["items"]
    assert item["key"] in of_kind("Secret")[secret["secretName"]]["stringData"]
    assert f"/run/secrets/{item['path']}" in f"{pod.command} {pod.environment}"


class Peer(NamedTuple):
    """Somebody on the network: its labels, and the namespace it is in."""

    labels: dict[str, str]
    namespace: str = NAMESPACE


PEERS = {pod.name: Peer(pod.labels) for pod in PODS} | {
    "keda": Peer({"app": "keda-operator"}, "keda"),
    "prometheus": Peer({"app": "prometheus"}, "monitoring"),
    "dns": Peer({"k8s-app": "kube-dns"}, "kube-system"),
    "stranger": Peer({"app": "redis", "role": "worker"}, "default"),
}
PORTS_TRIED = (53, 443, 5432, 6379, 9400)
WORKERS = ("worker", "worker-gpu", "worker-spot")


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(
        expression["operator"] == "In" and labels.get(expression["key"]) in expression["values"]
        for expression in selector.get("matchExpressions", [])
    )


def names(peer: Peer, rule: Manifest, direction: str) -> bool:
    """Whether a rule of a policy names this peer."""

    def one(term: Manifest) -> bool:
        namespace = {"kubernetes.io/metadata.name": peer.namespace}
        inside = (
            selects(term["namespaceSelector"], namespace)
            if "namespaceSelector" in term
            else peer.namespace == NAMESPACE
        )
        return (
            "ipBlock" not in term and inside and selects(term.get("podSelector", {}), peer.labels)
        )

    return any(one(term) for term in rule["from" if direction == "Ingress" else "to"])


def lets(peer: Peer, other: Peer, port: int, direction: str) -> bool:
    """Whether the policies on `peer` let it speak with `other`; outside there are none."""
    if peer.namespace != NAMESPACE:
        return True
    return any(
        names(other, rule, direction) and port in {each["port"] for each in rule["ports"]}
        for policy in of_kind("NetworkPolicy").values()
        if direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], peer.labels)
        for rule in policy["spec"].get(direction.lower(), [])
    )


def test_policies_let_through_what_is_needed_and_nothing_else() -> None:
    through = {
        (source, target, port)
        for source, one in PEERS.items()
        for target, other in PEERS.items()
        for port in PORTS_TRIED
        if NAMESPACE in (one.namespace, other.namespace) and source != target
        if lets(one, other, port, "Egress") and lets(other, one, port, "Ingress")
    }
    clients = (*WORKERS, "enqueue")
    assert through == (
        {(source, "postgres", 5432) for source in (*clients, "migrate", "keda")}
        | {(source, "redis", 6379) for source in (*clients, "keda")}
        | {("prometheus", worker, 9400) for worker in WORKERS}
        | {(pod.name, "dns", 53) for pod in PODS}
    )


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
    # tests/e2e/test_publish.py finds the messages in the list of this name.
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
    assert len(kinds) == 18
