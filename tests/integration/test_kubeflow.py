"""The real pipeline through kfp.local: what runs, what MLflow holds of it, what is said when it fails."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import SETTINGS, Autonad

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(1500)]

DELIVERY = ["retrain", "evaluate", "fit-thresholds", "deliver"]
DELIVERED = ["retrain", "evaluate", "fit-thresholds", "export", "register"]  # as MLflow has it
SEARCH = ["profile-latency", "search"]


def settings(**sections: dict[str, Any]) -> str:
    known = yaml.safe_load(SETTINGS)
    known["decide"] = {"calibration_draws": 20}
    known["tracking"] = {"system_seconds": None}
    for name, values in sections.items():
        known[name] = known.get(name, {}) | values
    return yaml.safe_dump(known)


class Line:
    """A folder from which pipelines are run, one after another."""

    def __init__(self, root: Path, autonad: Autonad) -> None:
        self.root, self._autonad = root, autonad

    def run(self, name: str, dataset: str, *options: object, code: int = 0) -> str:
        done = self._autonad(
            "pipeline",
            "run",
            "--local",
            "--dataset",
            dataset,
            "--target",
            "target.json",
            "--name",
            name,
            *options,
            cwd=self.root,
            code=code,
        )
        return done.stdout + done.stderr

    def tasks(self, name: str) -> list[str]:
        """Tasks that ran, in order; kfp numbers the copies of one in different branches."""
        lines = (self.root / "runs/pipeline" / name / "log.txt").read_text().splitlines()
        return [line.split("'")[1].rstrip("-0123456789") for line in lines if "Executing task '" in line]

    def decision(self, name: str) -> dict[str, Any]:
        (path,) = (self.root / "runs/pipeline" / name).glob("*/prepare/decision/decision.json")
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    @property
    def client(self) -> Any:
        from autonad.tracking.connection import open_store

        return open_store(f"sqlite:///{self.root / 'mlflow.db'}")

    def parent(self, name: str) -> Any:
        query = f"tags.`autonad.execution` = '{name}' AND tags.`autonad.role` = 'parent'"
        (found,) = self.client.search_runs(["1"], query)
        return found

    def steps(self, name: str) -> dict[str, str]:
        """Stage → status of an execution's runs in MLflow."""
        query = f"tags.`mlflow.parentRunId` = '{self.parent(name).info.run_id}'"
        return {
            run.data.tags["autonad.stage"]: run.info.status for run in self.client.search_runs(["1"], query)
        }


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory, autonad: Autonad) -> Iterator[Line]:
    """After the first run of a pipeline, on a dataset of one material."""
    root = tmp_path_factory.mktemp("kubeflow")
    (root / "params.yaml").write_text(settings())
    make = ("synthesize", "--set", "tracking.enabled=false", "--output")
    autonad(*make, "data/steel", "--set", "synthesize.materials=[steel]", cwd=root)
    autonad("describe-target", "--output", "target.json", "--threads", 1, cwd=root)
    found = Line(root, autonad)
    found.run("first", "data/steel")
    yield found
    shutil.rmtree(root, ignore_errors=True)


def test_the_first_run_trains(line: Line) -> None:
    assert line.decision("first")["action"] == "train"

    assert line.tasks("first") == [
        "prepare",
        "profile-latency",
        "train-supernet",
        "search",
        *DELIVERY,
        "close-run",
    ]
    steps = line.steps("first")
    assert steps.keys() == {"fetch-dataset", "decide", "train-supernet", *SEARCH, *DELIVERED}
    assert set(steps.values()) == {"FINISHED"}
    assert line.parent("first").info.status == "FINISHED"
    assert line.parent("first").data.tags["mlflow.runName"] == "first"
    assert "autonad.failure" not in line.parent("first").data.tags
    (summary,) = (line.root / "runs/pipeline/first").glob("*/deliver*/summary")
    assert "| in use | yes |" in summary.read_text()
    (page,) = (line.root / "runs/pipeline/first").glob("*/close-run/page")
    assert "a new detector is in use" in page.read_text()


def test_the_second_run_reuses(line: Line) -> None:
    line.run("second", "data/steel")

    assert line.decision("second")["action"] == "reuse"
    assert line.tasks("second")[1:-1] == DELIVERY
    assert line.steps("second").keys() == {"fetch-dataset", "decide", *DELIVERED}
    first, second = (next((line.root / "runs/pipeline" / n).glob("*/*/model")) for n in ("first", "second"))
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()


