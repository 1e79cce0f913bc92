"""Comparing what a real store remembers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autonad import steps
from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import ConfigError, TrackingError
from autonad.space import SearchSpace
from autonad.steps.step import tracking_settings
from autonad.tracking import track
from autonad.tracking.history.executions import Executions
from autonad.tracking.runs.dataset_facts import DatasetFacts

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ALONE: dict[str, str] = {}
DATA = DatasetFacts(
    "steel", "f" * 64, "d41d8cd98f00b204e9800998ecf8427e.dir", 100, 50, ("background", "crack")
)


@pytest.fixture
def config(new_store: Callable[..., str]) -> Config:
    return load_config(None, [f"tracking.uri={new_store()}", "tracking.system_seconds=null"])


@pytest.fixture
def execution(config: Config, tmp_path: Path) -> Callable[..., str]:
    """Logs an execution of two steps as the steps themselves do; returns the evaluation's run id."""

    def make(name: str, *, seed: int = 0, miou: float = 0.8, fails: bool = False) -> str:
        settings = tracking_settings(config)
        architecture = SearchSpace.preset("tiny").sample(np.random.default_rng(seed))
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "architecture.json").write_text(architecture.to_json())
        table = {
            "miou": [0.5, 0.6],
            "latency_ms": [1.0, 2.0],
            "key": [architecture.key, "x"],
            "generation": [1, 1],
            "origin": ["sample", "mutation"],
            "parents": ["", ""],
            "score": [0.5, 0.6],
            "feasible": [True, True],
            "architecture": [architecture.to_json()] * 2,
        }
        pd.DataFrame(table).to_parquet(folder / "population.parquet")
        counts = [[90, 0, 2, 8], [90, 0, 4, 6]]
        images = {
            "image": ["1", "2"],
            "group": ["a", "b"],
            **{name: [10, 10] for name in ("height", "width", "truth_px", "predicted_px")},
            "miou": [0.8, 0.7],
            **{name: [True, False] for name in ("defect", "missed", "false_alarm")},
            "confusion_input": counts,
            "confusion_native": counts,
        }
        pd.DataFrame(images).to_parquet(folder / "per_image.parquet")
        with track(settings, stage="search", execution=name, environment=ALONE, params={"seed": seed}) as run:
            run.dataset(DATA, "validation")
            names = ("architecture.json", "population.parquet")
            assert run.bundle({f"search/{file}": folder / file for file in names}, {})
            run.headline(f"search {seed}")
        try:
            with track(
                settings, stage="evaluate", execution=name, environment=ALONE, tags={"git.sha": f"sha{seed}"}
            ) as run:
                run.log({"test/miou": miou, "test/miou_low": miou - 0.1, "test/miou_high": miou + 0.1})
                run.artifact(folder / "per_image.parquet")
                if fails:
                    raise ValueError("no test image")
        except ValueError:
            pass
        assert run.id is not None
        return run.id

    return make


def client(config: Config) -> Any:
    from autonad.tracking.connection import MlflowClient

    return MlflowClient(config.tracking.uri)


def test_everything_comes_back_from_the_store(config: Config, execution: Callable[..., str]) -> None:
    execution("monday")
    execution("tuesday", seed=1, miou=0.9)
    monday, tuesday = Executions(tracking_settings(config)).named(["monday", "tuesday"])
    assert (monday.name, monday.status) == ("monday", "FINISHED")
    assert tuesday.metrics["evaluate"]["test/miou"] == 0.9
    assert monday.params["search"] == {"seed": "0"}
    assert monday.said == {"search": "search 0"}
    assert monday.data["DVC md5"] == DATA.dvc_md5
    assert monday.data["classes"] == "2 (background, crack)"
    assert monday.code["commit"] == "sha0"
    assert monday.architecture == SearchSpace.preset("tiny").sample(np.random.default_rng(0))
    assert monday.population is not None
    assert len(monday.population) == 2
    assert monday.images is not None
    assert list(monday.images["group"]) == ["a", "b"]


