"""Servers that go away in the middle, and several components at once: no metric is lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import SETTINGS
from mlflow_servers import MlflowServer, running, sqlite_server
from mlflow_team import verb

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(2400),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


# -- outages ---------------------------------------------------------------------------------------------


@dataclass
class Training:
    """A supernet training under way, whose server can be taken away."""

    server: MlflowServer
    root: Path
    process: subprocess.Popen[bytes]
    epochs: int

    def epoch(self) -> int:
        path = self.root / "supernet/records.jsonl"
        return len(path.read_text().splitlines()) // 6 if path.exists() else 0

    def wait_for(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 900
        while not condition():
            assert self.process.poll() is None, f"training ended before {what}"
            assert time.monotonic() < deadline, what
            time.sleep(0.1)

    @property
    def client(self) -> Any:
        from autonad.tracking.connection import MlflowClient

        return MlflowClient(self.server.uri)

    def run_id(self) -> str | None:
        experiment = self.client.get_experiment_by_name("autonad")
        if experiment is None:
            return None
        query = f"tags.`autonad.execution` = '{self.root.name}' AND tags.`autonad.stage` = 'train-supernet'"
        runs = self.client.search_runs([experiment.experiment_id], query)
        return str(runs[0].info.run_id) if runs else None

    def steps(self, metric: str) -> list[int]:
        """Steps of a metric that the server has, with repetitions."""
        run_id = self.run_id()
        return sorted(p.step for p in self.client.get_metric_history(run_id, metric)) if run_id else []

    def check_nothing_is_missing(self) -> None:
        epochs = list(range(1, self.epochs + 1))
        for metric in ("train/loss", "train/learning_rate", "train/seconds"):
            assert self.steps(metric) == epochs, metric  # none missing, none twice
        assert self.steps("val/miou") == epochs[9::10]
        assert self.client.get_run(self.run_id()).info.status == "FINISHED"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, MlflowServer]]:
    """A folder with a dataset, and a server."""
    root = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "AUTONAD_PARENT_RUN_ID", "AUTONAD_EXECUTION"):
            patch.delenv(name, raising=False)
        with running(sqlite_server(root / "server")) as server:
            (root / "params.yaml").write_text(f"{SETTINGS}tracking: {{uri: '{server.uri}'}}\n")
            verb(root, "synthesize", "--output", "steel", "--set", "tracking.enabled=false")
            yield root, server


@pytest.fixture
def training(
    workshop: tuple[Path, MlflowServer], start_autonad: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> Iterator[Training]:
    (home, server), epochs = workshop, 150
    process = start_autonad(
        *("train-supernet", "--dataset", home / "steel", "--output", "supernet"),
        *("--params", home / "params.yaml", "--execution", tmp_path.name),
        *("--set", f"train_supernet.epochs={epochs}", "--set", "train_supernet.validate_every=10"),
        cwd=tmp_path,
    )
    yield Training(server, tmp_path, process, epochs)
    process.kill()
    process.wait()
    server.kill()
    server.start()


def test_a_server_that_is_killed_for_a_while_misses_no_metric(training: Training) -> None:
    server, process = training.server, training.process
    training.wait_for(lambda: bool(training.steps("train/loss")), "the first loss was logged")
    server.kill()
    at = training.epoch()
    training.wait_for(lambda: training.epoch() >= at + 30, "30 epochs went by without a server")
    process.send_signal(signal.SIGSTOP)  # a slow start of the server must not outlast the training
    server.start()
    process.send_signal(signal.SIGCONT)
    assert process.wait(900) == 0
    training.check_nothing_is_missing()
    assert not (training.root / "mlflow-unsent").exists()


def test_a_server_that_stays_away_gets_everything_from_the_next_step(
    training: Training, workshop: tuple[Path, MlflowServer]
) -> None:
    home, server = workshop
    training.wait_for(lambda: bool(training.steps("train/loss")), "the first loss was logged")
    server.kill()
    assert training.process.wait(900) == 0
    assert (training.root / "supernet/supernet.safetensors").is_file()
    assert list((training.root / "mlflow-unsent").glob("*.jsonl"))
    server.start()
    told = verb(training.root, "audit", "--dataset", home / "steel", "--params", home / "params.yaml")
    assert "had waited in" in told
    training.check_nothing_is_missing()
    assert not (training.root / "mlflow-unsent").exists()


COMPONENT = """
import sys
from pathlib import Path
from autonad.tracking import TrackingSettings, track

uri, number = sys.argv[1:]
settings = TrackingSettings(uri=uri, unsent=Path(f"unsent-{number}"), system_seconds=0.2)
told = []
options = {"execution": "all at once", "params": {"number": number}, "warn": told.append}
with track(settings, stage="retrain", **options) as run:
    for epoch in range(1, 401):
        run.log({"train/loss": epoch / 7, "val/miou": int(number)}, step=epoch)
    run.text("x" * 100_000, "figures/large.svg")
assert not told, told
"""


def test_four_components_at_once_lose_nothing_on_a_sqlite_server(
    workshop: tuple[Path, MlflowServer], tmp_path: Path
) -> None:
    _, server = workshop
    started = [
        subprocess.Popen(
            [sys.executable, "-c", COMPONENT, server.uri, str(number)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for number in range(4)
    ]
    for component in started:
        output, _ = component.communicate(timeout=900)
        assert component.returncode == 0, output
    from autonad.tracking.connection import MlflowClient

    client = MlflowClient(server.uri)
    experiment = client.get_experiment_by_name("autonad").experiment_id
    runs = client.search_runs([experiment], "tags.`autonad.execution` = 'all at once'")
    (parent,) = [run for run in runs if run.data.tags.get("autonad.role") == "parent"]
    children = [run for run in runs if run is not parent]
    assert sorted(run.data.params["number"] for run in children) == ["0", "1", "2", "3"]
    for run in children:
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"
        losses = client.get_metric_history(run.info.run_id, "train/loss")
        assert sorted((p.step, p.value) for p in losses) == [(e, e / 7) for e in range(1, 401)]
        scores = client.get_metric_history(run.info.run_id, "val/miou")
        assert {p.value for p in scores} == {float(run.data.params["number"])}
        assert len(scores) == 400
        assert [entry.path for entry in client.list_artifacts(run.info.run_id)] == ["figures"]
    assert not list(tmp_path.glob("unsent-*"))
