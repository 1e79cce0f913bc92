"""Tracking against real servers: MLflow as `deploy/mlflow` runs it, on PostgreSQL and an S3 store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from commands import SETTINGS
from mlflow_servers import PASSWORD, postgres, production_server, running
from mlflow_team import BUCKET, Team, contents, key_of, one_byte, verb
from servers import ObjectStore, free_port

from autonad.errors import TrackingError
from autonad.tracking import last_search, load_search, log_search, track
from autonad.tracking.history.search_files import BUNDLE
from autonad.tracking.names import check_names

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
USER, USER_PASSWORD = "line-3", "a long password"
ORIGIN = {
    "AUTONAD_GIT_SHA": "0a1b2c3d",
    "AUTONAD_IMAGE": "registry.example/autonad@sha256:ff",
    "KFP_RUN_ID": "run-7",
    "KFP_RUN_URL": "http://kubeflow.example/#/runs/run-7",
}
ORIGIN_TAGS = dict(
    zip(("git.sha", "autonad.image", "kfp.run_id", "kfp.run_url"), ORIGIN.values(), strict=True)
)
STAGES = (
    "synthesize",
    "decide",
    "train-supernet",
    "profile-latency",
    "search",
    "retrain",
    "evaluate",
    "export",
    "register",
)
NAME = "autonad-steel-here"


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, s3: ObjectStore) -> Iterator[Team]:
    """PostgreSQL, S3 and MLflow with passwords. Clients have MLflow's password and no key of the store."""
    folder = tmp_path_factory.mktemp("team")
    with pytest.MonkeyPatch.context() as patch, postgres() as database:
        server = production_server(folder, database, s3.environment, f"s3://{BUCKET}/artifacts")
        found = Team(server, s3)
        found.s3.create_bucket(Bucket=BUCKET)
        for name in (*s3.environment, "MLFLOW_RUN_ID", "AUTONAD_PARENT_RUN_ID", "AUTONAD_EXECUTION"):
            patch.delenv(name, raising=False)
        patch.setenv("MLFLOW_TRACKING_USERNAME", USER)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", USER_PASSWORD)
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        with running(server):
            made = requests.post(
                f"{server.uri}/api/2.0/mlflow/users/create",
                auth=("admin", PASSWORD),
                timeout=60,
                json={"username": USER, "password": USER_PASSWORD},
            )
            assert made.status_code == 200, made.text
            yield found


def detector(root: Path, model: str, *options: object) -> None:
    """Train, evaluate and export a detector, into folders beside one another."""
    here = (f"{model}/model", f"{model}/evaluation", f"{model}/export")
    data = ("--dataset", "steel")
    verb(root, "retrain", *data, "--search", "search", "--output", here[0], *options)
    verb(root, "evaluate", *data, "--model", here[0], "--output", here[1], *options)
    verb(root, "export", "--model", here[0], *data, "--evaluation", here[1], "--output", here[2], *options)


def register(root: Path, model: str, *options: object, code: int = 0) -> str:
    return verb(
        root,
        "register",
        "--export",
        f"{model}/export",
        "--evaluation",
        f"{model}/evaluation",
        "--dataset",
        "steel",
        "--output",
        f"{model}/registration",
        *options,
        code=code,
    )


