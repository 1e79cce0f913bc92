"""The manifests in deploy/kubernetes: valid, complete, without privileges, and what the pipelines expect."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from autonad import __version__

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = sorted(path.parent.name for path in (FOLDER / "overlays").glob("*/kustomization.yaml"))
VERSION = "1.30"
CHECKSUMS = {"AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"}
BUILT_IN = {
    "ConfigMap",
    "Deployment",
    "Job",
    "NetworkPolicy",
    "PersistentVolumeClaim",
    "Role",
    "RoleBinding",
    "Secret",
    "Service",
    "ServiceAccount",
    "StatefulSet",
}


@functools.cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would send."""
    kubectl = shutil.which("kubectl") or shutil.which("kustomize")
    if kubectl is None:
        pytest.skip("neither kubectl nor kustomize is here")
    verb = ["kustomize"] if kubectl.endswith("kubectl") else ["build"]
    done = subprocess.run(
        [kubectl, *verb, str(FOLDER / "overlays" / overlay)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def listed(folder: str) -> list[dict[str, Any]]:
    """What a kustomization brings itself, before any patch."""
    names = yaml.safe_load((FOLDER / folder / "kustomization.yaml").read_text()).get("resources", [])
    texts = [(FOLDER / folder / name).read_text() for name in names if name.endswith(".yaml")]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def base() -> list[dict[str, Any]]:
    return listed("base")


def everything() -> list[dict[str, Any]]:
    """Each manifest in the folder, in whichever kustomization it is."""
    folders = (path.parent.relative_to(FOLDER) for path in FOLDER.rglob("kustomization.yaml"))
    return [one for folder in folders for one in listed(str(folder))]


def secrets() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "secrets.template.yaml").read_text()))


def pods(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        one["spec"]["template"]["spec"]
        for one in documents
        if one["kind"] in {"Deployment", "StatefulSet", "Job"}
    ]


def validate(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_everything_is_what_kubernetes_takes() -> None:
    documents = [*everything(), *secrets()]

    assert {one["kind"] for one in documents} == BUILT_IN
    for document in documents:
        validate(document)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_are_what_kubernetes_takes(overlay: str) -> None:
    documents = rendered(overlay)

    assert len(documents) == len(base()) + (
        0 if overlay == "single-user" else len(listed("overlays/multi-user"))
    )
    for document in documents:
        validate(document)
        assert document["metadata"]["namespace"]


def test_a_single_user_installation_leaves_what_is_kubeflows_own() -> None:
    """In the namespace `kubeflow` a ConfigMap kfp-launcher would replace everybody's."""
    kinds = {one["kind"] for one in base()}

    assert not kinds & {"ConfigMap", "ServiceAccount", "Role", "RoleBinding"}
    single = yaml.safe_load((FOLDER / "overlays/single-user/kustomization.yaml").read_text())
    assert single["namespace"] == "kubeflow"
    assert single["resources"] == ["../../base"]


def test_policies_close_in_nothing_but_what_is_brought() -> None:
    for one in everything():
        if one["kind"] == "NetworkPolicy":
            assert one["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"].startswith("mlflow")


def test_a_mistake_is_found() -> None:
    (volume,) = (one for one in base() if one["kind"] == "PersistentVolumeClaim")
    volume["spec"]["accesModes"] = volume["spec"].pop("accessModes")

    with pytest.raises(kubernetes_validate.ValidationError):
        validate(volume)


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod["containers"], *pod.get("initContainers", [])]


def closed(pod: dict[str, Any]) -> None:
    """What no pod of this project does, the one that hands over a volume included."""
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC"}
    assert all("hostPath" not in volume for volume in pod.get("volumes", []))
    for container in containers(pod):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert not container["securityContext"].get("privileged")
        assert container["resources"].keys() == {"requests", "limits"}
        said = [*container.get("command", []), *container.get("args", [])]
        assert not [word for word in said if re.search("(?i)password|secret", word)]
        values = [one for one in container.get("env", []) if "value" in one]
        assert not [one["name"] for one in values if re.search("PASSWORD|SECRET|ACCESS_KEY", one["name"])]


def test_every_pod_is_closed_in() -> None:
    for pod in pods(everything()):
        closed(pod)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_runs_with_privileges_or_without_limits(overlay: str) -> None:
    for pod in pods(rendered(overlay)):
        closed(pod)
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in containers(pod):
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "readinessProbe" in container


