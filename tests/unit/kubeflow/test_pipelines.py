"""The compiled pipelines: current, valid, small, complete on the cluster's side, free of secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from autonad import __version__
from autonad.errors import ConfigError
from autonad.kubeflow.manifests import as_objects
from autonad.kubeflow.package import PIPELINES, Package, ParameterFile
from autonad.steps.resources import PodResources
from pipelines.cluster import ADDRESS, SECRET_KEYS, Cluster
from pipelines.compile import compile_pipeline, file_name

ROOT = Path(__file__).parents[3]
LIMIT = 200_000
TRAINING = {"train-supernet", "search", "retrain"}
PLACED = {*TRAINING, "profile-latency", "evaluate", "fit-thresholds", "deliver"}
LIGHT = {"prepare", "evaluate", "fit-thresholds", "deliver", "close-run"}
DELIVERY = {"retrain", "evaluate", "fit-thresholds", "deliver"}
SUPERVISED = "-m autonad.kubeflow.supervisor kfp.dsl.executor_main"


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


def bare(name: str) -> str:
    """A task without the number that kfp gives to its copy in another branch."""
    return re.sub(r"^comp-|-\d+$", "", name)


def groups(package: Package) -> dict[str, dict[str, Any]]:
    """Tasks of each group: of the root, the exit handler and the branches."""
    dags = {"root": package.spec["root"], **package.spec["components"]}
    return {name: dag["dag"]["tasks"] for name, dag in dags.items() if "dag" in dag}


def tasks(package: Package) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every task that is a pod of its own, of every nesting."""
    for group in groups(package).values():
        for name, task in group.items():
            if "executorLabel" in package.spec["components"][task["componentRef"]["name"]]:
                yield bare(name), task


def branches(package: Package) -> dict[str, dict[str, Any]]:
    """Tasks of each branch, by the action that leads to it."""
    found = {}
    for group in groups(package).values():
        for task in group.values():
            condition = task.get("triggerPolicy", {}).get("condition", "")
            if match := re.fullmatch(r"inputs\.parameter_values\['.*prepare-Output'\] == '(\w+)'", condition):
                found[match[1]] = groups(package)[task["componentRef"]["name"]]
    return found


def after(group: dict[str, Any], name: str) -> set[str]:
    """All tasks of a group that end before one begins."""
    waits: set[str] = set()
    for earlier in group[name].get("dependentTasks", ()):
        waits |= {earlier, *after(group, earlier)}
    return waits


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

        assert keys == {*SECRET_KEYS, ADDRESS}, component
        assert names == ["KFP_RUN_ID"], component
        assert kubernetes["securityContext"] == {"runAsNonRoot": True}, component
        assert int(kubernetes["activeDeadlineSeconds"]) > 0, component


def output_of(source: dict[str, Any]) -> str:
    """Which output of `prepare` a value is, beside that task or in a group below it."""
    if "taskOutputParameter" in source:
        assert source["taskOutputParameter"]["producerTask"] == "prepare"
        return str(source["taskOutputParameter"]["outputParameterKey"])
    return str(source["componentInputParameter"]).rpartition("--prepare-")[2]


def test_tasks_that_compute_ask_for_what_the_form_says(package: Package) -> None:
    seen = set()
    for component, container, kubernetes in executors(package):
        if component not in PLACED:
            continue
        seen.add(component)
        asked = (("resourceCpuRequest", "cpu"), ("resourceMemoryRequest", "memory"))
        limits = (("resourceCpuLimit", "cpu_limit"), ("resourceMemoryLimit", "memory_limit"))
        for field, output in (*(() if component in LIGHT else asked), *limits):
            assert container["resources"][field].endswith(f"--prepare-{output}']}}}}"), (component, field)
        assert output_of(kubernetes["nodeSelector"]["nodeSelectorJson"]) == "node_selector"
        (accepted,) = kubernetes["tolerations"]
        assert output_of(accepted["tolerationJson"]) == "tolerations"
        assert ("accelerator" in container["resources"]) == (component in TRAINING), component
        assert ("emptyDirMounts" in kubernetes) == (component in TRAINING), component
        if component in TRAINING:
            assert {"resourceType", "resourceCount"} == container["resources"]["accelerator"].keys()
            assert kubernetes["emptyDirMounts"][0]["mountPath"] == "/dev/shm"

    assert seen == (PLACED if package.name == "autonad" else DELIVERY)


def test_light_tasks_fit_on_the_smallest_node_and_use_what_is_free(package: Package) -> None:
    light = {name: one["resources"] for name, one, _ in executors(package) if name in LIGHT}
    resources = light["prepare"]

    assert light.keys() == LIGHT
    for name, one in light.items():
        assert (one["resourceCpuRequest"], one["resourceMemoryRequest"]) == ("200m", "512Mi"), name
    assert not [name for name in resources if "limit" in name.lower()]


