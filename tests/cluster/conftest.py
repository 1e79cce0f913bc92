"""The backend, a repository with a dataset in its bucket, and the runs that several tests look at."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.backend import BUCKET, HOST, ROOT, STORE, Backend, Run, autonad, call
from dvc_repositories import commit, make_repository, run
from mlflow.utils.time import get_current_time_millis

SETTINGS = ROOT / "tests/cluster/settings.yaml"


@pytest.fixture(scope="session", autouse=True)
def store() -> Iterator[None]:
    """The object store of the cluster for what tests do themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in STORE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="session")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Backend:
    """The backend, used from a repository whose dataset `steel` is published."""
    answers = subprocess.run(["curl", "-sf", f"{HOST}/apis/v2beta1/healthz"], capture_output=True)
    assert answers.returncode == 0, f"no Kubeflow answers at {HOST}; start one, and see CONTRIBUTING.md"
    folder = tmp_path_factory.mktemp("cluster")
    stamp = f"{get_current_time_millis()}"
    make_repository(folder, f"s3://{BUCKET}/dvc-{stamp}")
    (folder / "params.yaml").write_text(SETTINGS.read_text())
    off = ("--set", "tracking.enabled=false")
    autonad("synthesize", "--output", f"data/steel-{stamp}", *off, cwd=folder)
    run("dvc", "add", "-q", f"data/steel-{stamp}", cwd=folder)
    commit(folder, "a dataset")
    autonad("publish", "--dataset", f"data/steel-{stamp}", cwd=folder)
    return Backend(folder, f"data/steel-{stamp}")


@pytest.fixture(scope="session")
def package(backend: Backend) -> Path:
    """The pipeline, with a volume for checkpoints."""
    return backend.package("volume", "--checkpoint-volume", "checkpoints")


@pytest.fixture(scope="session")
def trained(backend: Backend, package: Path) -> Run:
    """The first run of the dataset, undisturbed."""
    found = backend.start("first-train", package, "--dataset", backend.dataset, checkpoints="/checkpoints")
    found.wait()
    return found


@pytest.fixture(scope="session")
def reused(backend: Backend, trained: Run) -> Run:
    """The same dataset again, by a user whom nobody knows."""
    package = backend.package("any-user", "--checkpoint-volume", "checkpoints", uid=1234567)
    found = backend.start("reuse", package, "--dataset", backend.dataset, checkpoints="/checkpoints")
    found.wait()
    return found


@pytest.fixture(scope="session", autouse=True)
def quiet() -> None:
    """Nothing of an earlier session runs any more, so that latencies are measured on a node of their own."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        pods = call("kubectl", "get", "pods", "-n", "kubeflow", "--field-selector=status.phase=Running")
        if "-system-" not in pods:
            return
        time.sleep(5)
    raise AssertionError("pods of other runs are still running")
