"""The compiled pipelines: current, valid, small, complete on the cluster's side, free of secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from autonad import __version__
from autonad.errors import ConfigError
from autonad.kubeflow.package import PIPELINES, Package
from pipelines.cluster import SECRET_KEYS, Cluster
from pipelines.compile import compile_pipeline, file_name

ROOT = Path(__file__).parents[3]
LIMIT = 200_000
TRAINING = ("train-supernet", "search", "retrain")
COMPUTING = (*TRAINING, "decide", "profile-latency", "evaluate", "export", "register")


@pytest.fixture(params=PIPELINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def package(name: str) -> Package:
    return Package.load(name)


def text_of(name: str) -> str:
    return (ROOT / "pipelines" / file_name(name)).read_text()


def executors(package: Package) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Component, container and what Kubernetes is told, of every task."""
    platform = package.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for name, entry in package.spec["deploymentSpec"]["executors"].items():
        yield re.sub(r"^exec-|-\d+$", "", name), entry["container"], platform.get(name, {})


def tasks(package: Package) -> Iterator[dict[str, Any]]:
    """Every task, of every nesting."""
    dags = [package.spec["root"], *package.spec["components"].values()]
    for dag in dags:
        yield from dag.get("dag", {}).get("tasks", {}).values()


def test_the_committed_files_are_current(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_pipeline(name, tmp_path / "new.yaml")

    assert text_of(name) == (tmp_path / "new.yaml").read_text(), "run `autonad pipeline compile`"


def test_there_are_two_documents_that_the_protos_accept(name: str) -> None:
    spec, platform = yaml.safe_load_all(text_of(name))

    json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())
    json_format.ParseDict(platform, pipeline_spec_pb2.PlatformSpec())


def test_a_wrong_field_is_found_by_the_protos(name: str) -> None:
    spec, _ = yaml.safe_load_all(text_of(name))
    spec["root"]["dag"]["taskz"] = {}

    with pytest.raises(json_format.ParseError):
        json_format.ParseDict(spec, pipeline_spec_pb2.PipelineSpec())


def test_the_files_are_small_enough_for_a_workflow(name: str) -> None:
    assert len(text_of(name).encode()) < LIMIT


def test_no_secret_is_in_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in SECRET_KEYS:
        monkeypatch.setenv(key, "very-secret-value")
    compile_pipeline(name, tmp_path / "new.yaml")

    assert "very-secret-value" not in (tmp_path / "new.yaml").read_text()


def test_every_task_has_credentials_identity_and_a_time_limit(package: Package) -> None:
    for component, _, kubernetes in executors(package):
        keys = {entry["envVar"] for secret in kubernetes["secretAsEnv"] for entry in secret["keyToEnv"]}
        names = [entry["name"] for entry in kubernetes["fieldPathAsEnv"]]

        assert keys == set(SECRET_KEYS), component
        assert names == ["KFP_RUN_ID"], component
        assert kubernetes["securityContext"] == {"runAsNonRoot": True}, component
        assert component == "close-run" or int(kubernetes["activeDeadlineSeconds"]) > 0, component


def test_tasks_that_compute_are_limited_and_placed(package: Package) -> None:
    seen = set()
    for component, container, kubernetes in executors(package):
        if component in COMPUTING:
            seen.add(component)
            assert {"resourceCpuLimit", "resourceMemoryLimit", "resourceCpuRequest"} <= container[
                "resources"
            ].keys()
            assert "nodeSelectorJson" in kubernetes["nodeSelector"]
            assert kubernetes["tolerations"]
        if component in TRAINING:
            assert {"resourceType", "resourceCount"} == container["resources"]["accelerator"].keys()
            assert kubernetes["emptyDirMounts"][0]["mountPath"] == "/dev/shm"

    assert seen == (
        set(COMPUTING) if package.name == "autonad" else {"retrain", "evaluate", "export", "register"}
    )


def test_tasks_that_train_are_repeated_with_growing_waits(package: Package) -> None:
    for task in tasks(package):
        trains = re.sub(r"-\d+$", "", task["taskInfo"]["name"]) in TRAINING and "comp-condition" not in str(
            task["componentRef"]
        )
        assert ("retryPolicy" in task) == trains, task["taskInfo"]
        if trains:
            policy = task["retryPolicy"]
            assert (policy["maxRetryCount"], policy["backoffDuration"], policy["backoffFactor"]) == (
                3,
                "60s",
                2.0,
            )


