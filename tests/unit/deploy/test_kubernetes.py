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
BUILT_IN = {
    "ConfigMap",
    "Deployment",
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


def base() -> list[dict[str, Any]]:
    listed = yaml.safe_load((FOLDER / "base" / "kustomization.yaml").read_text())["resources"]
    texts = [(FOLDER / "base" / name).read_text() for name in listed]
    return [document for text in texts for document in yaml.safe_load_all(text)]


def secrets() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / "secrets.template.yaml").read_text()))


def pods(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        one["spec"]["template"]["spec"] for one in documents if one["kind"] in {"Deployment", "StatefulSet"}
    ]


def validate(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, VERSION, strict=True)


def test_everything_is_what_kubernetes_takes() -> None:
    documents = [*base(), *secrets()]

    assert {one["kind"] for one in documents} == BUILT_IN
    for document in documents:
        validate(document)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_are_what_kubernetes_takes(overlay: str) -> None:
    documents = rendered(overlay)

    assert len(documents) == len(base())
    for document in documents:
        validate(document)
        assert document["metadata"]["namespace"]


def test_a_mistake_is_found() -> None:
    (volume,) = (one for one in base() if one["kind"] == "PersistentVolumeClaim")
    volume["spec"]["accesModes"] = volume["spec"].pop("accessModes")

    with pytest.raises(kubernetes_validate.ValidationError):
        validate(volume)


def test_nothing_runs_with_privileges_or_without_limits() -> None:
    for pod in pods(base()):
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"].keys() == {"requests", "limits"}


def test_openshift_chooses_the_user() -> None:
    for pod in pods(rendered("openshift")):
        assert "runAsUser" not in pod["securityContext"]


def test_the_secret_has_the_keys_that_tasks_and_servers_read_and_no_values() -> None:
    from pipelines.cluster import SECRET_KEYS

    known = {one["metadata"]["name"]: one["stringData"] for one in secrets()}
    assert known["autonad"].keys() == set(SECRET_KEYS)
    hidden = re.compile("KEY|PASSWORD|USERNAME")
    assert not [
        name for keys in known.values() for name, value in keys.items() if hidden.search(name) and value
    ]
    for pod in pods(base()):
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {}).get("secretKeyRef")
                assert source is None or source["key"] in known[source["name"]]
    launcher = next(one for one in base() if one["kind"] == "ConfigMap")
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
    documents = base()
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
        c["image"] for pod in pods(base()) for c in (*pod["containers"], *pod.get("initContainers", []))
    }

    assert f"autonad-mlflow:{__version__}" in images
    assert all(":" in image and not image.endswith(":latest") for image in images)
