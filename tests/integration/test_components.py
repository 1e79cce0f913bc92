"""Every component through its function, in the order of the pipeline: what it writes, what is shown of it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from commands import SETTINGS, environment
from kfp import dsl

from autonad import steps
from autonad.config import parse_config
from autonad.config.context import Context

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


def settings(root: Path, **sections: dict[str, Any]) -> str:
    known = yaml.safe_load(SETTINGS)
    known["decide"] = {"calibration_draws": 20}
    known["tracking"] = {"uri": f"sqlite:///{root / 'mlflow.db'}", "system_seconds": None, "dataset": "parts"}
    known["train_supernet"] |= {"epochs": 1, "validate_every": 1}
    known["search"] |= {"population": 4, "generations": 1, "top_k": 2, "finalists": 1}
    known["retrain"] |= {"epochs": 1}
    for name, values in sections.items():
        known[name] = known.get(name, {}) | values
    return yaml.safe_dump(known)


class Outputs:
    """Artifacts of tasks, each with a folder or file of its own, as Kubeflow hands them out."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, kind: type[dsl.Artifact], task: str, name: str) -> Any:
        path = self._root / task / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return kind(name=name, uri=str(path))


def call(component: str, /, **inputs: Any) -> Any:
    module = importlib.import_module(f"components.{component}")
    return getattr(module, component).python_func(**inputs)


def configured(text: str, folder: Path, target: str = "here") -> Any:
    return call(
        "configure",
        settings=text,
        preset="",
        target=target,
        latency_budget_ms=0.0,
        supernet_epochs=0,
        retrain_epochs=0,
        force="none",
        repository=str(folder.parent),
        revision="",
        path=folder.name,
        mlflow_uri="",
        experiment="",
    )


def decided(config: Any, dataset: Any, out: Outputs, turn: str) -> tuple[str, Any, Any]:
    """The action, the artifacts of the last search, and the pin."""
    kinds = {
        "pin": dsl.Artifact,
        "supernet": dsl.Model,
        "latency": dsl.Artifact,
        "search": dsl.Artifact,
        "champion": dsl.Model,
    }
    last = {name: out(kind, f"load-search-{turn}", name) for name, kind in kinds.items()}
    text, target, name = config[0], config[1], config[4]
    call("load_search", config=text, name=name, target=target, **last)
    pin, page = out(dsl.Artifact, f"decide-{turn}", "pin"), out(dsl.HTML, f"decide-{turn}", "page")
    action = call(
        "decide",
        config=text,
        target=target,
        dataset=dataset,
        last_pin=last["pin"],
        last_search=last["search"],
        champion=last["champion"],
        pin=pin,
        page=page,
        decision=out(dsl.Artifact, f"decide-{turn}", "decision"),
    )
    assert "<html" in Path(page.path).read_text()
    return action, last, pin


