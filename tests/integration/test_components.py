"""Every component through its function, in the order of the pipeline: what it writes, what is shown of it."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from commands import SETTINGS, environment
from kfp import dsl

from autonad import steps
from autonad.config import parse_config
from autonad.config.context import Context
from autonad.kubeflow.closing import close
from autonad.latency.target import Target
from autonad.tracking.connection import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


def settings(root: Path, **sections: dict[str, Any]) -> str:
    known = yaml.safe_load(SETTINGS)
    known["decide"] = {"calibration_draws": 20}
    known["tracking"] = {"uri": f"sqlite:///{root / 'mlflow.db'}", "system_seconds": None, "dataset": "parts"}
    known["train_supernet"] |= {"epochs": 1, "validate_every": 1}
    known["search"] |= {"population": 4, "generations": 1, "top_k": 2, "finalists": 1, "finalist_epochs": 0}
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


KINDS = {
    "request": dsl.Artifact,
    "dataset": dsl.Dataset,
    "pin": dsl.Artifact,
    "last_supernet": dsl.Model,
    "last_latency": dsl.Artifact,
    "last_search": dsl.Artifact,
    "measured": dsl.Artifact,
    "decision": dsl.Artifact,
    "page": dsl.HTML,
}


def prepared(text: str, folder: Path, out: Outputs, turn: str, **entered: Any) -> tuple[Any, dict[str, Any]]:
    """What the first task returns, and its artifacts."""
    made = {name: out(kind, f"prepare-{turn}", name) for name, kind in KINDS.items()}
    form: dict[str, Any] = {
        "run_name": f"run {turn}",
        "repository": str(folder.parent),
        "revision": "",
        "path": folder.name,
        "target": "here",
        "latency": "",
        "latency_budget_ms": 0.0,
        "latency_budgets_ms": [],
        "preset": "",
        "force": "none",
        "settings": text,
        "checkpoints": "",
        "resources": {"cpu": 1.0, "node_selector": {}},
        "secret": "none",
        "mlflow_uri": "",
        "experiment": "",
    }
    return call("prepare", **{**form, **entered}, **made), made


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a task changes of its process is as before afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("AUTONAD_RUN_NAME", "")
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("own_process")
def test_the_components_make_a_detector_and_know_the_last_search(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KFP_RUN_ID", "by-hand")
    out, text = Outputs(tmp_path), settings(tmp_path)
    returned, made = prepared(text, chain / "dataset", out, "first")
    assert returned[:5] == ("train", "1", "2Gi", "4", "8Gi")
    assert made["dataset"].metadata["images"] == 40
    assert json.loads((Path(made["request"].path) / "target.json").read_text())["name"] == "here"
    assert "<html" in Path(made["page"].path).read_text()

    found, model = out(dsl.Artifact, "search", "found"), out(dsl.Model, "retrain", "model")
    supernet, latency = out(dsl.Model, "train", "supernet"), out(dsl.Artifact, "profile", "latency")
    evaluation, exported = out(dsl.Artifact, "evaluate", "evaluation"), out(dsl.Model, "deliver", "exported")
    metrics = {name: out(dsl.Metrics, name, "metrics") for name in ("s", "p", "a", "r", "e", "f", "d")}
    request = {"request": made["request"]}
    given = {**request, "dataset": made["dataset"]}
    training = {**given, "checkpoints": ""}
    known = {"last_latency": made["last_latency"], "measured": made["measured"]}
    call("profile_latency", **request, **known, latency=latency, metrics=metrics["p"])
    call("train_supernet", **training, pin=made["pin"], supernet=supernet, metrics=metrics["s"])
    call(
        "search",
        **training,
        pin=made["pin"],
        supernet=supernet,
        latency=latency,
        found=found,
        metrics=metrics["a"],
        pareto=out(dsl.HTML, "search", "pareto"),
    )
    call("retrain", **training, found=found, supernet=supernet, model=model, metrics=metrics["r"])
    confusion, roc = (out(dsl.ClassificationMetrics, "evaluate", name) for name in ("confusion", "roc"))
    call(
        "evaluate",
        **given,
        model=model,
        found=found,
        latency=latency,
        evaluation=evaluation,
        metrics=metrics["e"],
        confusion=confusion,
        roc=roc,
        report=out(dsl.HTML, "evaluate", "report"),
    )
    rules, page = out(dsl.Artifact, "fit", "rules"), out(dsl.HTML, "fit", "report")
    judged = {**request, "evaluation": evaluation, "found": found}
    call("fit_thresholds", **judged, rules=rules, metrics=metrics["f"], report=page)
    summary = out(dsl.Markdown, "deliver", "summary")
    decision = call(
        "deliver",
        **given,
        model=model,
        evaluation=evaluation,
        rules=rules,
        found=found,
        exported=exported,
        registration=out(dsl.Artifact, "deliver", "registration"),
        metrics=metrics["d"],
        summary=summary,
    )

    assert decision == "champion"
    told = json.loads((Path(evaluation.path) / "metrics.json").read_text())
    assert metrics["e"].metadata["miou"] == pytest.approx(told["input"]["miou"], abs=1e-6)
    assert metrics["d"].metadata["p50_ms"] > 0
    operating = json.loads((Path(rules.path) / "operating.json").read_text())
    shown = operating["test"]["misses"]
    assert metrics["f"].metadata["test_misses"] == pytest.approx(shown["rate"], abs=1e-6)
    shown_page = Path(page.path).read_text().replace("\N{NO-BREAK SPACE}", " ")
    assert operating["promise"]["text"] in shown_page
    assert f"missed | {shown['count']} of {shown['of']}" in Path(summary.path).read_text()
    assert len(confusion.metadata["confusionMatrix"]["rows"]) == len(told["classes"])
    points = roc.metadata["confidenceMetrics"]
    assert (points[0]["recall"], points[-1]["recall"]) == (0.0, 1.0)
    assert f"test mIoU | {100 * told['input']['miou']:.1f} %" in Path(summary.path).read_text()
    page = out(dsl.HTML, "close-run", "page")
    call(
        "close_run",
        run_name="run first",
        repository=str(chain),
        path="dataset",
        target="here",
        latency_budget_ms=0.0,
        latency_budgets_ms=[],
        settings=text,
        checkpoints="",
        mlflow_uri="",
        experiment="",
        status=dsl.PipelineTaskFinalStatus("SUCCEEDED", "job", "detector", None, None),
        page=page,
    )
    shown = Path(page.path).read_text()
    assert f"{100 * told['input']['miou']:.1f}" in shown
    assert "run first" in shown

    again, last = prepared(text, chain / "dataset", out, "second")
    assert again[0] == "reuse"
    inherited = (Path(folder.path) / "inherited.safetensors" for folder in (last["last_search"], found))
    assert len({path.read_bytes() for path in inherited}) == 1
    table = out(dsl.Artifact, "profile-again", "latency")
    known = {"last_latency": last["last_latency"], "measured": last["measured"]}
    call(
        "profile_latency",
        request=last["request"],
        **known,
        latency=table,
        metrics=out(dsl.Metrics, "p2", "m"),
    )
    tables = (Path(folder.path) / "table.parquet" for folder in (latency, table))
    assert len({path.read_bytes() for path in tables}) == 1, "a known table is taken over"

    other = Target.describe("other", threads=1).model_copy(update={"cpu": "Cortex-A53"}).model_dump_json()
    assert prepared(text, chain / "dataset", out, "third", target=other)[0][0] == "search"
    new = Context(parse_config(text, ("synthesize.seed=9",), source="test"))
    steps.synthesize(new, output=tmp_path / "new/dataset")
    assert prepared(text, tmp_path / "new/dataset", out, "fourth")[0][0] == "train"


@pytest.mark.acceptance
@pytest.mark.usefixtures("own_process")
def test_a_mistake_is_one_line_and_an_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "tracking: {enabled: false}\nspace: {preset: huge}"
    with pytest.raises(SystemExit) as ended:
        prepared(text, tmp_path / "parts", Outputs(tmp_path), "only")

    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: there is no search space preset 'huge'; use one of ")
    assert len(said.splitlines()) == 1


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("own_process")
def test_what_a_task_has_finished_outlasts_its_pod_until_the_run_is_closed(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_RUN_ID", "by-hand")
    kept, out = tmp_path / "kept", Outputs(tmp_path)
    text = settings(tmp_path, retrain={"epochs": 2}, train_supernet={"epochs": 2})
    _, made = prepared(text, chain / "dataset", out, "first")
    given = {"request": made["request"], "dataset": made["dataset"], "checkpoints": str(kept)}
    for pod in ("lost", "second"):
        supernet, model = out(dsl.Model, pod, "supernet"), out(dsl.Model, pod, "model")
        found, page = out(dsl.Artifact, pod, "found"), out(dsl.HTML, pod, "pareto")
        metrics = out(dsl.Metrics, pod, "metrics")
        call("train_supernet", **given, pin=made["pin"], supernet=supernet, metrics=metrics)
        latency = dsl.Artifact(uri=str(chain / "latency"))
        read = {"pin": made["pin"], "supernet": supernet, "latency": latency}
        call("search", **given, **read, found=found, metrics=metrics, pareto=page)
        call("retrain", **given, found=found, supernet=supernet, model=model, metrics=metrics)
        copies = {path.name.rpartition("-")[0] for path in kept.iterdir()}
        assert copies == {"train-supernet", "search", "retrain"}
    closed = close(
        text, uri="", experiment="", state="SUCCEEDED", message=None, name="first", checkpoints=str(kept)
    )

    for name in ("supernet/supernet.safetensors", "found/architecture.json", "model/model.safetensors"):
        assert (tmp_path / "lost" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    assert "3 copies of its checkpoints were removed" in closed.text
    assert not list(kept.iterdir())


ATTEMPT = """
import sys
from kfp import dsl
from components.retrain import retrain
request, checkpoints, dataset, found, supernet, model = sys.argv[1:]
retrain.python_func(
    request=dsl.Artifact(uri=request), checkpoints=checkpoints, dataset=dsl.Dataset(uri=dataset),
    found=dsl.Artifact(uri=found), supernet=dsl.Model(uri=supernet), model=dsl.Model(uri=model),
    metrics=dsl.Metrics())