def test_mlflow_has_users_unless_a_part_leaves_them_out() -> None:
    (container,) = mlflow()["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["serve"]
    assert "args" not in container
    part = yaml.safe_load((FOLDER / "components/without-users/kustomization.yaml").read_text())
    (patch,) = part["patches"]
    (changed,) = yaml.safe_load(patch["patch"])["spec"]["template"]["spec"]["containers"]
    assert changed == {"name": container["name"], "args": ["--without-users"]}


def test_every_pod_that_is_brought_has_its_traffic_limited_both_ways() -> None:
    policies = [one["spec"] for one in everything() if one["kind"] == "NetworkPolicy"]
    for one in base():
        if one["kind"] in {"Deployment", "StatefulSet"}:
            labels = one["spec"]["template"]["metadata"]["labels"]
            found = [p for p in policies if p["podSelector"]["matchLabels"].items() <= labels.items()]
            assert {kind for policy in found for kind in policy["policyTypes"]} == {"Ingress", "Egress"}


def mlflow() -> dict[str, Any]:
    (deployment,) = (one for one in base() if one["kind"] == "Deployment")
    return deployment


def test_mlflow_writes_to_nothing_but_its_scratch_volume() -> None:
    pod = mlflow()["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp"]
    assert pod["volumes"] == [{"name": "scratch", "emptyDir": {}}]


def test_a_slow_start_of_mlflow_is_waited_for_and_no_two_upgrade_the_tables_at_once() -> None:
    (container,) = mlflow()["spec"]["template"]["spec"]["containers"]
    probe = container["startupProbe"]

    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600
    assert container["livenessProbe"]["failureThreshold"] * container["livenessProbe"]["periodSeconds"] >= 60
    assert mlflow()["spec"]["strategy"] == {"type": "Recreate"}


def test_services_put_no_address_where_mlflow_reads_its_port() -> None:
    """For a service of that name Kubernetes sets MLFLOW_PORT=tcp://…, which the server would listen on."""
    assert mlflow()["spec"]["template"]["spec"]["enableServiceLinks"] is False


def test_the_volume_is_given_to_the_user_of_the_tasks() -> None:
    (job,) = listed("components/owned-checkpoints")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    user = re.search(r"^USER (\S+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)

    assert user is not None
    assert f"chown -R {user[1]} /checkpoints" in container["args"][0]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    claims = {one["metadata"]["name"] for one in base() if one["kind"] == "PersistentVolumeClaim"}
    assert {
        volume["persistentVolumeClaim"]["claimName"] for volume in job["spec"]["template"]["spec"]["volumes"]
    } == claims


def test_openshift_chooses_the_user() -> None:
    for pod in pods(rendered("openshift")):
        assert "runAsUser" not in pod["securityContext"]


def test_the_secret_has_the_keys_that_tasks_and_servers_read_and_no_values() -> None:
    from pipelines.cluster import ADDRESS, SECRET_KEYS

    known = {one["metadata"]["name"]: one["stringData"] for one in secrets()}
    assert known["autonad"].keys() == {*SECRET_KEYS, ADDRESS}
    users = {"MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY"}
    assert known["mlflow-server"].keys() >= CHECKSUMS | users | {"POSTGRES_PASSWORD"}
    assert not known["autonad"].keys() & (users | {"POSTGRES_PASSWORD"})
    assert not [name for name in known["autonad"] if "POSTGRES" in name]
    hidden = re.compile("KEY|PASSWORD|USERNAME")
    assert not [
        name for keys in known.values() for name, value in keys.items() if hidden.search(name) and value
    ]
    for pod in pods(base()):
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {}).get("secretKeyRef")
                assert source is None or source["key"] in known[source["name"]]
            assert all(one["secretRef"]["name"] == "mlflow-server" for one in container.get("envFrom", []))
    launcher = next(one for one in listed("overlays/multi-user") if one["kind"] == "ConfigMap")
    providers = yaml.safe_load(launcher["data"]["providers"])
    named = providers["s3"]["default"]["credentials"]["secretRef"]
    assert {named["accessKeyKey"], named["secretKeyKey"]} <= known[named["secretName"]].keys()


def test_names_are_those_of_the_pipelines_defaults() -> None:
    from autonad.kubeflow.package import Package

    defaults = Package.load("autonad").defaults
    services = {
        one["metadata"]["name"]: one["spec"]["ports"][0]["port"] for one in base() if one["kind"] == "Service"
    }
    host, port = defaults["mlflow_uri"].removeprefix("http://").split(":")
    assert services[host] == int(port)
    assert defaults["secret"] in {one["metadata"]["name"] for one in secrets()}


def test_services_and_policies_select_pods_that_exist() -> None:
    documents = everything()
    labels = [
        one["spec"]["template"]["metadata"]["labels"]
        for one in documents
        if one["kind"] in {"Deployment", "StatefulSet"}
    ]
    for one in documents:
        if one["kind"] in {"Service", "NetworkPolicy"}:
            selector = one["spec"].get("selector") or one["spec"]["podSelector"]["matchLabels"]
            assert any(selector.items() <= known.items() for known in labels), one["metadata"]["name"]


def test_images_have_a_fixed_version() -> None:
    images = {
        c["image"] for pod in pods(everything()) for c in (*pod["containers"], *pod.get("initContainers", []))
    }

    assert f"autonad-mlflow:{__version__}" in images
    assert all(":" in image and not image.endswith(":latest") for image in images)