def test_all_tasks_but_the_last_are_repeated_until_their_time_is_over(package: Package) -> None:
    for name, task in tasks(package):
        if name == "close-run":
            continue
        hours = 4 if name == "prepare" else 72
        assert task["retryPolicy"] == {
            "maxRetryCount": 3,
            "backoffDuration": "60s",
            "backoffFactor": 2.0,
            "backoffMaxDuration": f"{3600 * hours}s",
        }, name
    limits = {
        component: kubernetes.get("activeDeadlineSeconds") for component, _, kubernetes in executors(package)
    }
    assert limits["prepare"] == str(4 * 3600)
    assert limits["retrain"] == str(72 * 3600)


def test_every_task_runs_under_the_supervisor_once(package: Package) -> None:
    for component, container, _ in executors(package):
        command = " ".join(container["command"])
        assert command.count("supervisor") == command.count(SUPERVISED) == 1, component
        assert command.count("executor_main") == 1, component
        if component != "close-run":
            assert {"name": "AUTONAD_RETRIES", "value": "3"} in container["env"], component


def test_nothing_is_taken_from_a_cache(package: Package) -> None:
    found = list(tasks(package))

    assert len(found) > 4
    assert not [name for name, task in found if task["cachingOptions"].get("enableCache")]


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


def test_all_branches_end_in_the_same_delivery() -> None:
    end = DELIVERY
    found = {
        action: {bare(task) for task in group} for action, group in branches(Package.load("autonad")).items()
    }

    assert found == {
        "train": end | {"profile-latency", "train-supernet", "search"},
        "search": end | {"profile-latency", "search"},
        "reuse": end,
    }
    (handled,) = (group for group in groups(Package.load("retrain")).values() if "prepare" in group)
    assert handled.keys() == {"prepare", *end}


def test_latency_is_measured_while_nothing_else_of_the_run_computes() -> None:
    for action, group in branches(Package.load("autonad")).items():
        for name in group:
            if bare(name) == "profile-latency":
                assert after(group, name) == set()
                others = group.keys() - {name}
                assert not [one for one in others if name not in after(group, one)], action


def test_the_page_of_the_run_is_at_the_root(package: Package) -> None:
    root = groups(package)["root"]

    assert {bare(name) for name in root} == {"close-run", "exit-handler"}
    assert root["close-run"]["triggerPolicy"] == {"strategy": "ALL_UPSTREAM_TASKS_COMPLETED"}
    # Root and exit handler, and the branches: no layer between them.
    assert len(groups(package)) == (5 if package.name == "autonad" else 2)


def test_the_description_explains_every_parameter_and_names_the_image(package: Package) -> None:
    other = package.with_image("store/autonad@sha256:ab")

    for parameter in package.defaults:
        assert f"- `{parameter}`: " in package.description
    assert f"`autonad:{__version__}`" in package.description
    assert "`store/autonad@sha256:ab`" in other.description
    assert f"`autonad:{__version__}`" not in other.description


def test_the_summary_is_the_first_paragraph(package: Package) -> None:
    assert package.description.startswith(f"{package.summary}\n\n")
    assert 20 < len(package.summary) < 200


def test_objects_of_kubernetes_hold_the_whole_pipeline(package: Package) -> None:
    pipeline, version = as_objects(package, "2026-01-02", "line")

    assert [one["kind"] for one in (pipeline, version)] == ["Pipeline", "PipelineVersion"]
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"] == package.name
    assert version["metadata"] == {"name": f"{package.name}-2026-01-02", "namespace": "line"}
    spec = version["spec"]
    assert Package(spec["pipelineSpec"], spec["platformSpec"]) == package
    assert all("namespace" not in one["metadata"] for one in as_objects(package, "1", None))
    for name in ("", "2026-01-02 10:00", "Version", "-a", "a" * 300):
        with pytest.raises(ConfigError, match="is no name of Kubernetes; use lower-case"):
            as_objects(package, name, None)


def test_the_defaults_of_resources_are_those_that_the_description_names(package: Package) -> None:
    (said,) = (line for line in package.description.splitlines() if line.startswith("- `resources`"))
    example = json.loads(said[said.index("{") : said.rindex("}") + 1])

    assert example == PodResources().model_dump()


def test_every_parameter_is_described_and_has_a_default(package: Package) -> None:
    for parameter, entry in package.spec["root"]["inputDefinitions"]["parameters"].items():
        assert len(entry["description"]) > 15, parameter
        assert "defaultValue" in entry, parameter


