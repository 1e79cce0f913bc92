"""A real Kubeflow backend as the tests see it: its API, its pods, the MLflow in it and the object store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
import yaml

from autonad.kubeflow.access import Access
from autonad.kubeflow.client import Kubeflow
from autonad.kubeflow.workflow import Workflow

ROOT = Path(__file__).parents[2]
HOST = os.environ.get("KFP_HOST", "http://localhost:3000")
IMAGE = os.environ.get("AUTONAD_IMAGE", "localhost/autonad:1")
NAMESPACE, BUCKET, ARTIFACTS = "kubeflow", "autonad", "mlpipeline"
STORE = {
    "AWS_ACCESS_KEY_ID": "autonad",
    "AWS_SECRET_ACCESS_KEY": "autonad-secret",
    "AWS_ENDPOINT_URL": "http://object-store:9000",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
}
QUIET = {"OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DVC_NO_ANALYTICS": "true"}


def call(*command: object, cwd: Path | None = None, code: int | None = 0) -> str:
    """Both outputs of a command, which ends with this exit code; None takes any."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, **STORE, **QUIET},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert code is None or done.returncode == code, f"{command}\n{done.stdout[-3000:]}"
    return done.stdout


def autonad(*arguments: object, cwd: Path, code: int | None = 0) -> str:
    return call(sys.executable, "-m", "autonad.cli", *arguments, cwd=cwd, code=code)


def kubectl(*arguments: object, code: int | None = 0) -> str:
    return call("kubectl", "-n", NAMESPACE, *arguments, code=code)


def eventually(what: str, look: Callable[[], Any], seconds: float, every: float = 1.0) -> Any:
    """The first true answer."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


@dataclass
class Run:
    """A run on the backend."""

    backend: Backend
    name: str
    id: str
    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    said: str = ""

    def wait(self, code: int = 0, timeout: float = 1500) -> str:
        """What `autonad pipeline wait` prints; it ends with this exit code."""
        words = ("pipeline", "wait", "--host", HOST, "--run", self.id, "--timeout", timeout)
        self.said = autonad(*words, cwd=self.backend.folder, code=code)
        self.seconds = time.monotonic() - self.began
        return self.said

    @property
    def workflow(self) -> Workflow:
        return self.backend.server.workflow(self.id)

    def pod(self, task: str, seconds: float = 400) -> str:
        """Name of the pod in which a task's own process runs now."""

        def look() -> str | None:
            pods = [pod for pod in self.workflow.pods if pod.task == task and "-driver-" not in pod.name]
            running = [pod.name for pod in pods if pod.phase == "Running"]
            return running[-1] if running else None

        return str(eventually(f"{self.name}: {task} runs", look, seconds))

    def log(self, task: str) -> str:
        """Logs of all attempts of a task that are still there."""
        pods = [pod.name for pod in self.workflow.pods if pod.task == task and "-driver-" not in pod.name]
        return "\n".join(kubectl("logs", pod, "-c", "main", code=None) for pod in pods)

    def follow(self, task: str, text: str, seconds: float = 400) -> str:
        """Wait until a task's log holds a text; returns the pod's name."""
        pod = self.pod(task)
        eventually(
            f"{task} says {text!r}",
            lambda: text in kubectl("logs", pod, "-c", "main", code=None),
            seconds,
            0.5,
        )
        return pod

    @property
    def tasks(self) -> set[str]:
        return {pod.task for pod in self.workflow.pods if "-dag-driver-" not in pod.name}

    def digest(self, task: str, file: str) -> str:
        """Sha256 of a file among a task's outputs."""
        return hashlib.sha256(self.output(task, file)).hexdigest()

    def output(self, task: str, file: str) -> bytes:
        """A file among a task's outputs, by the end of its name."""
        of_task = re.compile(rf"v2/artifacts/autonad/{self.id}/{task}(-\d+)?/.*{re.escape(file)}")
        found = [
            key for key in self.backend.objects(f"v2/artifacts/autonad/{self.id}/") if of_task.fullmatch(key)
        ]
        assert found, f"{self.name}: {task} has written no {file}"
        body = self.backend.s3.get_object(Bucket=ARTIFACTS, Key=found[-1])["Body"]
        return bytes(body.read())

    @property
    def page(self) -> str:
        """The page of the run, as the interface shows it."""
        return self.output("close-run", "/page").decode()

    @property
    def parent(self) -> Any:
        """The execution in MLflow."""
        query = f"tags.`autonad.execution` = '{self.id}' AND tags.`autonad.role` = 'parent'"
        (found,) = self.backend.mlflow.search_runs([self.backend.experiment], query)
        return found

    @property
    def steps(self) -> list[Any]:
        """Its steps in MLflow, oldest first."""
        query = f"tags.`mlflow.parentRunId` = '{self.parent.info.run_id}'"
        order = ["attributes.start_time ASC"]
        return list(self.backend.mlflow.search_runs([self.backend.experiment], query, order_by=order))

    def computed(self, stage: str | None = None) -> float:
        """Seconds that steps took, all or one of them."""
        runs = [run for run in self.steps if stage in (None, run.data.tags.get("autonad.stage"))]
        return float(sum(run.data.metrics.get("time/seconds", 0.0) for run in runs))