@pytest.mark.filterwarnings("ignore")
def test_the_components_make_a_detector_and_know_the_last_search(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KFP_RUN_ID", "by-hand")
    out, text = Outputs(tmp_path), settings(tmp_path)
    config = configured(text, chain / "dataset")
    assert json.loads(config[1])["name"] == "here"
    dataset = out(dsl.Dataset, "fetch-dataset", "dataset")
    call(
        "fetch_dataset", config=config[0], location=config[2], md5=config[3], name=config[4], dataset=dataset
    )
    assert dataset.metadata["images"] == 40
    action, _, pin = decided(config, dataset, out, "first")
    assert action == "train"

    supernet, latency = out(dsl.Model, "train", "supernet"), out(dsl.Artifact, "profile", "latency")
    found, model = out(dsl.Artifact, "search", "found"), out(dsl.Model, "retrain", "model")
    evaluation, exported = out(dsl.Artifact, "evaluate", "evaluation"), out(dsl.Model, "export", "exported")
    metrics = {name: out(dsl.Metrics, name, "metrics") for name in ("s", "p", "a", "r", "e", "x")}
    given = {"config": config[0], "checkpoints": ""}
    call("train_supernet", **given, dataset=dataset, pin=pin, supernet=supernet, metrics=metrics["s"])
    call("profile_latency", config=config[0], target=config[1], latency=latency, metrics=metrics["p"])
    call(
        "search",
        **given,
        dataset=dataset,
        pin=pin,
        supernet=supernet,
        latency=latency,
        found=found,
        metrics=metrics["a"],
        pareto=out(dsl.HTML, "search", "pareto"),
    )
    call("retrain", **given, dataset=dataset, found=found, model=model, metrics=metrics["r"])
    confusion, roc = (out(dsl.ClassificationMetrics, "evaluate", name) for name in ("confusion", "roc"))
    call(
        "evaluate",
        config=config[0],
        dataset=dataset,
        model=model,
        found=found,
        latency=latency,
        evaluation=evaluation,
        metrics=metrics["e"],
        confusion=confusion,
        roc=roc,
        report=out(dsl.HTML, "evaluate", "report"),
    )
    call(
        "export",
        config=config[0],
        dataset=dataset,
        model=model,
        evaluation=evaluation,
        exported=exported,
        metrics=metrics["x"],
    )
    summary = out(dsl.Markdown, "register", "summary")
    decision = call(
        "register",
        config=config[0],
        target=config[1],
        dataset=dataset,
        exported=exported,
        evaluation=evaluation,
        found=found,
        registration=out(dsl.Artifact, "register", "registration"),
        summary=summary,
    )

    assert decision == "champion"
    told = json.loads((Path(evaluation.path) / "metrics.json").read_text())
    assert metrics["e"].metadata["miou"] == pytest.approx(told["input"]["miou"], abs=1e-6)
    assert len(confusion.metadata["confusionMatrix"]["rows"]) == len(told["classes"])
    points = roc.metadata["confidenceMetrics"]
    assert (points[0]["recall"], points[-1]["recall"]) == (0.0, 1.0)
    assert f"test mIoU | {100 * told['input']['miou']:.1f} %" in Path(summary.path).read_text()
    call(
        "close_run",
        settings=text,
        mlflow_uri="",
        experiment="",
        status=dsl.PipelineTaskFinalStatus("SUCCEEDED", "job", "detector", None, None),
    )

    action, last, _ = decided(config, dataset, out, "second")
    assert action == "reuse"
    inherited = (Path(folder.path) / "inherited.safetensors" for folder in (last["search"], found))
    assert len({path.read_bytes() for path in inherited}) == 1
    steps.describe_target(name="other", output=tmp_path / "other.json", threads=7)
    other = configured(text, chain / "dataset", (tmp_path / "other.json").read_text())
    assert decided(other, dataset, out, "third")[0] == "search"
    steps.synthesize(
        Context(parse_config(text, ("synthesize.seed=9",), source="test")), output=tmp_path / "new" / "d"
    )
    moved = dsl.Dataset(name="dataset", uri=str(tmp_path / "new" / "d"))
    assert decided(config, moved, out, "fourth")[0] == "train"


def test_a_mistake_is_one_line_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        configured("tracking: {enabled: false}\nspace: {preset: huge}", tmp_path)

    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("error: there is no search space preset 'huge'; use one of ")


ATTEMPT = """
import sys
from kfp import dsl
from components.retrain import retrain
config, checkpoints, dataset, found, model = sys.argv[1:]
retrain.python_func(
    config=open(config).read(), checkpoints=checkpoints, dataset=dsl.Dataset(uri=dataset),
    found=dsl.Artifact(uri=found), model=dsl.Model(uri=model), metrics=dsl.Metrics())
"""


def test_a_training_task_that_is_killed_twice_ends_with_the_same_weights(chain: Path, tmp_path: Path) -> None:
    """Each attempt has a fresh disk, as a new pod has; only the location of the checkpoints stays."""
    text = settings(tmp_path, retrain={"epochs": 6}, tracking={"enabled": False})
    (tmp_path / "config.yaml").write_text(text)
    kept = tmp_path / "kept"

    def attempt(name: str, checkpoints: str) -> subprocess.Popen[str]:
        arguments = (
            tmp_path / "config.yaml",
            checkpoints,
            chain / "dataset",
            chain / "search",
            tmp_path / name,
        )
        return subprocess.Popen(
            [sys.executable, "-c", ATTEMPT, *map(str, arguments)],
            text=True,
            stdout=subprocess.PIPE,
            env={**environment(), "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )

    def epoch() -> int:
        pointers = list(kept.glob("*/checkpoint/latest.json"))
        return json.loads(pointers[0].read_text())["progress"]["epoch"] if pointers else 0

    told = []
    for number, until in enumerate((2, 4), start=1):
        process = attempt(f"killed-{number}", str(kept))
        while process.poll() is None and epoch() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, output
        told.append((epoch(), output))
    last = attempt("ended", str(kept))
    output, _ = last.communicate()
    assert last.returncode == 0, output
    whole = attempt("whole", "")
    whole.communicate()

    assert "resumed" not in told[0][1]
    assert f"resumed after epoch {told[0][0]} of 6" in told[1][1]
    assert f"resumed after epoch {told[1][0]} of 6" in output
    assert told[1][0] > told[0][0] > 1
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("ended", "whole")]
    assert weights[0] == weights[1]
    assert list(kept.iterdir()) == [], "the copy goes with the end of the step"
