"""What is read from a run's workflow: what runs, what waits and why, what failed."""

from __future__ import annotations

import base64
import gzip
import json

import pytest
from workflows import NAME, UNSCHEDULABLE, manifest, node, pod_name

from autonad.kubeflow import workflow
from autonad.kubeflow.workflow import Workflow, last_error, short


def test_pods_are_attempts_of_tasks_in_the_order_of_their_start() -> None:
    made = [
        node("retrain", "Running", attempt=1, at=9),
        node("retrain", "Error", attempt=0, at=5),
        node("prepare-driver", at=1),
        node("prepare", at=2),
    ]
    found = Workflow.of(manifest(*made))

    assert [(pod.task, pod.phase) for pod in found.pods] == [
        ("prepare", "Succeeded"),
        ("prepare", "Succeeded"),
        ("retrain", "Error"),
        ("retrain", "Running"),
    ]
    assert [pod.name for pod in found.pods] == [pod_name(made[one]) for one in (2, 3, 1, 0)]
    assert found.retry_policy == "OnError"


def test_a_controller_without_a_default_retry_names_pods_otherwise() -> None:
    plain = node("retrain", "Failed")
    plain["name"] = f"{NAME}.root.exit-handler-1.condition-2.retrain.executor"
    found = Workflow.of(manifest(plain, policy=None))

    assert found.retry_policy is None
    assert [pod.task for pod in found.failed] == ["retrain"]


def packed(plain: str, *, cut: int | None = None) -> str:
    """The same workflow as Argo stores one that would be too large for Kubernetes."""
    content = json.loads(plain)
    nodes = gzip.compress(json.dumps(content["status"].pop("nodes")).encode())
    content["status"]["compressedNodes"] = base64.b64encode(nodes[:cut]).decode()
    return json.dumps(content)


def test_the_nodes_of_a_large_workflow_are_packed() -> None:
    plain = manifest(node("prepare", at=1), node("retrain", "Failed", at=2))

    assert Workflow.of(packed(plain)) == Workflow.of(plain)
    assert [pod.task for pod in Workflow.of(packed(plain)).failed] == ["retrain"]
    assert Workflow.of(packed(plain, cut=-30)).pods == ()


def test_nodes_that_unpack_without_end_are_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflow, "LARGEST_JSON", 1000)
    few, many = (manifest(*(node(f"task{n}", at=n) for n in range(count))) for count in (1, 100))

    assert len(Workflow.of(packed(few)).pods) == 1
    assert Workflow.of(packed(many)).pods == ()


def test_what_goes_on_is_what_runs_and_what_waits() -> None:
    both = Workflow.of(
        manifest(
            node("prepare"),
            node("retrain", "Pending", message=UNSCHEDULABLE),
            node("evaluate", "Running"),
            node("deliver", "Pending"),
        )
    )

    assert both.now == "evaluate; retrain is pending: 0/1 nodes are available: 1 Insufficient cpu"
    assert Workflow.of(manifest(node("prepare"))).now == ""


def test_only_the_last_attempt_of_a_task_says_whether_it_failed() -> None:
    repeated = node("retrain", "Failed", attempt=0, at=3), node("retrain", attempt=1, at=4)
    failed = node("search", "Failed", at=1), node("deliver", "Error", at=2)

    assert Workflow.of(manifest(*repeated)).failed == ()
    found = Workflow.of(manifest(*repeated, *failed)).failed
    assert [(pod.task, pod.name) for pod in found] == [
        ("search", pod_name(failed[0])),
        ("deliver", pod_name(failed[1])),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        '{"metadata": null}',
        '{"metadata": {"name": "a"}, "status": null, "spec": null}',
        '{"metadata": {"name": "a"}, "status": []}',
        '{"metadata": {"name": "a"}, "status": {"nodes": [1, 2]}}',
        '{"metadata": {"name": "a"}, "status": {"nodes": {"b": null}}}',
        '{"metadata": {"name": "a"}, "status": {"compressedNodes": 3}}',
        '{"metadata": {"name": "a"}, "status": {"compressedNodes": "no base 64"}}',
        '{"metadata": {"name": "a"}, "status": {"compressedNodes": "bm8gZ3ppcA=="}}',
        '{"metadata": {"name": "a"}, "spec": {"templateDefaults": []}}',
        '{"metadata": {"name": "a"}, "spec": {"templateDefaults": {"retryStrategy": 3}}}',
    ],
)
def test_what_is_no_workflow_says_nothing(text: str) -> None:
    found = Workflow.of(text)

    assert (found.pods, found.now, found.failed, found.retry_policy) == ((), "", (), None)
    assert found.known == ('"name"' in text)


def test_a_node_that_says_little_is_kept() -> None:
    content = json.loads(manifest())
    content["status"]["nodes"]["x"] = {"type": "Pod", "displayName": "odd", "phase": None, "message": None}
    (pod,) = Workflow.of(json.dumps(content)).pods

    assert (pod.task, pod.message, pod.started) == ("odd", "", "")


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("PodInitializing: starting", "starting"),
        ("main: Error (exit code 1)", "main: Error (exit code 1)"),
        (
            "Unschedulable: 0/3 nodes are available: 3 Insufficient memory. preemption: none",
            "0/3 nodes are available: 3 Insufficient memory",
        ),
        ("a\n  b", "a b"),
        ("x" * 900, "x" * 199 + "…"),
    ],
)
def test_a_message_of_kubernetes_is_cut_to_what_people_need(message: str, said: str) -> None:
    assert short(message) == said


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ("note: a\nerror: there is no preset\nTraceback\nValueError: other\n", "there is no preset"),
        ("error: first\nerror: last", "last"),
        (
            "Traceback (most recent call last):\n  File\ntorch.cuda.OutOfMemoryError: no room\n  done",
            "torch.cuda.OutOfMemoryError: no room",
        ),
        ("all went well", ""),
        ("", ""),
    ],
)
def test_the_last_error_of_a_log(log: str, said: str) -> None:
    assert last_error(log) == said
