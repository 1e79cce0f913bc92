"""A run's pods as Argo Workflows tells them: what waits for what, what failed.

The pipelines' API of version 2 says of a task only its state. Version 1, which the servers answer as well,
hands out the workflow, whose nodes carry the messages of Kubernetes.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autonad.console import LONGEST_LINE
from autonad.reading.bounds import LARGEST_JSON, folded, parse_json

# Of a driver, which computes a task's inputs, and of the container that runs it. Tasks of one name in several
# branches are numbered; numbers in brackets are there where the controller has a default for retries.
_POD = re.compile(r"(?P<task>[^.()]+?)(-\d+)?(-driver)?(\(\d+\))?(\.executor(\(\d+\))?)?$")
_ASIDES = re.compile(r" (?:no new claims to deallocate, )?preemption:")
_KINDS = re.compile(r"^(Unschedulable|Pod[A-Za-z]*): ")


@dataclass(frozen=True)
class Pod:
    """One attempt of a task.

    Attributes:
        task: Its name in the pipeline.
        name: The pod's name.
        phase: "Pending", "Running", "Succeeded", "Failed" or "Error".
        message: What Kubernetes says about it.
        started: When, as text that sorts.
    """

    task: str
    name: str
    phase: str
    message: str
    started: str


@dataclass(frozen=True)
class Workflow:
    """What there is of a run.

    Attributes:
        pods: Its attempts, oldest first.
        retry_policy: Which endings the controller repeats by default; None where it is not set.
        known: Whether the server has told anything.
    """

    pods: tuple[Pod, ...] = ()
    retry_policy: str | None = None
    known: bool = False

    @classmethod
    def of(cls, manifest: str) -> Workflow:
        """Read a workflow as JSON; what is not known is left out."""
        try:
            content = parse_json(manifest)
        except ValueError:
            return cls()
        name, nodes = _inside(content, "metadata", "name"), _nodes(content)
        found = nodes.values() if isinstance(nodes, dict) else ()
        pods = [_pod(node, str(name)) for node in found if _inside(node, "type") == "Pod"]
        policy = _inside(content, "spec", "templateDefaults", "retryStrategy", "retryPolicy")
        return cls(tuple(sorted(pods, key=_when)), None if policy is None else str(policy), name is not None)

    @property
    def now(self) -> str:
        """The tasks that run, and those that wait and what for; empty if nothing is known."""
        waiting = {pod.task: pod.message for pod in self.pods if pod.phase == "Pending" and pod.message}
        running = [pod.task for pod in self.pods if pod.phase == "Running"]
        told = [f"{task} is pending: {short(message)}" for task, message in waiting.items()]
        return "; ".join([*dict.fromkeys(running), *told])

    @property
    def failed(self) -> tuple[Pod, ...]:
        """The last attempt of each task, where that failed; the first of these is what went wrong."""
        last = {pod.task: pod for pod in self.pods}
        return tuple(pod for pod in last.values() if pod.phase in ("Failed", "Error"))


def short(message: str) -> str:
    """The part of a message of Kubernetes that people need."""
    return folded(_KINDS.sub("", _ASIDES.split(" ".join(message[:4000].split()))[0]).rstrip(". "), 200)


def last_error(log: str) -> str:
    """What a task's log says went wrong: its last line of an error, or of a traceback; empty without one."""
    lines = [line.strip() for line in log.splitlines()]
    for line in reversed(lines):
        if line.startswith("error: "):
            return folded(line.removeprefix("error: "), LONGEST_LINE)
    for line in reversed(lines):
        if re.match(r"[A-Za-z_.]+(Error|Exception): ", line):
            return folded(line, LONGEST_LINE)
    return ""


def _inside(value: Any, *names: str) -> Any:
    """What lies under these names in nested mappings; None where there is nothing."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _nodes(workflow: Any) -> Any:
    """The state of every node; Argo packs it where the workflow would be larger than Kubernetes takes."""
    packed = _inside(workflow, "status", "compressedNodes")
    if not isinstance(packed, str):
        return _inside(workflow, "status", "nodes")
    unpacking = zlib.decompressobj(zlib.MAX_WBITS | 16)  # of gzip
    try:
        unpacked = unpacking.decompress(base64.b64decode(packed), LARGEST_JSON)
        return parse_json(unpacked)
    except (ValueError, zlib.error):
        return None


def _pod(node: Mapping[str, Any], workflow: str) -> Pod:
    found = _POD.search(str(node.get("name", "")))
    number = str(node.get("id", "")).rpartition("-")[2]
    return Pod(
        task=folded(found["task"] if found else str(node.get("displayName", "")), 100),
        name=f"{workflow}-{node.get('templateName', '')}-{number}",
        phase=str(node.get("phase", "")),
        message=str(node.get("message") or ""),
        started=str(node.get("startedAt") or ""),
    )


def _when(pod: Pod) -> tuple[str, str]:
    return pod.started, pod.name