"""


@pytest.mark.acceptance
def test_a_task_that_is_asked_to_end_says_so_and_its_run_is_killed(chain: Path, tmp_path: Path) -> None:
    """As Kubernetes does it; the supervisor passes the signal on."""
    text = settings(tmp_path, retrain={"epochs": 500})
    (tmp_path / "request").mkdir()
    (tmp_path / "request/params.yaml").write_text(text)
    given = [chain / folder for folder in ("dataset", "search", "supernet")]
    arguments = (tmp_path / "request", "", *given, tmp_path / "model")
    process = subprocess.Popen(
        [sys.executable, "-c", ATTEMPT, *map(str, arguments)],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**environment(), "PYTHONPATH": str(ROOT), "KFP_RUN_ID": "ended"},
        cwd=tmp_path,
    )
    pointer = tmp_path / "model/checkpoint/latest.json"
    while process.poll() is None and not pointer.is_file():
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)

    assert process.returncode == 128 + signal.SIGTERM, said
    assert "error: retrain was asked to end" in said
    runs = open_store(f"sqlite:///{tmp_path / 'mlflow.db'}").search_runs(
        ["1"], "tags.`autonad.stage` = 'retrain'"
    )
    assert [run.info.status for run in runs] == ["KILLED"]


@pytest.mark.acceptance
def test_a_training_task_that_is_killed_twice_ends_with_the_same_weights(chain: Path, tmp_path: Path) -> None:
    """Each attempt has a fresh disk, as a new pod has; only the location of the checkpoints stays."""
    text = settings(tmp_path, retrain={"epochs": 6}, tracking={"enabled": False})
    (tmp_path / "request").mkdir()
    (tmp_path / "request/params.yaml").write_text(text)
    kept = tmp_path / "kept"

    def attempt(name: str, checkpoints: str) -> subprocess.Popen[str]:
        given = [chain / folder for folder in ("dataset", "search", "supernet")]
        arguments = (tmp_path / "request", checkpoints, *given, tmp_path / name)
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
    lost = attempt("lost", str(kept))
    output, _ = lost.communicate()
    assert "resumed after epoch 6 of 6" in output, "what was finished is not trained again"
    weights = {(tmp_path / name / "model.safetensors").read_bytes() for name in ("ended", "lost", "whole")}
    assert len(weights) == 1


def two_networks(chain: Path, folder: Path) -> list[str]:
    """A search folder of two budgets with a network for each; returns their names."""
    from autonad.training.folders import load_supernet, save_search

    net, _, _ = load_supernet(chain / "supernet")
    rng, known = np.random.default_rng(1), json.loads((chain / "search/search.json").read_text())
    first = second = net.space.sample(rng)
    while second == first:
        second = net.space.sample(rng)
    told = {key: known[key] for key in ("spec", "target", "hardware_key", "predicted_ms", "finalists")}
    listed = [
        {
            "name": f"here-{budget}ms",
            "folder": f"variants/here-{budget}ms",
            "hardware_key": told["hardware_key"],
        }
        for budget in (1, 3)
    ]
    for one, architecture, budget in zip(listed, (first, second), (1.0, 3.0), strict=True):
        save_search(
            folder / one["folder"],
            net.extract(architecture).cpu(),
            {**told, "latency_budget_ms": budget, "variants": [{**one, "folder": "."}]},
        )
    save_search(folder, net.extract(first).cpu(), {**told, "latency_budget_ms": 1.0, "variants": listed})
    return [one["name"] for one in listed]


@pytest.mark.acceptance
def test_a_lost_pod_goes_on_in_the_network_that_it_was_in(chain: Path, tmp_path: Path) -> None:
    text = settings(tmp_path, retrain={"epochs": 6}, tracking={"enabled": False})
    (tmp_path / "request").mkdir()
    (tmp_path / "request/params.yaml").write_text(text)
    names, kept = two_networks(chain, tmp_path / "search"), tmp_path / "kept"

    def attempt(name: str, checkpoints: str) -> subprocess.Popen[str]:
        given = [chain / "dataset", tmp_path / "search", chain / "supernet"]
        arguments = (tmp_path / "request", checkpoints, *given, tmp_path / name)
        return subprocess.Popen(
            [sys.executable, "-c", ATTEMPT, *map(str, arguments)],
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment(), "PYTHONPATH": str(ROOT)},
            cwd=tmp_path,
        )

    def epochs() -> list[int]:
        pointers = kept.glob("*/checkpoint/latest.json")
        return sorted(json.loads(path.read_text())["progress"]["epoch"] for path in pointers)

    lost = attempt("lost", str(kept))
    while lost.poll() is None and (len(epochs()) < 2 or epochs()[0] < 2):
        time.sleep(0.01)
    os.kill(lost.pid, signal.SIGKILL)
    output, _ = lost.communicate()
    assert lost.returncode == -signal.SIGKILL, output
    first, last = epochs()[::-1]
    ended = attempt("ended", str(kept))
    output, _ = ended.communicate()
    assert ended.returncode == 0, output
    whole = attempt("whole", "")
    whole_output, _ = whole.communicate()
    assert whole.returncode == 0, whole_output

    assert first == 6 > last
    assert "resumed after epoch 6 of 6" in output, "what was finished is not trained again"
    assert f"resumed after epoch {last} of 6" in output
    for name in names:
        model = f"variants/{name}/model.safetensors"
        assert (tmp_path / "ended" / model).read_bytes() == (tmp_path / "whole" / model).read_bytes()
    models = {(tmp_path / "whole/variants" / name / "model.safetensors").read_bytes() for name in names}
    assert len(models) == 2
    assert len(epochs()) == 2, "the copies stay until the run is closed"


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("own_process")
def test_every_budget_gets_a_detector_and_the_next_run_knows_them_all(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KFP_RUN_ID", "by-hand")
    trained = yaml.safe_load(SETTINGS)["train_supernet"]
    out, text = Outputs(tmp_path), settings(tmp_path, train_supernet=trained)
    entered = {"target": (chain / "targets/here.json").read_text(), "latency_budgets_ms": [500.0, 1000.0]}
    _, made = prepared(text, chain / "dataset", out, "first", **entered)
    given = {"request": made["request"], "dataset": made["dataset"]}
    supernet = dsl.Model(uri=str(chain / "supernet"))
    latency = dsl.Artifact(uri=str(chain / "latency"))
    training = {**given, "checkpoints": "", "supernet": supernet}
    found, model = out(dsl.Artifact, "search", "found"), out(dsl.Model, "retrain", "model")
    metrics = {
        name: out(dsl.Metrics, name, "metrics")
        for name in ("search", "retrain", "evaluate", "fit", "deliver")
    }
    shown = {"metrics": metrics["search"], "pareto": out(dsl.HTML, "search", "pareto")}
    call("search", **training, pin=made["pin"], latency=latency, found=found, **shown)
    names = [path.name for path in sorted((Path(found.path) / "variants").iterdir(), reverse=True)]
    assert names == ["here-500ms", "here-1000ms"]
    call("retrain", **training, found=found, model=model, metrics=metrics["retrain"])
    evaluation, rules = out(dsl.Artifact, "evaluate", "evaluation"), out(dsl.Artifact, "fit", "rules")
    confusion, roc = (out(dsl.ClassificationMetrics, "evaluate", name) for name in ("confusion", "roc"))
    shown = {"metrics": metrics["evaluate"], "confusion": confusion, "roc": roc}
    page = out(dsl.HTML, "evaluate", "report")
    call(
        "evaluate",
        **given,
        model=model,
        found=found,
        latency=latency,
        evaluation=evaluation,
        **shown,
        report=page,
    )
    judged = {"request": made["request"], "evaluation": evaluation, "found": found}
    call(
        "fit_thresholds", **judged, rules=rules, metrics=metrics["fit"], report=out(dsl.HTML, "fit", "report")
    )
    exported, registration = (
        out(dsl.Model, "deliver", "exported"),
        out(dsl.Artifact, "deliver", "registration"),
    )
    summary = out(dsl.Markdown, "deliver", "summary")
    shown = {"metrics": metrics["deliver"], "summary": summary}
    read = {**given, "model": model, "evaluation": evaluation, "rules": rules, "found": found}
    assert call("deliver", **read, exported=exported, registration=registration, **shown) == "champion"

    assert Path(page.path).read_text().count("<iframe") == 2
    for name in names:
        assert metrics["evaluate"].metadata[f"miou_{name}"] >= 0
        assert metrics["deliver"].metadata[f"p50_ms_{name}"] > 0
        assert registration.metadata[f"model_{name}"] == f"autonad-parts-{name}"
        assert f"autonad-parts-{name}, version 1" in Path(summary.path).read_text()
        assert (Path(exported.path) / "variants" / name / "model.onnx").is_file()
    closed = out(dsl.HTML, "close-run", "page")
    form = {"repository": str(chain), "path": "dataset", "target": "here", "mlflow_uri": "", "experiment": ""}
    call(
        "close_run",
        **form,
        run_name="run first",
        latency_budget_ms=0.0,
        latency_budgets_ms=entered["latency_budgets_ms"],
        settings=text,
        checkpoints="",
        status=dsl.PipelineTaskFinalStatus("SUCCEEDED", "job", "detector", None, None),
        page=closed,
    )
    told = Path(closed.path).read_text()
    assert "2 of 2 new detectors in use" in told
    assert all(f"autonad-parts-{name}, version 1" in told for name in names)

    again, last = prepared(text, chain / "dataset", out, "second", **entered)
    assert again[0] == "reuse"
    for name in names:
        files = (
            Path(one.path) / "variants" / name / "inherited.safetensors"
            for one in (last["last_search"], found)
        )
        assert len({path.read_bytes() for path in files}) == 1