def test_another_target_searches_and_a_failing_step_fails_the_run_with_its_reason(line: Line) -> None:
    """No architecture runs in a nanosecond, which is known before anything is trained or searched."""
    line._autonad("describe-target", "--output", "target.json", "--threads", 2, cwd=line.root)
    output = line.run("third", "data/steel", "--parameter", "latency_budget_ms=0.000001", code=2)

    assert line.decision("third")["action"] == "search"
    kinds = {reason["kind"] for reason in line.decision("third")["reasons"]}
    assert kinds == {"hardware_changed", "latency_budget_changed"}
    assert line.tasks("third")[1:] == ["profile-latency", "close-run"]
    assert output.splitlines()[-1].startswith("error: task profile-latency")
    parent = line.parent("third")
    assert parent.info.status == "FAILED"
    assert parent.data.tags["autonad.failure"].startswith(
        "profile-latency: SearchError: search.latency_budget_ms = 1e-06 cannot be kept"
    )
    assert line.steps("third")["profile-latency"] == "FAILED"


def test_a_changed_material_trains_again(line: Line, autonad: Autonad) -> None:
    """A batch of another material is in the dataset of the same name."""
    other = ("--set", "synthesize.materials=[ceramic]", "--set", "synthesize.seed=12")
    autonad(
        "synthesize",
        "--output",
        "batch",
        *other,
        "--set",
        "synthesize.num_images=24",
        "--set",
        "tracking.enabled=false",
        cwd=line.root,
    )
    autonad("describe-target", "--output", "target.json", "--threads", 1, cwd=line.root)
    shutil.copytree(line.root / "data/steel", line.root / "next/steel")
    autonad(
        "ingest",
        "--source",
        "batch",
        "--dataset",
        "next/steel",
        "--batch",
        "tuesday",
        "--set",
        "tracking.enabled=false",
        cwd=line.root,
    )
    line.run("fourth", "next/steel")

    assert line.decision("fourth")["action"] == "train"
    assert [reason["kind"] for reason in line.decision("fourth")["reasons"]] == ["appearance_changed"]
    assert "train-supernet" in line.tasks("fourth")
    assert line.parent("fourth").info.status == "FINISHED"


def test_several_budgets_are_searched_once_and_each_delivered(line: Line) -> None:
    several = ("--parameter", "latency_budgets_ms=[500, 1000]")
    line.run("fifth", "next/steel", *several)
    line.run("sixth", "next/steel", *several)

    assert [reason["kind"] for reason in line.decision("fifth")["reasons"]] == ["latency_budget_changed"]
    assert line.tasks("fifth")[1:-1] == [*SEARCH, *DELIVERY]
    assert line.decision("sixth")["action"] == "reuse"
    assert line.tasks("sixth")[1:-1] == DELIVERY
    for name in ("fifth", "sixth"):
        (summary,) = (line.root / "runs/pipeline" / name).glob("*/deliver*/summary")
        (page,) = (line.root / "runs/pipeline" / name).glob("*/close-run/page")
        assert "2 of 2 new detectors in use" in page.read_text()
        for budget in ("500ms", "1000ms"):
            assert f"-{budget}, version 1" in summary.read_text()
            assert f"-{budget}, version 1" in page.read_text()


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--parameter", "preset=huge"), "there is no search space preset 'huge'; use one of"),
        (("--parameter", "target=robot"), "there is no target 'robot' in"),
        (
            ("--parameter", "resources={memroy: 4Gi}"),
            "resources: memroy is no known key: did you mean memory?",
        ),
        (("--parameter", "secret=autonda"), "Secret 'autonda' is not in this namespace"),
        (
            ("--parameter", "latency_budget_ms=2", "--parameter", "latency_budgets_ms=[1, 3]"),
            "fill in the first for one detector, or the second",
        ),
        (("--checkpoints", "/proc/nowhere"), "checkpoints cannot be written to /proc/nowhere"),
        (("--parameter", "settings={serach: {}}"), "did you mean search?"),
        (
            ("--parameter", "dataset_repository=.", "--parameter", "dataset_revision=v9"),
            "revision v9 of . has no dataset steel",
        ),
        (("--set", "tracking.uri=http://127.0.0.1:9"), "MLflow at http://127.0.0.1:9 cannot be used"),
    ],
)
def test_a_wrong_parameter_ends_the_run_at_once(line: Line, options: tuple[str, ...], reason: str) -> None:
    output = line.run("wrong", "data/steel", *options, code=2)

    assert reason in output
    assert set(line.tasks("wrong")) == {"prepare", "close-run"}
    assert "Traceback" not in output
    shutil.rmtree(line.root / "runs/pipeline/wrong")
    if "9" not in options[-1] or "v9" in options[-1]:
        assert line.parent("wrong").info.status == "FAILED"
        assert reason in line.parent("wrong").data.tags["autonad.failure"]