@dataclass
class Backend:
    """The backend and a folder from which it is used."""

    folder: Path
    dataset: str

    @cached_property
    def server(self) -> Kubeflow:
        return Kubeflow(Access(host=HOST))

    @cached_property
    def s3(self) -> Any:
        keys = {"aws_access_key_id": "minio", "aws_secret_access_key": "minio12345"}
        return boto3.client(
            "s3", endpoint_url=STORE["AWS_ENDPOINT_URL"], region_name=STORE["AWS_DEFAULT_REGION"], **keys
        )

    def objects(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=ARTIFACTS, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    @cached_property
    def mlflow_uri(self) -> str:
        return (
            f"http://{kubectl('get', 'service', 'mlflow', '-o', 'jsonpath={.spec.clusterIP}').strip()}:5000"
        )

    @cached_property
    def mlflow(self) -> Any:
        from autonad.tracking.connection import open_store

        return open_store(self.mlflow_uri)

    @cached_property
    def experiment(self) -> str:
        return str(self.mlflow.get_experiment_by_name("autonad").experiment_id)

    def package(self, name: str, *options: object, uid: int | None = None) -> Path:
        """The whole pipeline, compiled with options; its tasks run as a user."""
        folder = self.folder / "pipelines" / name
        autonad("pipeline", "compile", "--output", folder, "--image", IMAGE, *options, cwd=ROOT)
        path = folder / "autonad_pipeline.yaml"
        if uid is not None:
            spec, platform = yaml.safe_load_all(path.read_text())
            for executor in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].values():
                executor["securityContext"] = {"runAsNonRoot": True, "runAsUser": uid}
            path.write_text(yaml.safe_dump_all([spec, platform]))
        return path

    def start(self, name: str, package: Path, *options: object, **parameters: object) -> Run:
        """Start a run as a user does."""
        given = [f"--parameter={key}={value}" for key, value in parameters.items()]
        words = ("pipeline", "run", "--host", HOST, "--pipeline", package, "--name", name, *options, *given)
        said = autonad(*words, cwd=self.folder)
        (started,) = [line.split()[1] for line in said.splitlines() if line.startswith("run ")]
        return Run(self, name, started)


def kill_child(pod: str, number: int = 9) -> None:
    """A signal to the process that a task's supervisor watches."""
    script = (
        "import os, pathlib\n"
        "for place in pathlib.Path('/proc').glob('[0-9]*'):\n"
        "    words = (place / 'cmdline').read_bytes().split(b'\\0')\n"
        f"    if words[1:3] == [b'-m', b'kfp.dsl.executor_main']: os.kill(int(place.name), {number})\n"
    )
    kubectl("exec", pod, "-c", "main", "--", "python3", "-c", script)


def memory_group(pod: str) -> Path:
    """The control group of a pod's main container (version 1), on the node that is this machine."""
    status = json.loads(kubectl("get", "pod", pod, "-o", "json"))["status"]["containerStatuses"]
    (found,) = (one["containerID"].rpartition("/")[2] for one in status if one["name"] == "main")
    return next(Path("/sys/fs/cgroup/memory").rglob(f"*{found}*"))


def starve(pod: str) -> None:
    """Lower a container's memory limit to what it uses, until the kernel has killed its largest process."""
    group = memory_group(pod)
    limit, before = (group / "memory.limit_in_bytes").read_text(), oom_kills(group)

    def starved() -> bool:
        used = int((group / "memory.usage_in_bytes").read_text())
        with contextlib.suppress(OSError):  # more than can be taken back at once
            (group / "memory.limit_in_bytes").write_text(str(used - 16 * 2**20))
        return oom_kills(group) > before

    try:
        eventually("the kernel kills for memory", starved, 120, 0.2)
    finally:
        (group / "memory.limit_in_bytes").write_text(limit)


def oom_kills(group: Path) -> int:
    lines = (group / "memory.oom_control").read_text().splitlines()
    return int(dict(line.split() for line in lines)["oom_kill"])


def device(folder: Path) -> Path:
    """An environment with the base install alone, as an edge device has it; returns its `autonad`."""
    environment = folder / "device"
    if not (environment / "bin/autonad").is_file():
        shutil.rmtree(environment, ignore_errors=True)
        call(sys.executable, "-m", "venv", environment)
        call(environment / "bin/pip", "-q", "install", "-c", ROOT / "constraints.txt", ROOT)
    return environment / "bin/autonad"
