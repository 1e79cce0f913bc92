"""The manifests of the detector's service: what Kubernetes takes, unprivileged, and options that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from autonad import __version__
from autonad.cli.entry import app
from autonad.service.limits import Limits

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "detector"
VERSION = "1.30"


def documents(folder: str) -> list[dict[str, Any]]:
    found = []
    for path in sorted((FOLDER / folder).glob("*.yaml")):
        found += [one for one in yaml.safe_load_all(path.read_text()) if one["kind"] != "Kustomization"]
    return found


def compose() -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["detector"]
    return service


def deployment() -> dict[str, Any]:
    (one,) = (one for one in documents("kubernetes") if one["kind"] == "Deployment")
    pod: dict[str, Any] = one["spec"]["template"]["spec"]
    return pod


def predictor() -> dict[str, Any]:
    (one,) = documents("kserve")
    assert one["apiVersion"] == "serving.kserve.io/v1beta1"
    pod: dict[str, Any] = one["spec"]["predictor"]
    return pod


def filling() -> dict[str, Any]:
    (one,) = (one for one in documents("kubernetes") if one["kind"] == "Pod")
    pod: dict[str, Any] = one["spec"]
    return pod


PODS = {"deployment": deployment, "predictor": predictor}
WRITABLE = {"deployment": "/tmp", "predictor": "/tmp", "filling": "/model"}


def test_everything_is_what_kubernetes_takes() -> None:
    for document in documents("kubernetes"):
        kubernetes_validate.validate(document, VERSION, strict=True)


def test_kserves_predictor_is_a_pod_that_kubernetes_takes() -> None:
    own = {"minReplicas", "timeout"}
    pod = {key: value for key, value in predictor().items() if key not in own}
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod}

    kubernetes_validate.validate(document, VERSION, strict=True)


@pytest.mark.parametrize("pod", WRITABLE)
def test_nothing_runs_with_privileges_or_without_limits(pod: str) -> None:
    found = {**PODS, "filling": filling}[pod]()

    assert found["automountServiceAccountToken"] is False
    assert found["securityContext"]["runAsNonRoot"] is True
    assert found["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = found["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"].keys() == {"requests", "limits"}
    paths = {mount["mountPath"]: mount.get("readOnly", False) for mount in container["volumeMounts"]}
    assert [path for path, only in paths.items() if not only] == [WRITABLE[pod]]


@pytest.mark.parametrize("pod", PODS)
def test_probes_ask_what_is_answered_without_a_token(pod: str) -> None:
    (container,) = PODS[pod]()["containers"]

    asked = {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}
    assert asked == {"startupProbe": "/ready", "readinessProbe": "/ready", "livenessProbe": "/health"}
    (token,) = (one for one in container["env"] if one["name"] == "AUTONAD_TOKEN")
    assert token["valueFrom"]["secretKeyRef"]["name"] == "autonad-detector"


def test_what_has_begun_is_answered_before_the_end() -> None:
    longest = Limits().seconds + Limits().body_seconds
    pod = deployment()
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert pod["terminationGracePeriodSeconds"] >= longest + pause
    assert int(compose()["stop_grace_period"].removesuffix("s")) >= longest


def test_a_new_detector_starts_where_the_volume_is() -> None:
    (document,) = (one for one in documents("kubernetes") if one["kind"] == "Deployment")
    (rule,) = document["spec"]["template"]["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    (claim,) = (one for one in documents("kubernetes") if one["kind"] == "PersistentVolumeClaim")

    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert document["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert (
        rule["labelSelector"]["matchLabels"].items()
        <= document["spec"]["template"]["metadata"]["labels"].items()
    )


def test_compose_runs_it_read_only_as_any_user() -> None:
    service = compose()

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["user"].split(":")[0] != "0"
    assert all(volume.endswith(":ro") for volume in service["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_images_are_this_version() -> None:
    texts = [path.read_text() for path in FOLDER.rglob("*.yaml")]
    tags = [tag for text in texts for tag in re.findall(r"(?:autonad-detector:|newTag: )([\w.]+)", text)]

    assert len(tags) == 4
    assert set(tags) == {__version__}


def options() -> set[str]:
    verbs: Any = typer.main.get_command(app)
    return {name for parameter in verbs.commands["serve"].params for name in parameter.opts}


def test_commands_are_what_the_verb_takes() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    (image,) = re.findall(r'CMD (\["serve".*\])', dockerfile)
    commands = [yaml.safe_load(image), *(PODS[pod]()["containers"][0]["args"] for pod in PODS)]

    for verb, *rest in commands:
        assert verb == "serve"
        assert {one for one in rest if one.startswith("--")} == {"--model", "--host", "--port"} <= options()
    assert "EXPOSE 8080" in dockerfile
    assert "/ready" in dockerfile
