"""What housekeeping finds and removes in a real store, and what it never touches."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autonad import steps
from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.console import SILENT, Console
from autonad.errors import ConfigError, TrackingError
from autonad.steps.step import tracking_settings
from autonad.tracking import last_search, load_search, log_search, track
from autonad.tracking.history.leftovers import Artifacts
from autonad.tracking.history.retention import Retention, Rule
from autonad.tracking.history.search_files import BUNDLE
from autonad.tracking.tags import COLLECTED, DATASET, HARDWARE_KEY

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
ALONE: dict[str, str] = {}
NAME = "autonad-steel-line-3"


@dataclass
class Store:
    """A store that is filled as the steps fill it; what is in the files does not matter here."""

    config: Config
    scratch: Path

    def __post_init__(self) -> None:
        self.numbers = itertools.count(1)
        for folder, (needed, optional) in BUNDLE.items():
            (self.scratch / folder).mkdir(parents=True)
            for name in (*needed, *optional):
                (self.scratch / folder / name).write_text(f"content of {folder}/{name}")
        (self.scratch / "pin/pin.json").write_text('{"key": "0123456789ab"}')

    @property
    def client(self) -> Any:
        from autonad.tracking.connection import MlflowClient

        return MlflowClient(self.config.tracking.uri)

    def search(
        self,
        architecture: str = "",
        *,
        execution: str | None = None,
        hardware: str = "aa",
        fails: bool = False,
        variants: list[dict[str, str]] | None = None,
    ) -> str:
        key = architecture or f"{next(self.numbers):012x}"
        told = {"architecture_key": key, "variants": variants or []}
        (self.scratch / "search/search.json").write_text(json.dumps(told))
        tags = {DATASET: "steel", HARDWARE_KEY: hardware}
        try:
            with track(
                tracking_settings(self.config),
                stage="search",
                execution=execution,
                tags=tags,
                environment=ALONE,
            ) as run:
                log_search(run, {folder: self.scratch / folder for folder in BUNDLE})
                if fails:
                    raise ValueError("no finalist keeps the budget")
        except ValueError:
            pass
        time.sleep(0.002)  # MLflow counts in milliseconds
        assert run.id is not None
        return run.id

    def supernet(self, execution: str) -> str:
        with track(
            tracking_settings(self.config),
            stage="train-supernet",
            execution=execution,
            tags={DATASET: "steel"},
            environment=ALONE,
        ) as run:
            for name in ("supernet.safetensors", "records.parquet", "supernet.json"):
                (self.scratch / name).write_text("weights")
                run.artifact(self.scratch / name)
        time.sleep(0.002)
        assert run.id is not None
        return run.id

    def version(self, architecture: str, *, alias: str = "", execution: str | None = None) -> str:
        """A version with files, as `register` leaves it."""
        client = self.client
        with track(
            tracking_settings(self.config), stage="register", execution=execution, environment=ALONE
        ) as run:
            experiment = client.get_experiment_by_name("autonad").experiment_id
            model = client.create_logged_model(experiment, name=NAME, source_run_id=run.id)
            (self.scratch / "model").mkdir(exist_ok=True)
            (self.scratch / "model/model.onnx").write_text(architecture)
            client.log_model_artifacts(model.model_id, str(self.scratch / "model"))
            client.finalize_logged_model(model.model_id, "READY")
        if NAME not in [found.name for found in client.search_registered_models()]:
            client.create_registered_model(NAME, tags={"autonad.model": NAME})
        made = client.create_model_version(
            NAME,
            model.artifact_location,
            run_id=run.id,
            model_id=model.model_id,
            tags={"architecture.key": architecture},
        )
        if alias:
            client.set_registered_model_alias(NAME, alias, made.version)
            client.set_model_version_tag(NAME, made.version, "autonad.decision", "champion")
        return str(made.version)

    def plan(self, **changes: Any) -> set[str]:
        """Names of what may go under a rule that keeps one of each."""
        rule = Rule(**({"searches": 1, "challengers": 1, "min_age_days": 0.0} | changes))
        time.sleep(0.002)  # what is as old as now is too young
        found = Retention(tracking_settings(self.config)).plan(rule)
        return {leftover.version or leftover.name for leftover in found}

    def gc(self, *, keep_challengers: int = 1, console: Console = SILENT, **options: Any) -> list[Any]:
        time.sleep(0.002)
        values = {"keep_searches": 1, "keep_challengers": keep_challengers, "min_age_days": 0.0}
        config = self.config.model_copy(update={"gc": self.config.gc.model_copy(update=values)})
        return steps.gc(Context(config, console=console), **options)

    def files(self) -> set[str]:
        root = Path(self.config.tracking.uri.removeprefix("sqlite:///")).parent / "mlruns"
        return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


@pytest.fixture
def store(new_store: Callable[..., str], tmp_path: Path) -> Store:
    return Store(
        load_config(None, [f"tracking.uri={new_store()}", "tracking.system_seconds=null"]), tmp_path / "made"
    )


def test_old_searches_go_and_the_newest_of_every_target_stay(store: Store) -> None:
    old, new = store.search(), store.search()
    other_target = store.search(hardware="bb")
    broken = store.search(fails=True)
    assert store.plan() == {old, broken}
    assert store.plan(searches=2) == {broken}
    assert {new, other_target} & store.plan() == set()


def test_nothing_that_is_young_or_running_goes(store: Store) -> None:
    store.search()
    store.search()
    assert store.plan(min_age_days=1.0) == set()
    running = store.client.create_run(
        store.client.get_experiment_by_name("autonad").experiment_id, tags={"autonad.stage": "search"}
    )
    assert running.info.run_id not in store.plan()


def test_a_dry_run_changes_nothing(store: Store) -> None:
    store.search()
    store.search()
    before, tags = store.files(), store.client.search_runs(["1"])
    assert len(store.gc()) == 1
    assert store.files() == before
    assert [run.data.tags for run in store.client.search_runs(["1"])] == [run.data.tags for run in tags]


def test_what_goes_is_gone_and_the_rest_can_still_be_used(store: Store, tmp_path: Path) -> None:
    old, new = store.search(), store.search()
    (removed,) = store.gc(delete=True)
    assert (removed.name, removed.kind) == (old, "search")
    assert removed.num_bytes > 0
    left = {name.split("artifacts/")[1] for name in store.files() if old in name}
    assert left == {"search/architecture.json", "search/population.parquet", "search/search.json"}
    assert COLLECTED in store.client.get_run(old).data.tags
    found = last_search("steel", settings=tracking_settings(store.config))
    assert found is not None
    assert found.run_id == new
    load_search(found, tmp_path / "back", settings=tracking_settings(store.config))
    with pytest.raises(TrackingError, match="no search that was finished and kept whole"):
        load_search(old, tmp_path / "again", settings=tracking_settings(store.config))
    assert store.gc(delete=True) == []


def test_a_search_stays_whose_network_for_another_budget_is_in_use(store: Store) -> None:
    folder = store.scratch / "search/variants/line-3ms"
    folder.mkdir(parents=True)
    for name in BUNDLE["search"][0]:
        (folder / name).write_text('{"architecture_key": "bbbbbbbbbbbb"}')
    listed = [{"name": "line-3ms", "folder": "variants/line-3ms"}]
    store.search("aaaaaaaaaaaa", variants=listed)
    old, _ = store.search("cccccccccccc"), store.search()
    store.version("bbbbbbbbbbbb", alias="champion", execution="tuesday")

    assert store.plan() == {old}


def test_the_lineage_of_whatever_has_an_alias_stays(store: Store) -> None:
    supernet = store.supernet("monday")
    search = store.search("aaaaaaaaaaaa", execution="monday")
    store.search("aaaaaaaaaaaa")  # the same architecture, found alone
    champion = store.version("aaaaaaaaaaaa", alias="champion", execution="tuesday")
    tuesdays = store.search("ffffffffffff", execution="tuesday")
    shadow = store.version("bbbbbbbbbbbb", alias="shadow")
    shadows = store.search("bbbbbbbbbbbb")
    refused = [store.version("cccccccccccc") for _ in range(3)]
    later = store.supernet("wednesday")
    newest = [store.search(execution="wednesday") for _ in range(2)]
    gone = store.plan()
    assert gone == {newest[0], refused[0], refused[1]}
    assert not gone & {supernet, search, tuesdays, shadows, champion, shadow, later}
    store.client.delete_registered_model_alias(NAME, "shadow")
    assert {shadow, shadows} <= store.plan()


def test_the_lineage_of_a_champion_behind_a_hundred_other_models_stays(store: Store) -> None:
    store.search("aaaaaaaaaaaa")
    old, _ = store.search("bbbbbbbbbbbb"), store.search()
    store.version("aaaaaaaaaaaa", alias="champion", execution="tuesday")
    client = store.client
    for number in range(100):  # as many as a server sends at once
        client.create_registered_model(f"another {number:02}")

    assert store.plan() == {old}


def test_a_version_goes_with_its_files_and_no_other(store: Store) -> None:
    champion = store.version("aaaaaaaaaaaa", alias="champion")
    refused = [store.version("cccccccccccc") for _ in range(2)]
    copy = store.client.create_model_version(NAME, store.client.get_model_version(NAME, champion).source)
    before = store.files()
    removed = store.gc(keep_challengers=0, delete=True)
    # A version whose files are the champion's stays, however superfluous it is.
    assert {leftover.version for leftover in removed} == set(refused)
    left = {str(v.version) for v in store.client.search_model_versions(f"name = '{NAME}'")}
    assert left == {champion, str(copy.version)}
    assert len(before - store.files()) == 2
    source = Path(store.client.get_model_version(NAME, champion).source.removeprefix("file://"))
    assert (source / "model.onnx").read_text() == "aaaaaaaaaaaa"


def test_a_removal_that_was_interrupted_is_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    old, _ = store.search(), store.search()

    def breaks(self: Artifacts, leftover: Any) -> None:
        raise ConnectionResetError(104, "Connection reset by peer")

    with monkeypatch.context() as broken:
        broken.setattr(Artifacts, "delete", breaks)
        with pytest.raises(TrackingError, match="Connection reset by peer"):
            store.gc(delete=True)
    settings = tracking_settings(store.config)
    with pytest.raises(TrackingError, match="no search that was finished"):
        load_search(old, store.scratch / "back", settings=settings)
    (rest,) = store.gc(delete=True)
    assert (rest.name, rest.why) == (old, "its removal was interrupted")
    assert not [name for name in store.files() if old in name and "supernet" in name]


def test_a_version_that_gets_an_alias_meanwhile_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.version("aaaaaaaaaaaa", alias="champion")
    late = store.version("cccccccccccc")
    plan = Retention.plan

    def promote(self: Retention, rule: Rule) -> Any:
        found = plan(self, rule)
        store.client.set_registered_model_alias(NAME, "champion", late)
        return found

    monkeypatch.setattr(Retention, "plan", promote)
    told: list[str] = []
    before = store.files()
    assert store.gc(keep_challengers=0, delete=True, console=Console(report=told.append)) == []
    assert told == [f"version {late} of {NAME} was given an alias meanwhile and stays"]
    assert store.files() == before


def test_without_a_known_champion_nothing_is_called_a_leftover(store: Store) -> None:
    store.search()
    store.search()
    store.version("aaaaaaaaaaaa", alias="champion")
    store.client.delete_registered_model_alias(NAME, "champion")
    with pytest.raises(TrackingError, match="somebody took it away"):
        store.gc(delete=True)
    off = store.config.model_copy(
        update={"tracking": store.config.tracking.model_copy(update={"enabled": False})}
    )
    with pytest.raises(ConfigError, match="tracking is off"):
        steps.gc(Context(off))


def test_an_experiment_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(TrackingError, match="experiment 'autonad' is not in MLflow"):
        store.gc()


def test_copies_of_checkpoints_go_by_age_and_never_while_their_execution_runs(
    new_store: Callable[..., str], tmp_path: Path
) -> None:
    config = load_config(None, [f"tracking.uri={new_store()}", "tracking.system_seconds=null"])
    context, settings, place = Context(config), tracking_settings(config), tmp_path / "volume"
    from autonad.tracking.connection import connect

    client, owners = connect(settings), {}
    for kubeflow, state in (("1", "RUNNING"), ("2", "KILLED"), ("3", "RUNNING")):
        environment = {"KFP_RUN_ID": kubeflow}
        with track(settings, stage="retrain", environment=environment) as run:
            assert run.id is not None
        client.set_terminated(client.get_run(run.id).data.tags["mlflow.parentRunId"], state)
        owners[kubeflow] = run.id
    old = time.time() - 40 * 24 * 3600
    for number, owner in enumerate(("1", "2", "3", "gone", None), start=1):
        folder = place / f"retrain-{number:016x}"
        folder.mkdir(parents=True)
        (folder / "owner.json").write_text(json.dumps({"run": owners.get(owner or "", owner)}))
        (folder / "weights").write_text("w" * 1000)
        if owner != "3":
            for file in folder.iterdir():
                os.utime(file, (old, old))

    def call(**more: Any) -> list[int]:
        found = steps.gc_checkpoints(context, place=str(place), older_than_days=30, **more)
        return sorted(int(copy.name[-1]) for copy in found)

    assert call() == [2, 4, 5]
    assert len(list(place.iterdir())) == 5
    assert call(delete=True) == [2, 4, 5]
    assert sorted(path.name[-1] for path in place.iterdir()) == ["1", "3"]
    assert call() == []


def test_a_folder_of_copies_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    context = Context(store.config, console=Console(said.append))

    assert steps.gc_checkpoints(context, place=str(tmp_path / "copis"), older_than_days=30) == []

    assert any(f"{tmp_path / 'copis'} is not there" in line for line in said)
