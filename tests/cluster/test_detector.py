"""The detector's service on the cluster: restricted, replaced without a lost request, and gone afterwards."""

from __future__ import annotations

import json
import os
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from cluster.backend import ROOT, call
from dark_detector import export_dark, surface
from live_service import png

from autonad import __version__

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

IMAGE = os.environ.get("AUTONAD_DETECTOR_IMAGE", "localhost/autonad-detector:1")
MANIFESTS = ROOT / "deploy/detector/kubernetes"
LEVELS = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


@dataclass(frozen=True)
class Place:
    """A namespace that admits restricted pods alone."""

    folder: Path
    name: str

    def kubectl(self, *words: object) -> str:
        return call("kubectl", "--namespace", self.name, *words)

    def apply(self, name: str, text: str) -> str:
        """Apply manifests with the image that the cluster has."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text.replace(f"autonad-detector:{__version__}", IMAGE))
        return self.kubectl("apply", "-f", path)

    @property
    def address(self) -> str:
        template = "jsonpath={.spec.clusterIP}"
        return f"http://{self.kubectl('get', 'service', 'autonad-detector', '-o', template).strip()}"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The namespace, with a token, and a volume of this machine, which is the node."""
    found = Place(tmp_path, f"line-{time.time_ns()}")
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o2775)
    claim = {"namespace": found.name, "name": "autonad-detector-model"}
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "claimRef": claim}
    documents = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": found.name, "labels": LEVELS}},
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": found.name},
            "spec": {**spec, "hostPath": {"path": str(volume)}},
        },
    ]
    (tmp_path / "place.yaml").write_text(yaml.safe_dump_all(documents))
    call("kubectl", "apply", "-f", tmp_path / "place.yaml")
    try:
        token = "--from-literal=token=secret"
        found.kubectl("create", "secret", "generic", "autonad-detector", token)
        yield found
    finally:
        call("kubectl", "delete", "-f", tmp_path / "place.yaml", "--timeout=120s", code=None)


@dataclass
class Client:
    """Asks without a pause until it is told to end."""

    address: str
    content: bytes
    answers: Counter[str] = field(default_factory=Counter)
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> str:
        headers = {"Authorization": "Bearer secret", "Content-Type": "image/png"}
        request = urllib.request.Request(f"{self.address}/detect", self.content, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return str(json.load(answer)["verdict"])
        except OSError as error:
            return str(error)

    def run(self) -> None:
        while not self.ended.is_set():
            self.answers[self.ask()] += 1


def test_a_restricted_detector_is_replaced_without_a_lost_request(place: Place) -> None:
    model = export_dark(place.folder / "model.onnx")
    said = place.apply("detector", call("kubectl", "kustomize", MANIFESTS))
    said += place.apply("filling", (MANIFESTS / "filling.yaml").read_text())
    filling = "autonad-detector-filling"
    place.kubectl("wait", "--for=condition=Ready", f"pod/{filling}", "--timeout=120s")
    place.kubectl("cp", model, f"{filling}:/model/model.onnx")
    place.kubectl("delete", "pod", filling, "--wait=false")
    place.kubectl("rollout", "restart", "deployment/autonad-detector")
    place.kubectl("rollout", "status", "deployment/autonad-detector", "--timeout=180s")
    client = Client(place.address, png(surface((10, 10, 30, 40))))
    thread = threading.Thread(target=client.run, daemon=True)
    thread.start()
    began = time.monotonic()
    place.kubectl("rollout", "restart", "deployment/autonad-detector")
    place.kubectl("rollout", "status", "deployment/autonad-detector", "--timeout=180s")
    seconds = time.monotonic() - began
    time.sleep(10)  # the old one still answers what has begun
    client.ended.set()
    thread.join(60)
    place.kubectl("delete", "-f", place.folder / "detector.yaml", "--timeout=120s")
    place.kubectl("wait", "--for=delete", "pod", "--all", "--timeout=60s")

    assert "would violate PodSecurity" not in said
    assert client.answers.keys() == {"NG"}, client.answers
    assert client.answers["NG"] > 10
    assert seconds < 120
