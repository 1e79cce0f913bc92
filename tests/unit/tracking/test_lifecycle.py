import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autonad.errors import (
    AutonadError,
    CheckpointError,
    ConfigError,
    DatasetError,
    SearchError,
    TrackingError,
)
from autonad.tracking import TrackingSettings, track
from autonad.tracking.runs.dataset_facts import DatasetFacts
from autonad.tracking.runs.origin import git_sha

# The environment of the tests may itself be a tracked run.
ALONE: dict[str, str] = {}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all: MLflow takes seconds to create one."""
    uri = f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"
    said: list[str] = []
    handler, root = logging.Handler(logging.INFO), logging.getLogger()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with track(TrackingSettings(uri=uri), stage="search", environment=ALONE):
            pass
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert said == [], "creating the database is silent"
    return uri


@pytest.fixture
def settings(store: str, request: pytest.FixtureRequest, tmp_path: Path) -> TrackingSettings:
    return TrackingSettings(uri=store, experiment=request.node.name, unsent=tmp_path / "unsent")


@pytest.fixture
def client(settings: TrackingSettings) -> Any:
    from autonad.tracking.connection import MlflowClient

    return MlflowClient(settings.uri)


@pytest.fixture(autouse=True)
def _no_chatter(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """Nothing of MLflow's own reaches the terminal or the log."""
    caplog.set_level(logging.INFO)
    yield
    assert [
        record.getMessage() for record in caplog.records if record.name.split(".")[0] in ("alembic", "mlflow")
    ] == []
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def _runs(client: Any, settings: TrackingSettings) -> dict[str, Any]:
    experiment = client.get_experiment_by_name(settings.experiment)
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def test_steps_of_one_execution_are_children_of_one_parent(settings: TrackingSettings, client: Any) -> None:
    for execution, stage in (("first", "search"), ("first", "retrain"), ("second", "evaluate")):
        with track(
            settings, stage=stage, execution=execution, tags={"autonad.pin_key": "0af3"}, environment=ALONE
        ):
            parent = _runs(client, settings)[execution]
            assert parent.info.status == "RUNNING"
    runs = _runs(client, settings)
    assert set(runs) == {"first", "second", "search", "retrain", "evaluate"}
    for execution, stage in (("first", "search"), ("first", "retrain"), ("second", "evaluate")):
        child = runs[stage]
        assert child.data.tags["mlflow.parentRunId"] == runs[execution].info.run_id
        assert child.data.tags["autonad.stage"] == stage
        assert child.data.tags["autonad.execution"] == execution
        assert child.data.tags["autonad.pin_key"] == "0af3"
        assert child.data.tags.get("git.sha") == git_sha()
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_metrics_parameters_and_files_arrive(settings: TrackingSettings, client: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("<p>good</p>")
    params = {
        "search": {"top_k": 5, "stages": [1, 2]},
        "long": "x" * 9000,
        **{f"p{n}": n for n in range(150)},
    }
    with track(settings, stage="search", params=params, environment=ALONE) as run:
        for step in range(70):
            run.log({"search/best_score": step / 100, "search/mean_score": None}, step)
        run.artifacts(tmp_path / "out", "evaluation")
        run.artifact(tmp_path / "out" / "report.html")
        run.tag("dvc.md5", "ab12")
        assert run.id is not None
        run_id = run.id
    history = client.get_metric_history(run_id, "search/best_score")
    assert [(point.step, point.value) for point in history] == [(step, step / 100) for step in range(70)]
    data = client.get_run(run_id).data
    assert "search/mean_score" not in data.metrics
    assert data.params["search.top_k"] == "5"
    assert data.params["search.stages"] == "[1, 2]"
    assert data.params["long"].endswith("(cut, 9000 characters)")
    assert len(data.params) == 153
    assert data.tags["dvc.md5"] == "ab12"
    assert "mlflow.parentRunId" not in data.tags
    experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    assert {item.path for item in client.list_artifacts(run_id)} == {"evaluation", "report.html"}
    assert [item.path for item in client.list_artifacts(run_id, "evaluation")] == ["evaluation/report.html"]
    assert not settings.unsent.exists()


@pytest.mark.parametrize(
    ("error", "status", "tag", "reason"),
    [
        (ValueError("too large\nsecond line"), "FAILED", "autonad.failure", "ValueError: too large"),
        (KeyboardInterrupt(), "KILLED", "autonad.failure", "interrupted"),
    ],
    ids=["failed", "interrupted"],
)
def test_how_a_step_ends_is_recorded(
    settings: TrackingSettings, client: Any, error: BaseException, status: str, tag: str, reason: str
) -> None:

    def step() -> None:
        with track(settings, stage="retrain", execution="e", environment=ALONE) as run:
            run.log({"train/loss": 0.5}, 1)
            raise error

    with pytest.raises(type(error)):
        step()
    runs = _runs(client, settings)
    assert runs["retrain"].info.status == runs["e"].info.status == status
    assert runs["retrain"].data.tags[tag] == reason
    assert runs["retrain"].data.metrics == {"train/loss": 0.5}


def refused(settings: TrackingSettings, error: AutonadError, *figures: str) -> None:
    def step() -> None:
        with track(settings, stage="retrain", execution="e", environment=ALONE) as run:
            run.params({"seed": 1})
            run.log(dict.fromkeys(figures, 0.5))
            raise error

    with pytest.raises(type(error)):
        step()


def test_a_refused_request_leaves_no_run(settings: TrackingSettings, client: Any) -> None:
    refused(settings, ConfigError("decide.confirm is 3 and decide.window is 2"))
    assert _runs(client, settings) == {}

    with track(settings, stage="search", execution="e", environment=ALONE):
        pass
    refused(settings, CheckpointError("of another configuration"))
    runs = _runs(client, settings)
    assert {name: run.info.status for name, run in runs.items()} == {"search": "FINISHED", "e": "FINISHED"}


def test_what_did_not_work_out_and_what_was_refused_late_is_a_failure(
    settings: TrackingSettings, client: Any
) -> None:
    refused(settings, SearchError("no finalist keeps the budget"))
    assert _runs(client, settings)["retrain"].info.status == "FAILED"
    refused(settings, DatasetError("image 5 cannot be read"), "train/loss")
    experiment = client.get_experiment_by_name(settings.experiment).experiment_id
    steps = client.search_runs([experiment], "tags.`autonad.stage` = 'retrain'")
    assert [run.info.status for run in steps] == ["FAILED", "FAILED"]


def test_a_failed_execution_that_succeeds_later_counts_as_finished(
    settings: TrackingSettings, client: Any
) -> None:
    with (
        pytest.raises(ValueError, match="no"),
        track(settings, stage="search", execution="e", environment=ALONE),
    ):
        raise ValueError("no")
    with track(settings, stage="retrain", execution="e", environment=ALONE):
        pass
    assert _runs(client, settings)["e"].info.status == "FINISHED"


def test_an_injected_run_is_continued(settings: TrackingSettings, client: Any) -> None:
    injected = client.create_run(
        client.create_experiment(settings.experiment), run_name="by kubeflow"
    ).info.run_id
    client.log_param(injected, "seed", 3)
    warnings: list[str] = []
    with track(
        settings,
        stage="retrain",
        execution="e",
        params={"seed": 4, "epochs": 2},
        warn=warnings.append,
        environment={"MLFLOW_RUN_ID": injected},
    ) as run:
        assert run.id == injected
    runs = _runs(client, settings)
    assert set(runs) == {"by kubeflow"}
    assert runs["by kubeflow"].data.tags["autonad.stage"] == "retrain"
    assert runs["by kubeflow"].data.params == {"seed": "3", "epochs": "2"}
    assert runs["by kubeflow"].info.status == "FINISHED"
    assert len(warnings) == 1
    assert "other values of seed" in warnings[0]


def test_a_given_parent_keeps_its_own_status(settings: TrackingSettings, client: Any) -> None:
    parent = client.create_run(client.create_experiment(settings.experiment), run_name="theirs").info.run_id
    with track(settings, stage="search", execution="e", environment={"AUTONAD_PARENT_RUN_ID": parent}):
        pass
    runs = _runs(client, settings)
    assert set(runs) == {"theirs", "search"}
    assert runs["search"].data.tags["mlflow.parentRunId"] == parent
    assert runs["theirs"].info.status == "RUNNING"


def test_of_two_parents_created_at_once_all_take_the_older(
    settings: TrackingSettings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autonad.tracking.runs.origin import Execution
    from autonad.tracking.runs.parents import parent_of

    e = Execution("e", "e")
    experiment = client.create_experiment(settings.experiment)
    search, create = client.search_runs, client.create_run
    rival: list[str] = []

    def slow_create(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(client, "create_run", create)
        rival.append(parent_of(client, experiment, e, {}))  # another step comes between search and creation
        return create(*args, **kwargs)

    monkeypatch.setattr(client, "create_run", slow_create)
    assert parent_of(client, experiment, e, {}) == rival[0]
    assert [run.info.run_id for run in search([experiment])] == rival


def test_a_server_that_vanishes_costs_one_warning_and_no_metric(
    settings: TrackingSettings, client: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow.exceptions import MlflowException

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise MlflowException("server away")

    warnings: list[str] = []
    with track(settings, stage="retrain", warn=warnings.append, environment=ALONE) as run:
        for name in ("log_batch", "set_tag", "log_artifact", "set_terminated"):
            monkeypatch.setattr("mlflow.MlflowClient." + name, refuse)
        for step in range(200):
            run.log({"train/loss": float(step)}, step)
        run.tag("a", "b")
        run.artifact(tmp_path)
    # One for the metrics, and one for the rest.
    assert len(warnings) == 2
    assert "server away" in warnings[0]
    assert len((settings.unsent / f"{run.id}.jsonl").read_text().splitlines()) == 200
    monkeypatch.undo()
    assert client.get_run(run.id).info.status == "RUNNING"
    # Any later step that reaches the server delivers it all.
    with track(settings, stage="evaluate", environment=ALONE):
        pass
    assert run.id is not None
    assert [point.step for point in client.get_metric_history(run.id, "train/loss")] == list(range(200))
    late = client.get_run(run.id)
    assert (late.info.status, late.data.tags["a"]) == ("FINISHED", "b")
    assert not settings.unsent.exists()


def test_tags_of_an_outage_in_the_middle_arrive_at_the_end(
    settings: TrackingSettings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.exceptions import MlflowException

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise MlflowException("server away")

    with track(settings, stage="retrain", environment=ALONE) as run:
        monkeypatch.setattr("mlflow.MlflowClient.log_batch", refuse)
        run.tag("a", "b")
        monkeypatch.undo()
        run.log({"train/loss": 1.0})
    assert client.get_run(run.id).data.tags["a"] == "b"
    assert not settings.unsent.exists()


def test_what_belongs_to_another_server_stays(settings: TrackingSettings) -> None:
    from autonad.tracking.runs.unsent import keep

    keep(settings.unsent, "0123", {"tag": "a", "value": "b"})
    with track(settings, stage="search", environment=ALONE) as run:
        run.log({"train/loss": 1.0})
    assert [path.name for path in settings.unsent.iterdir()] == ["0123.later.jsonl"]


def test_switched_off_it_logs_nothing_and_imports_nothing(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from autonad.tracking import TrackingSettings, track\n"
        "with track(TrackingSettings(enabled=False), stage='search', params={'a': 1}) as run:\n"
        "    run.log({'search/best_score': 1.0}, 3); run.tag('a', 1); run.params({'b': 2})\n"
        "    run.artifact(Path('x')); run.artifacts(Path('y'))\n"
        "    assert run.id is None\n"
        "assert not {'mlflow', 'torch', 'pandas', 'sqlalchemy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = TrackingSettings(uri="http://me:secret@127.0.0.1:9", unsent=tmp_path)
    with pytest.raises(TrackingError) as caught, track(settings, stage="search", environment=ALONE):
        pytest.fail("the step must not start")
    message = str(caught.value)
    assert "Connection refused" in message
    assert "tracking.enabled=false" in message
    assert "secret" not in message
    assert "\n" not in message


def test_a_damaged_database_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database, whatever its name says " * 10)
    settings = TrackingSettings(uri=f"sqlite:///{tmp_path}/mlflow.db")
    with (
        pytest.raises(TrackingError, match=r"mlflow\.db cannot be used \(file is not a database\)"),
        track(settings, stage="search", environment=ALONE),
    ):
        pytest.fail("the step must not start")


def test_a_dataset_is_an_input_with_its_dvc_md5(settings: TrackingSettings, client: Any) -> None:
    facts = DatasetFacts(
        "steel", "f" * 64, "0123456789abcdef0123456789abcdef.dir", 12, 5, ("background", "crack")
    )
    with track(settings, stage="retrain", environment=ALONE) as run:
        run.dataset(facts, "training")
    found = client.get_run(run.id)
    (given,) = found.inputs.dataset_inputs
    assert (given.dataset.name, given.dataset.digest) == ("steel", facts.dvc_md5)
    assert [(tag.key, tag.value) for tag in given.tags] == [("mlflow.data.context", "training")]
    assert found.data.tags["autonad.dataset"] == "steel"
    assert found.data.tags["dataset.fingerprint"] == "f" * 64
    assert found.data.tags["dvc.md5"] == facts.dvc_md5
    assert "dvc.dirty" not in found.data.tags


def test_a_dataset_that_is_no_longer_what_dvc_knows_is_dirty(settings: TrackingSettings, client: Any) -> None:
    facts = DatasetFacts("steel", "f" * 64, None, 12, 5, ("background", "crack"), dvc_changed=True)
    with track(settings, stage="retrain", environment=ALONE) as run:
        run.dataset(facts, "training")
    tags = client.get_run(run.id).data.tags
    assert tags["dvc.dirty"] == "true"
    assert "dvc.md5" not in tags


def test_a_parent_shows_what_its_steps_found(settings: TrackingSettings, client: Any) -> None:
    for stage, line, metrics in (
        ("search", "architecture abc", {"search/best_miou": 0.5}),
        ("evaluate", "test mIoU 60.0 %", {"test/miou": 0.6}),
        ("evaluate", "test mIoU 61.0 %", {"test/miou": 0.61}),
    ):
        with track(
            settings, stage=stage, execution="e", environment={"AUTONAD_IMAGE": "reg/autonad:1"}
        ) as run:
            run.headline(line)
            run.log(metrics)
    parent = next(r for r in _all(client, settings) if r.data.tags.get("autonad.role") == "parent")
    note = "- **search**: architecture abc\n- **evaluate**: test mIoU 61.0 %"
    assert parent.data.tags["mlflow.note.content"] == note
    assert parent.data.metrics == {"test/miou": 0.61}
    assert parent.data.tags["autonad.image"] == "reg/autonad:1"


def test_a_parent_shows_what_makes_its_steps_worthless_until_they_ran_again(
    settings: TrackingSettings, client: Any
) -> None:
    def run_step(stage: str, *flags: str) -> None:
        with track(settings, stage=stage, execution="e", environment={}) as run:
            run.headline(f"{stage} is done", flags)
            errors = sum(flag.startswith("red flag") for flag in flags)
            run.log({"flags/errors": float(errors), "flags/warnings": float(len(flags) - errors)})

    def parent() -> Any:
        return next(r for r in _all(client, settings) if r.data.tags.get("autonad.role") == "parent")

    noisy, blind = "warning: line-3: the table was noisy", "red flag: supernet: it predicts background only"
    run_step("search", noisy, blind)
    run_step("evaluate", blind)
    assert parent().data.tags["autonad.red_flags"].splitlines() == [blind, noisy]
    assert parent().data.metrics == {"flags/errors": 1.0, "flags/warnings": 1.0}
    note = parent().data.tags["mlflow.note.content"].splitlines()
    assert note == [
        f"- **{blind}**",
        f"- **{noisy}**",
        "- **search**: search is done",
        "- **evaluate**: evaluate is done",
    ]
    search = next(r for r in _all(client, settings) if r.data.tags["autonad.stage"] == "search")
    assert search.data.tags["autonad.red_flags"].splitlines() == [noisy, blind]
    assert search.data.tags["mlflow.note.content"].startswith(f"- **{noisy}**")

    run_step("search")
    run_step("evaluate")
    assert "autonad.red_flags" not in parent().data.tags
    assert parent().data.metrics == {"flags/errors": 0.0, "flags/warnings": 0.0}


def test_the_interface_finds_source_commit_creator_and_what_the_parent_was_made_with(
    settings: TrackingSettings, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "account-of-the-server")
    monkeypatch.setenv("LOGNAME", "line-3")
    facts = DatasetFacts("steel", "f" * 64, None, 10, 5, ("background", "crack"))
    environment = {"AUTONAD_GIT_SHA": "0a1b2c"}
    for stage, context in (("search", "validation"), ("evaluate", "test")):
        params = {"seed": 1, stage: {"budget": 4}}
        with track(settings, stage=stage, execution="shown", environment=environment, params=params) as run:
            run.dataset(facts, context)
    runs = _runs(client, settings)
    assert runs["search"].data.tags["mlflow.source.name"] == "autonad search"
    for run in (runs["search"], runs["shown"]):
        assert run.data.tags["mlflow.source.git.commit"] == "0a1b2c"
        assert run.data.tags["mlflow.user"] == "line-3"
        assert "account-of-the-server" not in str(run.to_dictionary())
    assert runs["shown"].data.params == {"seed": "1", "search.budget": "4", "evaluate.budget": "4"}
    assert {given.dataset.name for given in runs["shown"].inputs.dataset_inputs} == {"steel"}


def _all(client: Any, settings: TrackingSettings) -> list[Any]:
    experiment = client.get_experiment_by_name(settings.experiment)
    return list(client.search_runs([experiment.experiment_id]))


def test_a_step_whose_parent_lost_moves_over(settings: TrackingSettings, client: Any) -> None:
    """Two machines made a parent at once, and the clock of one was behind: its parent is seen late."""
    with track(settings, stage="search", execution="e", environment=ALONE) as run:
        late = client.create_run(
            client.get_run(run.id).info.experiment_id,
            start_time=1,
            run_name="e",
            tags={"autonad.execution": "e", "autonad.role": "parent"},
        ).info.run_id
    assert client.get_run(run.id).data.tags["mlflow.parentRunId"] == late
    parents = [r for r in _all(client, settings) if r.data.tags.get("autonad.role") == "parent"]
    assert [(r.info.run_id, r.info.status) for r in parents] == [(late, "FINISHED")]


def test_a_deleted_experiment_is_named(settings: TrackingSettings, client: Any) -> None:
    gone = client.create_experiment(settings.experiment)
    client.delete_experiment(gone)
    with (
        pytest.raises(TrackingError, match=f"was deleted in MLflow; .*restore --experiment-id {gone}"),
        track(settings, stage="search", environment=ALONE),
    ):
        pytest.fail("the step must not start")


def test_the_load_of_the_machine_is_sampled(settings: TrackingSettings, client: Any) -> None:
    import dataclasses

    with track(dataclasses.replace(settings, system_seconds=60.0), stage="retrain", environment=ALONE) as run:
        pass
    metrics = client.get_run(run.id).data.metrics
    assert metrics["system/system_memory_usage_megabytes"] > 0
    assert "system/cpu_utilization_percentage" in metrics