def test_only_tasks_of_content_hashes_are_cached(package: Package) -> None:
    cached = {
        re.sub(r"^comp-|-\d+$", "", task["componentRef"]["name"])
        for task in tasks(package)
        if task.get("cachingOptions", {}).get("enableCache")
    }
    nested = {"delivery", "condition", "condition-branches", "exit-handler"}

    assert cached - nested == ({"profile-latency"} if package.name == "autonad" else set())


def test_every_parameter_is_passed_down_to_where_it_is_used(package: Package) -> None:
    """A channel that a nested pipeline reads and nobody hands to it fails on the cluster alone."""
    for component, entry in package.spec["components"].items():
        declared = entry.get("inputDefinitions", {}).get("parameters", {}).keys()
        for task in entry.get("dag", {}).get("tasks", {}).values():
            used = {
                source["componentInputParameter"]
                for source in task.get("inputs", {}).get("parameters", {}).values()
                if "componentInputParameter" in source
            }
            assert used <= declared, f"{component}: {used - declared}"


def test_all_branches_end_in_the_same_delivery(name: str) -> None:
    package = Package.load("autonad")
    conditions = {
        key: [task["componentRef"]["name"] for task in entry["dag"]["tasks"].values()]
        for key, entry in package.spec["components"].items()
        if re.fullmatch(r"comp-condition-\d+", key)
    }
    steps = [sorted(re.sub(r"^comp-|-\d+$", "", one) for one in names) for names in conditions.values()]

    assert sorted(steps) == [
        ["delivery"],
        ["delivery", "profile-latency", "search"],
        ["delivery", "profile-latency", "search", "train-supernet"],
    ]


def test_every_parameter_is_described_and_has_a_default(package: Package) -> None:
    for parameter, entry in package.spec["root"]["inputDefinitions"]["parameters"].items():
        assert len(entry["description"]) > 15, parameter
        assert "defaultValue" in entry, parameter


def test_a_volume_for_checkpoints_is_mounted_where_training_runs(tmp_path: Path) -> None:
    compile_pipeline("autonad", tmp_path / "p.yaml", Cluster(checkpoint_volume="checkpoints", retries=5))
    package = Package.load(str(tmp_path / "p.yaml"))

    for component, _, kubernetes in executors(package):
        mounts = [mount["mountPath"] for mount in kubernetes.get("pvcMount", [])]
        assert mounts == (["/checkpoints"] if component in TRAINING else []), component


def test_another_image_and_other_retries_change_nothing_else(package: Package) -> None:
    changed = package.with_image("store/autonad@sha256:ab").with_retries(2)

    assert {container["image"] for _, container, _ in executors(changed)} == {"store/autonad@sha256:ab"}
    assert {t["retryPolicy"]["maxRetryCount"] for t in tasks(changed) if "retryPolicy" in t} == {2}
    assert not [task for task in tasks(package.with_retries(0)) if "retryPolicy" in task]
    original = {container["image"] for _, container, _ in executors(package)}
    assert original == {f"autonad:{__version__}"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 3}, "has no parameter epochs"),
        ({"retrain_epochs": "many"}, "needs a number integer"),
        ({"node_selector": "[a]"}, "needs a mapping"),
        ({"cpu": "4", "node_selector": "{a: [}"}, "cannot be read as YAML"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Package.load("autonad").arguments(given)


def test_arguments_from_a_command_line_get_their_types() -> None:
    given = {"retrain_epochs": "3", "latency_budget_ms": "5", "node_selector": "{disk: ssd}", "cpu": 2}

    assert Package.load("autonad").arguments(given) == {
        "retrain_epochs": 3,
        "latency_budget_ms": 5.0,
        "node_selector": {"disk": "ssd"},
        "cpu": "2",
    }


@pytest.mark.parametrize("content", [None, "a: [", "a: 1", "a: 1\n---\nb: 2"])
def test_a_file_that_is_no_pipeline_is_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match="autonad pipeline compile"):
        Package.load(str(path))