def test_a_volume_for_checkpoints_is_mounted_where_they_are_made_and_checked(tmp_path: Path) -> None:
    compile_pipeline("autonad", tmp_path / "p.yaml", Cluster(checkpoint_volume="checkpoints", retries=5))
    package = Package.load(str(tmp_path / "p.yaml"))

    for component, container, kubernetes in executors(package):
        mounts = [mount["mountPath"] for mount in kubernetes.get("pvcMount", [])]
        sees = component in {*TRAINING, "prepare", "close-run"}
        assert mounts == (["/checkpoints"] if sees else []), component
        if component != "close-run":
            assert {"name": "AUTONAD_RETRIES", "value": "5"} in container["env"]


def test_another_image_and_other_retries_change_nothing_else(package: Package) -> None:
    changed = package.with_image("store/autonad@sha256:ab").with_retries(2)

    assert {container["image"] for _, container, _ in executors(changed)} == {"store/autonad@sha256:ab"}
    for number, policies in ((2, {2}), (0, set())):
        found = package.with_retries(number)
        assert {t["retryPolicy"]["maxRetryCount"] for _, t in tasks(found) if "retryPolicy" in t} == policies
        variables = [one for _, container, _ in executors(found) for one in container.get("env", ())]
        assert variables
        assert [one for one in variables if one["name"] == "AUTONAD_RETRIES"] == variables
        assert {one["value"] for one in variables} == {str(number)}
    original = {container["image"] for _, container, _ in executors(package)}
    assert original == {f"autonad:{__version__}"}
    assert changed.platform == package.platform
    assert package.with_image(f"autonad:{__version__}") == package


def test_a_runs_name_takes_its_place_everywhere(package: Package) -> None:
    def named(one: Package) -> list[Any]:
        return [
            task["inputs"]["parameters"]["run_name"]["runtimeValue"]["constant"]
            for name, task in tasks(one)
            if name in ("prepare", "close-run")
        ]

    assert named(package) == ["{{$.pipeline_job_name}}"] * 2
    assert named(package.with_run_name("first-train")) == ["first-train"] * 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epochs": 3}, "has no parameter epochs"),
        ({"latency_budget_ms": "many"}, "needs a number double"),
        ({"latency_budgets_ms": "1, 3"}, "needs a list"),
        ({"resources": "[a]"}, "needs a mapping"),
        ({"preset": "tiny", "resources": "{a: [}"}, "cannot be read as YAML"),
    ],
)
def test_wrong_arguments_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Package.load("autonad").arguments(given)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it has 0"),
        (b"\xff\xfe", ""),
        (b"a: 1\n---\nb: 2\n", "it has no pipelineInfo"),
        (b"[" * 9000, "nested"),
        (b"a: 1\n---\n" * 3, "it has"),
        (b"#" * 2**23, "at most 4 MiB"),
    ],
)
def test_a_file_that_is_no_pipeline_is_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is no compiled pipeline of two documents") as caught:
        Package.load(str(path))
    message = str(caught.value)
    assert said in message
    assert str(path) in message
    assert message.isprintable()
    assert len(message) <= 300 + len(str(path))


def test_a_pipeline_of_ones_own_may_have_every_type_of_parameter() -> None:
    known = Package.load("retrain")
    types = get_args(ParameterFile.model_fields["parameterType"].annotation)
    parameters = {kind.lower(): {"parameterType": kind} for kind in types}
    package = Package(
        {**known.spec, "root": {"inputDefinitions": {"parameters": parameters}}}, known.platform
    )
    given = {
        "string": "true",
        "number_integer": "3",
        "number_double": "2",
        "boolean": "true",
        "struct": "{a: 1}",
        "list": "[1]",
    }
    typed = package.arguments(given)

    assert typed == {
        "string": "true",
        "number_integer": 3,
        "number_double": 2.0,
        "boolean": True,
        "struct": {"a": 1},
        "list": [1],
    }
    assert typed["boolean"] is package.arguments(typed)["boolean"] is True
    for name, value in (("boolean", "1"), ("boolean", "maybe"), ("number_integer", "true"), ("list", "true")):
        with pytest.raises(ConfigError, match="it needs a "):
            package.arguments({name: value})


def test_arguments_from_a_command_line_get_their_types() -> None:
    given = {
        "latency_budget_ms": "5",
        "latency_budgets_ms": "[1, 3]",
        "resources": "{cpu: 2, node_selector: {disk: ssd}}",
        "target": 3,
    }

    assert Package.load("autonad").arguments(given) == {
        "latency_budget_ms": 5.0,
        "latency_budgets_ms": [1, 3],
        "resources": {"cpu": 2, "node_selector": {"disk": "ssd"}},
        "target": "3",
    }


@pytest.mark.parametrize("content", [None, "a: [", "a: 1", "a: 1\n---\nb: 2"])
def test_a_file_that_is_no_pipeline_is_refused(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ConfigError, match="autonad pipeline compile"):
        Package.load(str(path))
