"""Workflows as Argo describes them in the answers of Kubeflow's API, as small as tests need them."""

from __future__ import annotations

import json
from typing import Any

NAME = "autonad-x7k2p"
HANDLER = f"{NAME}(0).root(0).exit-handler-1"
UNSCHEDULABLE = (
    "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
    "0/1 nodes are available: 1 No preemption victims found for incoming pod."
)


def node(task: str, phase: str = "Succeeded", *, message: str = "", attempt: int = 0, at: int = 0) -> Any:
    """The pod of a task within the exit handler, and what Argo builds around it.

    Args:
        task: The task; "-driver" at its end is the pod that computes the inputs.
        phase: Of the pod.
        message: What Kubernetes says about it.
        attempt: Which one of the task.
        at: When it started, as minute of an hour.
    """
    inside = f"({attempt})" if task.endswith("-driver") else f"(0).executor({attempt})"
    number = sum(ord(letter) * place for place, letter in enumerate(f"{task}{attempt}", start=1))
    found: dict[str, Any] = {
        "id": f"{NAME}-{number}",
        "name": f"{HANDLER}(0).{task}{inside}",
        "displayName": inside[-11:],
        "type": "Pod",
        "templateName": "system-container-impl",
        "phase": phase,
        "startedAt": f"2026-01-02T03:{at:02}:00Z",
    }
    return found | ({"message": message} if message else {})


def pod_name(made: Any) -> str:
    """What Kubernetes calls the pod of a node."""
    return f"{NAME}-{made['templateName']}-{made['id'].rpartition('-')[2]}"


def manifest(*nodes: Any, policy: str | None = "OnError") -> str:
    """A workflow as JSON: the pods, and the groups of pods that are no pods themselves."""
    groups = [
        {"id": NAME, "name": NAME, "displayName": NAME, "type": "Retry", "phase": "Running"},
        {
            "id": f"{NAME}-1",
            "name": HANDLER,
            "displayName": "exit-handler-1",
            "type": "DAG",
            "phase": "Failed",
        },
    ]
    spec: dict[str, Any] = {"entrypoint": "entrypoint"}
    if policy is not None:
        spec["templateDefaults"] = {"retryStrategy": {"limit": "2", "retryPolicy": policy}}
    status = {"phase": "Running", "nodes": {one["id"]: one for one in (*groups, *nodes)}}
    return json.dumps({"metadata": {"name": NAME}, "spec": spec, "status": status})
