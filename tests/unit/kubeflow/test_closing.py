"""The last task of a pipeline, on a store: status, page, and what is left of checkpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import yaml
from html_page import Page

from autonad.config import Config
from autonad.config.context import Context
from autonad.files import write_json
from autonad.kubeflow import closing
from autonad.kubeflow.closing import settled_state
from autonad.space import SearchSpace
from autonad.steps.step import Step
from autonad.tracking import TrackingSettings, track
from autonad.tracking.registry.model_versions import model_name
from autonad.tracking.runs.dataset_facts import DatasetFacts
from autonad.tracking.runs.made_for import variant_tags
from autonad.tracking.runs.run import NullRun

DATA = DatasetFacts("steel", "f" * 64, "d41d8cd9.dir", 100, 50, ("background", "crack"))
ARCHITECTURE = SearchSpace.preset("tiny").sample(np.random.default_rng(0))


def made_for(budget: float | None) -> dict[str, str]:
    """Tags of a step under a budget; none without one."""
    return {} if budget is None else variant_tags({"target": "line-3", "latency_budget_ms": budget})


class Pipeline:
    """Logs what the steps of a pipeline run log, as they do."""

    def __init__(self, settings: TrackingSettings, folder: Path, run_id: str, name: str) -> None:
        self.settings, self.folder = settings, folder
        self.environment = {"KFP_RUN_ID": run_id, "AUTONAD_RUN_NAME": name}
        folder.mkdir(exist_ok=True)

    def decide(self, action: str) -> None:
        write_json(self.folder / "decision.json", {"action": action, "reasons": [], "notes": ["few parts"]})
        params = {"target": "line-3", "latency_budget_ms": 5.0}
        with track(self.settings, stage="decide", environment=self.environment, params=params) as run:
            run.dataset(DATA, "training")
            run.artifact(self.folder / "decision.json")

    def search(self) -> None:
        table = {
            "miou": [0.5, 0.6],
            "latency_ms": [1.0, 2.0],
            "key": [ARCHITECTURE.key, "x"],
            "generation": [1, 1],
            "origin": ["sample", "mutation"],
            "parents": ["", ""],
            "score": [0.5, 0.6],
            "feasible": [True, True],
            "architecture": [ARCHITECTURE.to_json()] * 2,
        }
        pd.DataFrame(table).to_parquet(self.folder / "population.parquet")
        with track(self.settings, stage="search", environment=self.environment) as run:
            run.dataset(DATA, "validation")
            files = {"search/population.parquet": self.folder / "population.parquet"}
            run.bundle(files, {"architecture.key": ARCHITECTURE.key})

    def retrain(self, error: BaseException | None = None, budget: float | None = None) -> str:
        tags = {"architecture.key": ARCHITECTURE.key, **made_for(budget)}
        with track(self.settings, stage="retrain", environment=self.environment, tags=tags) as run:
            run.dataset(DATA, "training")
            run.log({"model/parameters": 1234.0})
            assert run.id is not None
            if error is not None:
                raise error
            return run.id

    def deliver(self, *, champion: bool, miou: float = 0.341, budget: float | None = None) -> None:
        given = {"environment": self.environment, "tags": made_for(budget)}
        with track(self.settings, stage="evaluate", **given) as run:
            run.log({"test/miou": miou, "test/miou_low": 0.3, "test/miou_high": 0.38})
        report = {
            "model": model_name("steel", "line-3", budget),
            "version": 2,
            "champion": champion,
            "reasons": ["so it is"],
        }
        write_json(self.folder / "registration.json", report)
        with track(self.settings, stage="register", **given) as run:
            run.log({"latency/p50_ms": budget or 2.48, "register/champion": float(champion)})
            run.artifact(self.folder / "registration.json")


@pytest.fixture
def uri(new_store: Callable[..., str]) -> str:
    return new_store()


@pytest.fixture
def pipeline(uri: str, tmp_path: Path) -> Callable[..., Pipeline]:
    def make(run_id: str, name: str) -> Pipeline:
        return Pipeline(
            TrackingSettings(uri=uri, unsent=tmp_path / "unsent"), tmp_path / run_id, run_id, name
        )

    return make


def close(monkeypatch: pytest.MonkeyPatch, uri: str, run_id: str, state: str, **more: Any) -> closing.Closed:
    monkeypatch.setenv("KFP_RUN_ID", run_id)
    for name in ("AUTONAD_RUN_NAME", "AUTONAD_MLFLOW_UI", "MLFLOW_RUN_ID", "DVC_STAGE"):
        monkeypatch.delenv(name, raising=False)
    given = {"uri": uri, "experiment": "", "message": "", "name": f"run {run_id}", **more}
    return closing.close(yaml.safe_dump({"seed": 1}), state=state, **given)


def text_of(closed: closing.Closed) -> str:
    return " ".join(Page(closed.page).text.replace("\N{NO-BREAK SPACE}", " ").split())


class Api(BaseHTTPRequestHandler):
    answers: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        content = self.answers.get(self.path)
        self.send_response(200 if content is not None else 404)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def api() -> Iterator[dict[str, str]]:
    """Kubeflow's API, as a task's environment names it; what it says about runs is in `Api.answers`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield {"ML_PIPELINE_SERVICE_HOST": "127.0.0.1", "ML_PIPELINE_SERVICE_PORT": str(server.server_port)}
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("handed", "answer", "settled"),
    [
        ("RUNNING", b'{"state": "CANCELING"}', "CANCELING"),
        ("RUNNING", b'{"state": "RUNNING"}', "FAILED"),
        ("RUNNING", b"{}", "RUNNING"),
        ("RUNNING", b"<html>", "RUNNING"),
        ("RUNNING", b"[]", "RUNNING"),
        ("RUNNING", None, "RUNNING"),
        ("COMPLETE", b'{"state": "RUNNING"}', "COMPLETE"),
        ("FAILED", b'{"state": "CANCELING"}', "FAILED"),
    ],
)
def test_of_an_unfinished_run_the_api_knows_whether_it_was_terminated(
    handed: str, answer: bytes | None, settled: str, api: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Api, "answers", {} if answer is None else {"/apis/v2beta1/runs/0a1b": answer})
    environment = {"KFP_RUN_ID": "0a1b", **api}

    assert settled_state(handed, environment) == settled
    assert settled_state(handed, {"KFP_RUN_ID": "0a1b"}) == handed
    assert settled_state(handed, environment | {"ML_PIPELINE_SERVICE_PORT": "9"}) == handed


