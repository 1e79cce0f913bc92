"""What the pipelines do on a real backend: `make cluster-test`, an hour on two cores."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from cluster.backend import (
    BUCKET,
    HOST,
    ROOT,
    Backend,
    Run,
    autonad,
    call,
    device,
    eventually,
    kill_child,
    kubectl,
    starve,
)
from dvc_repositories import commit, run

from autonad.storage.store import Store

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

FIGURES = ROOT / "runs/cluster-figures.jsonl"
SIX = {"profile-latency", "train-supernet", "search", "retrain", "evaluate", "fit-thresholds"}


def tell(**figures: object) -> None:
    """Figures for docs/results.md."""
    FIGURES.parent.mkdir(exist_ok=True)
    with FIGURES.open("a") as file:
        file.write(json.dumps(figures) + "\n")


def status(found: Run) -> str:
    return str(found.parent.info.status)


def test_the_first_run_trains(trained: Run, backend: Backend) -> None:
    tell(test="train", seconds=trained.seconds, steps=trained.computed(), tasks=len(trained.tasks))

    assert trained.tasks == {"prepare", *SIX, "deliver", "close-run"}
    assert status(trained) == "FINISHED"
    assert trained.parent.info.run_name == "first-train"
    name = Path(backend.dataset).name
    assert {step.data.tags.get("autonad.dataset") for step in trained.steps} <= {name, None}
    assert name in trained.page
    assert "in use" in trained.page
    assert "dataset dataset" not in trained.page.lower()


def test_the_table_is_measured_alone(trained: Run) -> None:
    times = {
        step.data.tags["autonad.stage"]: (step.info.start_time, step.info.end_time) for step in trained.steps
    }

    assert times["profile-latency"][1] < times["train-supernet"][0]


def test_again_it_reuses_as_any_user_and_in_time(trained: Run, reused: Run) -> None:
    tell(test="reuse", seconds=reused.seconds, training=reused.computed("retrain"), steps=reused.computed())

    assert reused.tasks == {"prepare", "retrain", "evaluate", "fit-thresholds", "deliver", "close-run"}
    assert status(reused) == "FINISHED"
    weights = [one.digest("retrain", "model/model.safetensors") for one in (trained, reused)]
    assert weights[0] == weights[1]


def test_trainings_that_die_go_on_with_the_same_weights(
    trained: Run, backend: Backend, package: Path
) -> None:
    """Killed by a signal, and for want of memory; then the run is terminated."""
    options = ("--dataset", backend.dataset)
    found = backend.start("disturbed", package, *options, checkpoints="/checkpoints", force="train")
    pod = found.follow("train-supernet", "loss ")
    kill_child(pod)
    eventually("it goes on", lambda: "resumed after epoch" in kubectl("logs", pod, "-c", "main"), 120)
    starve(pod)
    eventually(
        "it goes on again", lambda: kubectl("logs", pod, "-c", "main").count("resumed after epoch") == 2, 120
    )
    log = kubectl("logs", pod, "-c", "main")
    found.pod("search")
    backend.server._client.terminate_run(found.id)
    said = found.wait(code=2)

    assert "the task's process died of SIGKILL; it is started again (1 of 3)" in log
    assert re.search(r"died of SIGKILL \(out of memory: the limit .*raise memory_limit.*\(2 of 3\)", log)
    file = "supernet/supernet.safetensors"
    assert found.digest("train-supernet", file) == trained.digest("train-supernet", file)
    assert "was terminated" in said
    assert status(found) == "KILLED"
    assert "terminated" in found.page
    tell(test="disturbed", resumed=log.count("resumed after epoch"))


def test_a_lost_pod_goes_on_with_the_same_weights(reused: Run, backend: Backend, package: Path) -> None:
    # A run that was terminated has left its own, from which the next of its kind would go on.
    before = copies()
    found = backend.start("lost-pod", package, "--dataset", backend.dataset, checkpoints="/checkpoints")
    pod = found.follow("retrain", "loss ")
    kubectl("delete", "pod", pod, "--force", "--grace-period=0")
    # Of the pod that was deleted no log is left; the next one may have its name.
    eventually("it goes on", lambda: "resumed after epoch" in found.log("retrain"), 400, 0.5)
    found.wait()

    assert status(found) == "FINISHED"
    weights = [one.digest("retrain", "model/model.safetensors") for one in (reused, found)]
    assert weights[0] == weights[1]
    assert copies() <= before, "copies go with the end of the run"


def copies() -> set[Path]:
    """The copies of checkpoints on the volume."""
    return set(Path(volume()).rglob("latest.json"))


def volume() -> str:
    claim = json.loads(kubectl("get", "pvc", "checkpoints", "-o", "json"))["spec"]["volumeName"]
    found = json.loads(kubectl("get", "pv", claim, "-o", "json"))
    return str(found["spec"]["hostPath"]["path"])


@pytest.fixture(scope="module")
def wrong(backend: Backend, package: Path, trained: Run) -> dict[str, Run]:
    """Runs of what cannot work, side by side."""
    generated = ("--parameter", "dataset_repository=generated")
    other = json.loads(autonad_target(backend))
    other |= {"name": "line", "arch": "aarch64", "cpu": "Cortex-A76"}
    unwritable = backend.package("unwritable", "--checkpoint-volume", "root-only")
    kubectl("apply", "-f", ROOT / "tests/cluster/root-only.yaml")
    given = {
        "preset": (package, {"preset": "huge"}),
        "target": (package, {"target": json.dumps(other)}),
        "mlflow": (package, {"mlflow_uri": "http://nowhere:5000"}),
        "secret": (package, {"secret": "nosuch"}),
        "volume": (unwritable, {"checkpoints": "/checkpoints"}),
        "cpus": (package, {"resources": json.dumps({"cpu": "64"})}),
    }
    return {
        name: backend.start(f"wrong-{name}", path, *generated, **values)
        for name, (path, values) in given.items()
    }


def autonad_target(backend: Backend) -> str:
    autonad("describe-target", "--output", "here.json", cwd=backend.folder)
    return (backend.folder / "here.json").read_text()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("preset", r"prepare: there is no search space preset 'huge'; use one of"),
        ("target", r"profile-latency: this machine is not target 'line': .*arch is .*pack-profile"),
        ("mlflow", r"prepare: MLflow at http://nowhere:5000 cannot be used"),
        ("secret", r"prepare: Secret 'nosuch' is not in this namespace"),
        ("volume", r"prepare: checkpoints cannot be written to /checkpoints by user 1000 of group 0"),
    ],
)
def test_what_cannot_work_says_why(wrong: dict[str, Run], name: str, message: str) -> None:
    found = wrong[name]
    said = found.wait(code=2)
    last = said.strip().splitlines()[-1]
    tell(test=f"wrong {name}", said=last)

    assert re.search(message, last)
    assert name == "mlflow" or status(found) == "FAILED"
    assert re.search(message.partition(": ")[2].split(".*")[0].replace("'", "&#39;"), found.page)


def test_more_cpus_than_there_are_is_said(wrong: dict[str, Run], backend: Backend) -> None:
    found = wrong["cpus"]
    eventually("it waits", lambda: "Insufficient cpu" in found.workflow.now, 400)
    listed = autonad("pipeline", "list", "--host", HOST, cwd=backend.folder)
    said = found.wait(code=2, timeout=1)
    tell(test="wrong cpus", said=said.strip().splitlines()[-1])
    backend.server._client.terminate_run(found.id)
    found.wait(code=2)

    assert re.search(rf"{found.id} .*Insufficient cpu", listed)
    assert "is pending: 0/1 nodes are available: 1 Insufficient cpu" in said
    assert status(found) == "KILLED"


def test_a_new_batch_decides_by_itself_through_the_schedule(
    reused: Run, backend: Backend, package: Path
) -> None:
    """The schedule is made before the batch is there, and sees it all the same."""
    words = ("--pipeline", package, "--dataset", backend.dataset, "--name", "every-minute")
    made = autonad("pipeline", "schedule", "--host", HOST, *words, "--cron", "* * * * *", cwd=backend.folder)
    schedule = re.search(r"schedule (\S+) of", made)
    assert schedule
    backend.server._client.disable_recurring_run(schedule[1])
    off = ("--set", "tracking.enabled=false")
    more = ("--set", "synthesize.seed=7", "--set", "synthesize.num_images=24")
    autonad("synthesize", "--output", "batch", *more, *off, cwd=backend.folder)
    autonad(
        "ingest",
        "--source",
        "batch",
        "--dataset",
        backend.dataset,
        "--batch",
        "tuesday",
        *off,
        cwd=backend.folder,
    )
    run("dvc", "add", "-q", backend.dataset, cwd=backend.folder)
    commit(backend.folder, "a batch")
    autonad("publish", "--dataset", backend.dataset, cwd=backend.folder)
    began = time.time()
    backend.server._client.enable_recurring_run(schedule[1])

    def started() -> Run | None:
        for one in backend.server._client.list_runs(page_size=5, sort_by="created_at desc").runs:
            if one.recurring_run_id == schedule[1] and one.created_at.timestamp() > began - 1:
                return Run(backend, one.display_name, one.run_id)
        return None

    found = eventually("the schedule starts a run", started, 180)
    backend.server._client.disable_recurring_run(schedule[1])
    found.wait()
    (fetched,) = [step for step in found.steps if step.data.tags.get("autonad.stage") == "fetch-dataset"]
    tell(test="schedule", tasks=sorted(found.tasks))

    assert fetched.data.metrics.get("data/images", 84) == 84
    assert found.tasks == {"prepare", "retrain", "evaluate", "fit-thresholds", "deliver", "close-run"}
    assert status(found) == "FINISHED"


def test_an_edge_device_is_searched_for_with_its_kit(reused: Run, backend: Backend, package: Path) -> None:
    autonad("pack-profile", "--output", "kit", cwd=backend.folder)
    program = device(backend.folder)
    seen = call(program.parent / "python", "-c", "import importlib.util as u; print(u.find_spec('torch'))")
    began = time.monotonic()
    call(
        program,
        "profile-latency",
        "--kit",
        "kit",
        "--output",
        "measured",
        "--name",
        "edge",
        "--threads",
        1,
        cwd=backend.folder,
    )
    seconds = time.monotonic() - began
    place = f"s3://{BUCKET}/latency/{time.time_ns()}"
    for file in (backend.folder / "measured").iterdir():
        Store().upload(file, BUCKET, f"{place.removeprefix(f's3://{BUCKET}/')}/{file.name}")
    found = backend.start("edge", package, "--dataset", backend.dataset, latency=place, target="")
    found.wait()
    size = sum(file.stat().st_size for file in (backend.folder / "kit").rglob("*") if file.is_file())
    tell(test="kit", megabytes=size / 1e6, seconds=seconds, run_s=found.seconds)

    assert seen.strip() == "None"
    assert found.tasks == {"prepare", *SIX, "deliver", "close-run"} - {"train-supernet"}
    assert status(found) == "FINISHED"
    (searched,) = [step for step in found.steps if step.data.tags.get("autonad.stage") == "search"]
    assert "edge" in found.page
    assert searched.info.status == "FINISHED"


def test_mlflow_is_ready_and_stays_so_under_load(backend: Backend) -> None:
    load = ("python", ROOT / "tests/cluster/mlflow_load.py", backend.mlflow_uri)
    said = call(ROOT / "tests/cluster/mlflow_memory", *load, "--seconds", 300, "--clients", 4)
    figures = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    memory = figures[-1]
    tell(test="mlflow", **figures[0], **memory)

    assert memory["working_set_mib"] < memory["limit_mib"]
    pods = json.loads(kubectl("get", "pods", "-l", "app.kubernetes.io/name=mlflow", "-o", "json"))["items"]
    (state,) = pods[0]["status"]["containerStatuses"]
    assert (state["ready"], state["restartCount"]) == (True, 0)