@pytest.fixture(scope="module")
def tracked(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every step ran once, tracked by the team's server."""
    root = tmp_path_factory.mktemp("tracked")
    (root / "params.yaml").write_text(
        f"{SETTINGS}decide: {{calibration_draws: 0, permutations: 200}}\n"
        f"tracking: {{uri: '{team.server.uri}', system_seconds: 2.0}}\n"
    )
    data, output = ("--dataset", "steel"), "--output"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ORIGIN.items():
            patch.setenv(name, value)
        patch.setenv("AUTONAD_EXECUTION", "monday")
        verb(root, "synthesize", output, "steel")
        for command in (("init", "--no-scm"), ("add", "steel")):
            subprocess.run([sys.executable, "-m", "dvc", *command, "-q"], cwd=root, check=True)
        verb(root, "describe-target", output, "here.json", "--threads", 1)
        pin = ("--pin", "pin")
        verb(root, "decide", *data, *pin, "--target", "here.json", output, "decision")
        verb(root, "train-supernet", *data, *pin, output, "supernet")
        verb(root, "profile-latency", "--target", "here.json", output, "latency", "--num-classes", 3)
        verb(root, "search", *data, *pin, "--supernet", "supernet", "--latency", "latency", output, "search")
        detector(root, "first")
        assert "in use" in register(root, "first")
    return root


@pytest.fixture(scope="module")
def rival(tracked: Path) -> str:
    """A second detector, not yet registered."""
    detector(tracked, "second", "--set", "seed=4", "--set", "retrain.epochs=1")
    return "second"


def family(team: Team) -> tuple[Any, dict[str, Any]]:
    """The chain's parent run, and stage → child."""
    runs = team.client.search_runs([team.experiment()], "tags.`autonad.execution` = 'monday'")
    (parent,) = [run for run in runs if run.data.tags.get("autonad.role") == "parent"]
    return parent, {run.data.tags["autonad.stage"]: run for run in runs if run is not parent}


# -- the tracked, as documented ----------------------------------------------------------------------------


@pytest.mark.usefixtures("tracked")
class TestTheRunTree:
    def test_one_parent_has_every_step_as_its_child(self, team: Team) -> None:
        parent, steps = family(team)
        assert tuple(sorted(steps, key=lambda s: steps[s].info.start_time)) == STAGES
        assert {run.data.tags["mlflow.parentRunId"] for run in steps.values()} == {parent.info.run_id}
        assert {run.info.status for run in (parent, *steps.values())} == {"FINISHED"}
        assert parent.data.tags["mlflow.runName"] == "monday"
        assert all(run.data.tags["mlflow.runName"] == stage for stage, run in steps.items())

    def test_tags_say_where_a_run_comes_from_and_what_it_was_for(self, team: Team, tracked: Path) -> None:
        parent, steps = family(team)
        for run in (parent, *steps.values()):
            assert ORIGIN_TAGS.items() <= run.data.tags.items()
        key = json.loads((tracked / "search/search.json").read_text())
        tags = steps["search"].data.tags
        assert tags["autonad.dataset"] == "steel"
        assert tags["autonad.hardware_key"] == key["hardware_key"]
        assert tags["autonad.pin_key"] == json.loads((tracked / "pin/pin.json").read_text())["key"]
        assert steps["decide"].data.tags["autonad.action"] == "train"
        for stage in ("search", "retrain", "evaluate", "export", "register"):
            assert steps[stage].data.tags["architecture.key"] == key["architecture_key"], stage

    def test_the_parents_note_and_figures_carry_the_headline(self, team: Team, tracked: Path) -> None:
        parent, steps = family(team)
        note = parent.data.tags["mlflow.note.content"]
        red = parent.data.tags.get(
            "autonad.red_flags", ""
        ).splitlines()  # few seconds of training may have some
        assert [line.split("**")[1] for line in note.splitlines()] == [
            *red,
            *(stage for stage in STAGES if "autonad.headline" in steps[stage].data.tags),
        ]
        metrics = json.loads((tracked / "first/evaluation/metrics.json").read_text())["input"]
        assert f"test mIoU {100 * metrics['miou']:.1f} %" in note
        assert parent.data.metrics["test/miou"] == pytest.approx(metrics["miou"])
        assert parent.data.metrics["register/champion"] == 1.0

    def test_metrics_are_the_vocabularys_and_the_files(self, team: Team, tracked: Path) -> None:
        _, steps = family(team)
        for run in steps.values():
            check_names(run.data.metrics)
            assert run.data.metrics["time/seconds"] > 0
        assert any(name.startswith("system/") for name in steps["train-supernet"].data.metrics)
        metrics = json.loads((tracked / "first/evaluation/metrics.json").read_text())
        logged = steps["evaluate"].data.metrics
        assert logged["test/miou"] == pytest.approx(metrics["input"]["miou"])
        assert logged["test/miou_low"] == pytest.approx(metrics["intervals"]["input"]["miou"]["low"])
        assert {f"test/iou/{name}" for name in metrics["classes"]} <= logged.keys()

    def test_curves_have_a_point_per_epoch_and_generation(self, team: Team) -> None:
        _, steps = family(team)
        run_id = {stage: run.info.run_id for stage, run in steps.items()}
        assert list(team.history(run_id["train-supernet"], "train/loss")) == [1, 2, 3, 4]
        assert list(team.history(run_id["train-supernet"], "val/miou")) == [2, 4]
        assert list(team.history(run_id["search"], "search/best_score")) == [1, 2, 3]
        assert list(team.history(run_id["retrain"], "val/miou")) == [1, 2, 3]

    def test_datasets_are_inputs_with_the_md5_that_dvc_knows(self, team: Team, tracked: Path) -> None:
        md5 = yaml.safe_load((tracked / "steel.dvc").read_text())["outs"][0]["md5"]
        _, steps = family(team)
        expected = {
            "train-supernet": "training",
            "search": "validation",
            "retrain": "training",
            "evaluate": "test",
            "register": "test",
        }
        for stage, context in expected.items():
            (given,) = steps[stage].inputs.dataset_inputs
            assert (given.dataset.name, given.dataset.digest) == ("steel", md5[:36])
            assert [tag.value for tag in given.tags if tag.key == "mlflow.data.context"] == [context]
            assert json.loads(given.dataset.source)["dvc_md5"] == md5 == steps[stage].data.tags["dvc.md5"]

    def test_parameters_have_dotted_names(self, team: Team) -> None:
        _, steps = family(team)
        assert steps["train-supernet"].data.params["train_supernet.epochs"] == "4"
        assert steps["search"].data.params["search.population"] == "6"

    def test_figures_and_files_are_in_the_object_store(self, team: Team) -> None:
        _, steps = family(team)
        expected = {
            "train-supernet": ("supernet.safetensors", "figures/curves.svg"),
            "profile-latency": ("table.parquet", "prior.png"),
            "search": ("digests.json", "pin/pin.json", "figures/pareto.svg"),
            "retrain": ("model.safetensors", "figures/curves.svg"),
            "evaluate": ("report.html", "figures/confusion.svg", "figures/precision_recall.svg"),
            "export": ("model.onnx", "MODEL_CARD.md"),
            "decide": ("decision.html",),
        }
        for stage, names in expected.items():
            prefix = key_of(steps[stage].info.artifact_uri) + "/"
            kept = {key.removeprefix(prefix) for key in team.keys(prefix)}
            assert set(names) <= kept, stage
        assert sum(name.startswith("figures/samples/") for name in _artifacts(team, steps["evaluate"])) == 3

    def test_the_model_has_signature_files_and_alias_and_serves_by_its_alias(
        self, team: Team, tracked: Path
    ) -> None:
        import mlflow

        model = team.client.get_registered_model(NAME)
        assert {alias: str(number) for alias, number in model.aliases.items()}["champion"] == "1"
        version = team.client.get_model_version(NAME, "1")
        _, steps = family(team)
        assert version.run_id == steps["register"].info.run_id
        assert version.description.startswith("In use.")
        assert version.tags["architecture.key"] == steps["search"].data.tags["architecture.key"]
        loaded = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
        assert loaded.metadata.signature.inputs.input_names() == ["image"]
        (answer,) = loaded.predict(loaded.input_example)
        assert answer["verdict"] in {"OK", "REVIEW", "NG"}
        assert "AWS_ACCESS_KEY_ID" not in os.environ, "the proxy has to fetch it"


def _artifacts(team: Team, run: Any) -> list[str]:
    return [entry.path for entry in team.client.list_artifacts(run.info.run_id, "figures/samples")]


# -- the memory ------------------------------------------------------------------------------------------


def test_the_last_search_comes_back_byte_for_byte(team: Team, tracked: Path, tmp_path: Path) -> None:
    _, steps = family(team)
    found = last_search("steel", steps["search"].data.tags["autonad.hardware_key"], settings=team.settings())
    assert found is not None
    assert found.run_id == steps["search"].info.run_id
    load_search(found, tmp_path, settings=team.settings())
    for folder in BUNDLE:
        sent = contents(tracked / folder)
        assert {name: sent[name] for name in contents(tmp_path / folder)} == contents(tmp_path / folder)
        assert set(BUNDLE[folder][0]) <= contents(tmp_path / folder).keys()


def test_the_right_search_is_found_among_all_others(team: Team, tmp_path: Path) -> None:
    for folder, (needed, _) in BUNDLE.items():
        (tmp_path / folder).mkdir()
        for name in needed:
            (tmp_path / folder / name).write_text(f"content of {name}")
    (tmp_path / "search/search.json").write_text('{"architecture_key": "abc123abc123"}')
    (tmp_path / "pin/pin.json").write_text('{"key": "0123456789ab"}')

    def search(
        hardware: str = "aa",
        *,
        experiment: str = "autonad",
        keep: bool = True,
        error: type[BaseException] | None = None,
    ) -> str:
        tags = {"autonad.dataset": "tiles", "autonad.hardware_key": hardware}
        settings = team.settings(experiment)
        try:
            with track(settings, stage="search", tags=tags, environment={}) as run:
                if keep:
                    assert log_search(run, {folder: tmp_path / folder for folder in BUNDLE})
                if error is not None:
                    raise error("stopped")
        except (ValueError, KeyboardInterrupt):
            pass
        assert run.id is not None
        return run.id

    assert last_search("tiles", settings=team.settings()) is None
    older, right = search(), search()
    search("bb")
    search(error=ValueError)
    search(error=KeyboardInterrupt)
    search(keep=False)
    team.client.delete_run(search())
    search(experiment="somebody else's")
    foreign = {"autonad.stage": "search", "autonad.dataset": "tiles", "autonad.hardware_key": "aa"}
    unfinished = team.client.create_run(team.experiment(), tags={**foreign, "autonad.digests": "00"})
    other = team.client.create_run(team.experiment(), tags=foreign).info.run_id
    team.client.set_terminated(other, "FINISHED")
    found = last_search("tiles", "aa", settings=team.settings())
    assert found is not None
    assert found.run_id == right
    assert unfinished.info.status == "RUNNING"
    team.client.delete_run(right)
    assert last_search("tiles", "aa", settings=team.settings()).run_id == older  # type: ignore[union-attr]


@pytest.mark.usefixtures("tracked")
@pytest.mark.parametrize("name", ["supernet/supernet.safetensors", "digests.json"])
def test_a_search_with_one_changed_byte_is_refused_by_name(team: Team, tmp_path: Path, name: str) -> None:
    _, steps = family(team)
    run = steps["search"]
    with (
        team.changed(f"{run.info.artifact_uri}/{name}", one_byte),
        pytest.raises(TrackingError, match=rf"^{name} of search run {run.info.run_id} does not have the sha"),
    ):
        load_search(run.info.run_id, tmp_path / "back", settings=team.settings())
    assert contents(tmp_path / "back") == {}
    load_search(run.info.run_id, tmp_path / "back", settings=team.settings())


# -- what people do to a server --------------------------------------------------------------------------


def test_a_champion_that_was_tampered_with_is_refused_by_name(team: Team, tracked: Path, rival: str) -> None:
    source = team.client.get_model_version(NAME, "1").source
    with team.changed(f"{source}/model.onnx", one_byte):
        line = register(tracked, rival, code=2)
    assert f"model.onnx of version 1 of {NAME} does not have the sha256" in line


def test_a_champion_without_its_onnx_file_is_named(team: Team, tracked: Path, rival: str) -> None:
    source = team.client.get_model_version(NAME, "1").source
    with team.changed(f"{source}/model.onnx", None):
        line = register(tracked, rival, code=2)
    assert f"version 1 of {NAME} has no file model.onnx that can be fetched" in line
    assert "autonad rollback" in line


def test_a_renamed_model_is_not_taken_for_a_new_one(team: Team, tracked: Path, rival: str) -> None:
    team.client.rename_registered_model(NAME, "our best")
    try:
        line = register(tracked, rival, code=2)
    finally:
        team.client.rename_registered_model("our best", NAME)
    assert "was renamed to our best" in line
    assert "rename it back" in line


def test_no_server_and_wrong_credentials_lose_nothing(
    team: Team, tracked: Path, rival: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    line = register(tracked, rival, "--set", f"tracking.uri={nowhere}", code=2)
    assert f"MLflow at {nowhere} cannot be used (Connection refused); start the server" in line
    with monkeypatch.context() as wrong:
        wrong.setenv("MLFLOW_TRACKING_PASSWORD", "not the password")
        line = register(tracked, rival, code=2)
        assert "it refuses the user" in line
        assert "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD" in line
        assert "not the password" not in line
    assert (tracked / rival / "export/model.onnx").is_file()
    assert len(team.client.search_model_versions(f"name = '{NAME}'")) == 1


def test_an_experiment_that_was_deleted_is_named(team: Team, tracked: Path) -> None:
    deleted = team.experiment()
    team.client.delete_experiment(deleted)
    try:
        line = verb(tracked, "audit", "--dataset", "steel", code=2)
        listed = verb(tracked, "compare", "monday", "tuesday", code=2)
    finally:
        team.client.restore_experiment(deleted)
    assert "experiment 'autonad' was deleted in MLflow" in line
    assert f"restore --experiment-id {deleted}" in line
    assert "was deleted in MLflow" in listed


def test_what_was_refused_before_is_registered_later_and_a_moved_alias_is_told(
    team: Team, tracked: Path, rival: str
) -> None:
    told = register(tracked, rival)
    assert f"{NAME}: version 2" in told
    champion = team.client.get_registered_model(NAME).aliases["champion"]
    moved = "1" if str(champion) == "2" else "2"
    team.client.set_registered_model_alias(NAME, "champion", moved)
    told = register(tracked, rival if moved == "1" else "first")
    assert f"somebody moved the alias from version {champion} to {moved}" in told
    team.client.set_registered_model_alias(NAME, "champion", "1")


def test_comparing_and_making_room_go_through_the_proxy(team: Team, tracked: Path, rival: str) -> None:
    _, steps = family(team)
    runs = team.client.search_runs([team.experiment()], "tags.`autonad.stage` = 'evaluate'")
    told = verb(tracked, "compare", "monday", *(run.info.run_id for run in runs[:1]))
    assert "monday" in told
    assert "Pareto fronts" in (tracked / "compare.html").read_text()
    rule = ("--set", "gc.keep_searches=1", "--set", "gc.keep_challengers=0", "--set", "gc.min_age_days=0")
    before = team.keys()
    verb(tracked, "gc", *rule)
    assert team.keys() == before
    verb(tracked, "gc", *rule, "--delete")
    gone = before - team.keys()
    # The older search of tiles goes, and what is no champion; the lineage of the champion stays.
    assert gone
    lineage = [key_of(run.info.artifact_uri) for run in steps.values()]
    assert not [key for key in gone if key.startswith(tuple(lineage))]
    left = {str(v.version) for v in team.client.search_model_versions(f"name = '{NAME}'")}
    assert "1" in left
    load_search(steps["search"].info.run_id, tracked / "back", settings=team.settings())
