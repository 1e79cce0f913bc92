"""What Kubeflow's server answers, damaged on its way, and the pipelines that it is given."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import kfp_server_api

from autonad.kubeflow.access import Access, _reason
from autonad.kubeflow.client import Kubeflow, _info
from autonad.kubeflow.package import Package

from .artefact import Artefact

_POD = {
    "type": "Pod",
    "name": "w.train",
    "id": "w-1",
    "templateName": "t",
    "phase": "Failed",
    "message": "Pod: no",
}


class Answering(Kubeflow):
    """A server that is not asked: it has answered."""

    def __init__(self, answer: bytes) -> None:
        self._access, self._answer = Access(host="http://kubeflow"), answer.decode(errors="replace")
        self._client: Any = None

    def _ask(self, path: str) -> str:
        return "error: \x1b[31m" + self._answer if path.startswith("/k8s") else self._answer


def build(root: Path) -> dict[str, Artefact]:
    """A pipeline, and answers of each kind, in a folder."""
    Package.load("retrain").save(root / "pipeline.yaml")
    workflow = {"metadata": {"name": "w"}, "spec": {}, "status": {"nodes": {"a": _POD, "b": _POD}}}
    told = {"pipeline_runtime": {"workflow_manifest": json.dumps(workflow)}}
    (root / "workflow.json").write_text(json.dumps(workflow))
    (root / "told.json").write_text(json.dumps(told))
    (root / "health.json").write_text(json.dumps({"tag_name": "2.17.0", "multi_user": False}))
    run = {"run_id": "r", "display_name": "n", "state": "FAILED", "created_at": "2026-01-02T03:04:05Z"}
    run |= {"error": {"code": 3, "message": "m"}, "state_history": [{"state": "FAILED"}]}
    (root / "runs.json").write_text(json.dumps({"runs": [run, run], "total_size": 2}))
    (root / "refusal.json").write_text(json.dumps({"error_message": "no", "code": 3}))

    def package(folder: Path) -> object:
        found = Package.load(str(folder / "pipeline.yaml"))
        names = (found.name, found.summary, found.defaults, found.arguments({}))
        return names, found.with_image("other").with_retries(1).with_run_name("n").save(folder / "saved.yaml")

    def workflows(folder: Path) -> None:
        inner = (folder / "workflow.json").read_bytes().decode(errors="replace")
        wrapped = json.dumps({"pipeline_runtime": {"workflow_manifest": inner}}).encode()
        for answer in (wrapped, (folder / "told.json").read_bytes()):
            server = Answering(answer)
            lines = (server.workflow("r").now, server.reason("r"))
            assert all(one.isprintable() and len(one) <= 1000 for one in lines)

    def health(folder: Path) -> None:
        Answering((folder / "health.json").read_bytes())._check_version()

    def runs(folder: Path) -> None:
        response = SimpleNamespace(data=(folder / "runs.json").read_bytes().decode(errors="replace"))
        with Access(host="http://kubeflow").explained():
            answer = kfp_server_api.ApiClient().deserialize(response, "V2beta1ListRunsResponse")
            for one in map(_info, answer.runs or ()):
                assert all(str(value).isprintable() for value in vars(one).values())

    def refusal(folder: Path) -> None:
        error = SimpleNamespace(body=(folder / "refusal.json").read_bytes(), reason="x\n")
        assert _reason(error).isprintable()

    return {
        "pipeline": Artefact("pipeline.yaml", "yaml", package),
        "workflow": Artefact("workflow.json", "json", workflows),
        "workflow-answer": Artefact("told.json", "json", workflows),
        "version-answer": Artefact("health.json", "json", health),
        "runs-answer": Artefact("runs.json", "json", runs),
        "refusal-answer": Artefact("refusal.json", "json", refusal),
    }