def test_the_newest_finished_executions_are_compared_oldest_first(
    config: Config, execution: Callable[..., str], tmp_path: Path
) -> None:
    for number, name in enumerate(("one", "two", "three")):
        execution(name, seed=number)
    execution("broken", fails=True)
    result = steps.compare(Context(config), last=2, output=tmp_path / "page.html")
    assert [line.split()[0] for line in result.table.splitlines()] == ["run", "two", "three"]
    assert "params  seed: 1 → 2" in result.changes
    assert "On the same images" in (tmp_path / "page.html").read_text()
    with pytest.raises(TrackingError, match="holds 3 finished executions, 4 are asked for"):
        steps.compare(Context(config), last=4, output=tmp_path / "page.html")


def test_single_runs_can_be_compared_with_executions(
    config: Config, execution: Callable[..., str], tmp_path: Path
) -> None:
    first = execution("one")
    second = execution("two", miou=0.7)
    result = steps.compare(Context(config), runs=[first, second, "one"], output=tmp_path / "page.html")
    names = [line.split("  ")[0] for line in result.table.splitlines()[1:]]
    assert names == [f"evaluate {first[:6]}", f"evaluate {second[:6]}", "one"]


def test_a_step_that_ran_twice_counts_once_and_a_failed_one_last(
    config: Config, execution: Callable[..., str]
) -> None:
    execution("one", miou=0.8)
    settings = tracking_settings(config)
    with track(settings, stage="evaluate", execution="one", environment=ALONE) as run:
        run.log({"test/miou": 0.6})
    execution("one", miou=0.1, fails=True)
    (found,) = Executions(settings).named(["one"])
    assert found.metrics["evaluate"]["test/miou"] == 0.6


def test_a_damaged_file_is_named_and_left_out(
    config: Config, execution: Callable[..., str], tmp_path: Path
) -> None:
    run_id = execution("one")
    execution("two")
    where = Path(client(config).get_run(run_id).info.artifact_uri.removeprefix("file://"))
    (where / "per_image.parquet").write_bytes(b"no table")
    told: list[str] = []
    steps.compare(
        Context(config, console=Console(report=told.append)),
        runs=["one", "two"],
        output=tmp_path / "page.html",
    )
    assert told[0].startswith(f"per_image.parquet of run {run_id} cannot be used and is left out")
    assert "Pareto fronts" in (tmp_path / "page.html").read_text()


def test_the_last_two_are_compared_where_none_is_named(
    config: Config, execution: Callable[..., str], tmp_path: Path
) -> None:
    for seed, name in enumerate(("one", "two", "three")):
        execution(name, seed=seed)
    page = tmp_path / "page.html"

    unasked = steps.compare(Context(config), output=page).table
    assert unasked == steps.compare(Context(config), runs=["two", "three"], output=page).table
    assert unasked != steps.compare(Context(config), runs=["one", "three"], output=page).table


def test_what_cannot_be_compared_is_one_clear_line(
    config: Config, execution: Callable[..., str], tmp_path: Path
) -> None:
    run_id = execution("one")
    page = tmp_path / "page.html"
    with pytest.raises(ConfigError, match="at least two runs"):
        steps.compare(Context(config), runs=["one"], output=page)
    with pytest.raises(ConfigError, match="not both"):
        steps.compare(Context(config), runs=["one", "one"], last=2, output=page)
    with pytest.raises(TrackingError, match="2 are asked for"):
        steps.compare(Context(config), output=page)
    with pytest.raises(ConfigError, match="named twice"):
        steps.compare(Context(config), runs=["one", "one"], output=page)
    with pytest.raises(TrackingError, match="no execution and no run 'other'"):
        steps.compare(Context(config), runs=["one", "other"], output=page)
    client(config).delete_run(run_id)
    with pytest.raises(TrackingError, match=f"run {run_id} was deleted"):
        steps.compare(Context(config), runs=["one", run_id], output=page)
    elsewhere = config.model_copy(
        update={"tracking": config.tracking.model_copy(update={"experiment": "other"})}
    )
    with pytest.raises(TrackingError, match="experiment 'other' is not there"):
        steps.compare(Context(elsewhere), runs=["one", "two"], output=page)
    assert not page.exists()