def test_a_pod_that_was_lost_for_good_is_no_termination(
    uri: str, pipeline: Callable[..., Pipeline], api: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autonad.tracking.connection import connect

    run = pipeline("1", "a")
    connect(run.settings).update_run(run.retrain(), status="RUNNING")
    monkeypatch.setattr(Api, "answers", {"/apis/v2beta1/runs/1": b'{"state": "RUNNING"}'})
    for name, value in api.items():
        monkeypatch.setenv(name, value)
    closed = close(monkeypatch, uri, "1", "RUNNING")

    assert closed.status == "FAILED"
    assert "retrain: it ended without a word" in str(closed)


def test_the_page_of_a_good_run_shows_what_was_logged(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pipeline("1", "first-train")
    run.decide("train")
    run.search()
    run.retrain()
    run.deliver(champion=True)
    closed = close(monkeypatch, uri, "1", "COMPLETE", name="", asked={"dataset": "s3://x", "preset": "small"})

    # The name that the steps gave stays where the last task is told none.
    assert (closed.status, closed.text) == ("FINISHED", "first-train is finished")
    text = text_of(closed)
    for part in ("a new detector is in use", "34.1 %", "30.0 to 38.0", "2.48 ms", "1,234", "few parts"):
        assert part in text, part
    for part in ("Train a new supernet", "so it is", "steel", "line-3", "5.0 ms", "small", "d41d8cd9.dir"):
        assert part in text, part
    assert "The search of this run: 2 architectures" in text


def test_the_page_lists_the_detectors_of_all_budgets(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pipeline("1", "first-train")
    run.decide("train")
    run.search()
    for budget in (1.25, 3.5):
        run.retrain(budget=budget)
    run.deliver(champion=False, miou=0.412, budget=1.25)
    run.deliver(champion=True, miou=0.534, budget=3.5)
    text = text_of(close(monkeypatch, uri, "1", "COMPLETE", name=""))

    assert "1 of 2 new detectors in use" in text
    assert "line-3-1.25ms autonad-steel-line-3-1.25ms, version 2 no 41.2 %" in text
    assert "line-3-3.5ms autonad-steel-line-3-3.5ms, version 2 yes 53.4 %" in text
    for part in ("1.25 ms", "3.50 ms", "line-3-3.5ms: so it is", "retrain line-3-1.25ms", "1,234"):
        assert part in text, part


def test_a_run_that_fails_in_one_of_several_detectors_names_it(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pipeline("1", "a")
    run.retrain(budget=1.25)
    with pytest.raises(ValueError, match="diverges"):
        run.retrain(ValueError("the loss diverges"), budget=3.5)
    closed = close(monkeypatch, uri, "1", "FAILED")

    assert closed.text == "run 1 failed: retrain line-3-3.5ms: ValueError: the loss diverges"
    assert "run 1: failed in retrain line-3-3.5ms" in text_of(closed)


def test_a_run_without_a_search_shows_the_front_of_the_one_it_used(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = pipeline("1", "first-train"), pipeline("2", "weekly")
    first.search()
    close(monkeypatch, uri, "1", "COMPLETE", name="first-train")
    second.decide("reuse")
    second.retrain()
    second.deliver(champion=False)
    text = text_of(close(monkeypatch, uri, "2", "COMPLETE"))

    assert "The last search, that of first-train: 2 architectures" in text
    assert "the detector in use stays" in text


def test_a_failed_run_names_its_step_and_a_terminated_one_is_none(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, ended = pipeline("1", "a"), pipeline("2", "b")
    with pytest.raises(ValueError, match="diverges"):
        failed.retrain(ValueError("the loss diverges"))
    with pytest.raises(KeyboardInterrupt):
        ended.retrain(KeyboardInterrupt())
    closed = close(monkeypatch, uri, "1", "FAILED")
    assert closed.text == "run 1 failed: retrain: ValueError: the loss diverges"
    assert "run 1: failed in retrain" in text_of(closed)
    closed = close(monkeypatch, uri, "2", "RUNNING")
    assert (closed.status, closed.text) == ("KILLED", "run 2 was ended: terminated in Kubeflow")
    assert "run 2: terminated" in text_of(closed)


def test_without_mlflow_the_page_says_so_with_what_kubeflow_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = "http://me:secret@127.0.0.1:9"
    closed = close(monkeypatch, uri, "1", "FAILED", message="no node has 64 cpu", asked={"cpu": 64})
    text = text_of(closed)

    assert closed.status == "FAILED"
    assert "cannot be closed" in closed.text
    for part in ("run 1: failed", "no node has 64 cpu", "cannot be used", "start the server", "cpu 64"):
        assert part in text, part
    assert "secret" not in closed.page + closed.text
    unsaid = text_of(close(monkeypatch, uri, "1", "FAILED", asked={"repository": "https://me:secret@host/r"}))
    assert "before it began" not in unsaid
    assert "https://host/r" in unsaid


def test_an_artifact_that_cannot_be_read_costs_its_part_of_the_page_alone(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = pipeline("1", "a")
    (run.folder / "decision.json").write_text("{")
    with track(run.settings, stage="decide", environment=run.environment) as step:
        step.artifact(run.folder / "decision.json")
    run.deliver(champion=True)
    closed = close(monkeypatch, uri, "1", "COMPLETE")

    assert closed.status == "FINISHED"
    assert "version 2" in text_of(closed)
    assert "Decision" not in text_of(closed)


def test_the_copies_of_a_finished_execution_go_and_those_of_others_stay(
    uri: str, pipeline: Callable[..., Pipeline], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    for number, run_id in enumerate(("1", "2")):
        owner = pipeline(run_id, run_id).retrain()
        folder = volume / f"retrain-{number:016x}"
        folder.mkdir(parents=True)
        write_json(folder / "owner.json", {"run": owner})
    closed = close(monkeypatch, uri, "1", "FAILED", checkpoints=str(volume))
    assert len(list(volume.iterdir())) == 2
    closed = close(monkeypatch, uri, "1", "COMPLETE", checkpoints=str(volume))

    assert "1 copies of its checkpoints were removed" in closed.text
    assert [path.name for path in volume.iterdir()] == [f"retrain-{1:016x}"]


def test_without_tracking_a_copy_is_the_executions_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KFP_RUN_ID", "1")
    owner, place = Step(NullRun(), Context(Config())).owner, tmp_path / f"retrain-{1:016x}"
    place.mkdir()
    write_json(place / "owner.json", {"run": owner})
    untracked = yaml.safe_dump({"tracking": {"enabled": False}})
    for run_id, state, left in (("2", "SUCCEEDED", 1), ("1", "FAILED", 1), ("1", "SUCCEEDED", 0)):
        monkeypatch.setenv("KFP_RUN_ID", run_id)
        given = {"uri": "", "experiment": "", "message": "", "checkpoints": str(tmp_path)}
        closing.close(untracked, state=state, **given)
        assert len(list(tmp_path.iterdir())) == left
