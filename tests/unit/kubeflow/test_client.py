"""What is sent to a Kubeflow server, and what is said when it refuses."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from commands import environment
from dvc_repositories import add_version, make_repository
from kfp.client import client
from kubeflow_stub import Stub, check_model, kubeflow_stub, run_of
from servers import free_port
from workflows import UNSCHEDULABLE, manifest, node, pod_name

from autonad import steps
from autonad.data.versions import from_folder, resolve
from autonad.errors import ConfigError, PipelineError
from autonad.kubeflow.access import Access
from autonad.kubeflow.client import Kubeflow
from autonad.kubeflow.package import Package
from autonad.latency.target import Target


@pytest.fixture
def stub() -> Iterator[Stub]:
    with kubeflow_stub() as running:
        yield running


@pytest.fixture
def server(stub: Stub) -> Kubeflow:
    return Kubeflow(Access(host=stub.host))


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time passes at once: ten seconds with each look at a clock."""
    clock = itertools.count(0, 10)
    time = SimpleNamespace(sleep=lambda seconds: None, monotonic=lambda: float(next(clock)))
    monkeypatch.setattr("autonad.kubeflow.client.time", time)


@pytest.fixture
def package() -> Package:
    return Package.load("autonad").with_image("store/autonad@sha256:ab")


def documents(text: str) -> list[Any]:
    return list(yaml.safe_load_all(text))


def test_the_clients_own_loader_takes_both_documents(package: Package, tmp_path: Path) -> None:
    package.save(tmp_path / "p.yaml")
    loaded = client._extract_pipeline_yaml(str(tmp_path / "p.yaml")).to_dict()

    assert loaded["pipeline_spec"]["pipelineInfo"]["name"] == "autonad"
    assert loaded["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def test_upload_makes_a_pipeline_and_then_versions_of_it(
    stub: Stub, server: Kubeflow, package: Package
) -> None:
    assert server.upload(package, "one") == ("pipeline-1", "version-1")
    assert server.upload(package, "two") == ("pipeline-1", "version-1")

    assert len(stub.sent("POST", "/pipelines/upload")) == 1
    versions = stub.sent("POST", "/pipelines/upload_version")
    assert [one.query["name"] for one in versions] == ["one", "two"]
    for one in versions:
        assert documents(one.package) == [package.spec, package.platform]


def test_a_run_carries_the_pipeline_and_its_arguments(stub: Stub, server: Kubeflow, package: Package) -> None:
    given = {"latency_budget_ms": "3", "preset": "tiny", "resources": "{memory: 16Gi}"}

    assert server.run(package, given, name="first", experiment="AutoNAD") == "run-1"
    (request,) = stub.sent("POST", "/runs")
    assert request.body["display_name"] == "first"
    assert request.body["experiment_id"] == "experiment-1"
    parameters = request.body["runtime_config"]["parameters"]
    assert parameters == {"latency_budget_ms": 3.0, "preset": "tiny", "resources": {"memory": "16Gi"}}
    assert request.body["pipeline_spec"]["pipeline_spec"]["pipelineInfo"]["name"] == "autonad"
    assert "platform_spec" in request.body["pipeline_spec"]


@pytest.mark.parametrize(("cron", "sent"), [("0 4 * * 1", "0 0 4 * * 1"), ("30 0 4 * * 1", "30 0 4 * * 1")])
def test_a_schedule_runs_one_at_a_time(
    cron: str, sent: str, stub: Stub, server: Kubeflow, package: Package
) -> None:
    assert server.schedule(package, {}, name="weekly", experiment="AutoNAD", cron=cron) == "schedule-1"
    (request,) = stub.sent("POST", "/recurringruns")

    assert request.body["trigger"]["cron_schedule"]["cron"] == sent
    assert request.body["max_concurrency"] == 1
    assert request.body["no_catchup"] is True


def test_the_stub_refuses_what_the_api_does_not_know() -> None:
    check_model({"display_name": "a", "runtime_config": {"parameters": {"x": 1}}}, "V2beta1Run")
    for wrong in ({"displayed_name": "a"}, {"display_name": 3}, {"runtime_config": {"params": {}}}):
        with pytest.raises(ValueError, match=r"unknown|not str"):
            check_model(wrong, "V2beta1Run")


def test_runs_are_listed_newest_first(server: Kubeflow) -> None:
    assert [(one.run_id, one.state) for one in server.runs()] == [
        ("run-2", "RUNNING"),
        ("run-1", "SUCCEEDED"),
    ]


@pytest.mark.usefixtures("no_waiting")
def test_wait_tells_each_state_once_and_ends_with_the_run(stub: Stub, server: Kubeflow) -> None:
    stub.states = ["PENDING", "RUNNING", "RUNNING", "SUCCEEDED"]
    told: list[str] = []

    assert server.wait("run-1", timeout=60, tell=told.append).state == "SUCCEEDED"
    assert told == ["pending", "running", "succeeded"]


@pytest.mark.usefixtures("no_waiting")
def test_wait_tells_what_a_run_waits_for(stub: Stub, server: Kubeflow) -> None:
    stub.states = ["RUNNING", "RUNNING", "RUNNING", "SUCCEEDED"]
    stub.workflows = [
        manifest(node("prepare", "Pending", message=UNSCHEDULABLE)),
        manifest(node("prepare", "Running")),
        manifest(node("prepare"), node("retrain", "Running")),
    ]
    told: list[str] = []
    server.wait("run-1", timeout=60, tell=told.append)

    assert told == [
        "running: prepare is pending: 0/1 nodes are available: 1 Insufficient cpu",
        "running: prepare",
        "running: retrain",
        "succeeded",
    ]


@pytest.mark.usefixtures("no_waiting")
def test_a_run_that_never_starts_is_told_with_what_it_waits_for(stub: Stub, server: Kubeflow) -> None:
    stub.states = ["RUNNING"]
    stub.workflows = [manifest(node("retrain", "Pending", message=UNSCHEDULABLE))]

    with pytest.raises(
        PipelineError,
        match=r"after 60 s run run-1 is still running: retrain is pending: .* Insufficient cpu;",
    ):
        server.wait("run-1", timeout=60)


def test_a_list_says_what_the_runs_that_go_on_wait_for(stub: Stub, server: Kubeflow) -> None:
    stub.workflows = [manifest(node("retrain", "Pending", message=UNSCHEDULABLE))]
    going, ended = server.runs()

    assert going.now == "retrain is pending: 0/1 nodes are available: 1 Insufficient cpu"
    assert ended.now == ""


def test_a_failed_run_says_the_last_error_of_the_task_that_failed_first(stub: Stub, server: Kubeflow) -> None:
    failed = node("search", "Failed", message="main: Error (exit code 2)", at=3)
    nodes = (node("prepare", at=1), node("other", "Failed", at=4), failed)
    stub.states, stub.workflows = ["FAILED"], [manifest(*nodes)]
    stub.logs[pod_name(failed)] = (
        "note: a\nerror: none of the 6 architectures fits 1.0 ms; raise the budget\n"
    )

    with pytest.raises(PipelineError) as caught:
        server.wait("run-1", timeout=60)
    assert str(caught.value) == (
        "run run-1 ended as failed: search: none of the 6 architectures fits 1.0 ms; raise the budget"
    )
    (asked,) = (one for one in stub.requests if one.path == "/k8s/pod/logs")
    assert asked.query == {"podname": pod_name(failed), "runid": "run-1", "podnamespace": "kubeflow"}


@pytest.mark.parametrize("log", [None, "all went well so far"])
def test_without_a_log_the_reason_is_what_kubernetes_says(
    log: str | None, stub: Stub, server: Kubeflow
) -> None:
    failed = node("retrain", "Failed", message="OOMKilled (exit code 137)")
    stub.states, stub.workflows = ["FAILED"], [manifest(failed)]
    if log is not None:
        stub.logs[pod_name(failed)] = log

    with pytest.raises(PipelineError, match=r"ended as failed: retrain: OOMKilled \(exit code 137\)$"):
        server.wait("run-1", timeout=60)


def test_a_server_without_version_one_of_the_api_says_as_much_as_it_knows(
    stub: Stub, server: Kubeflow
) -> None:
    stub.states, stub.workflows = ["FAILED"], None

    assert [one.now for one in server.runs()] == ["", ""]
    with pytest.raises(PipelineError, match="run run-1 ended as failed: no space"):
        server.wait("run-1", timeout=60)


def test_an_answer_that_is_no_workflow_says_nothing(stub: Stub, server: Kubeflow) -> None:
    stub.workflows = ["<html>"]

    assert server.runs()[0].now == ""
    assert server.workflow("run-1").retry_policy is None


@pytest.mark.parametrize("state", ["CANCELED", "FAILED"])
def test_a_terminated_run_is_no_failure_of_a_task(
    state: str, stub: Stub, server: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is terminated ends as FAILED where the last task had still to run."""
    ended = {**run_of("run-1", "CANCELED"), "state": state}
    monkeypatch.setattr("kubeflow_stub.run_of", lambda run_id, state: ended)

    with pytest.raises(PipelineError, match=r"run run-1 was terminated; start it again, it goes on from its"):
        server.wait("run-1", timeout=60)


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(("taken", "posts"), [(0, 1), (1, 1), (3, 3)])
def test_two_runs_may_make_an_experiment_at_the_same_moment(
    taken: int, posts: int, stub: Stub, server: Kubeflow, package: Package
) -> None:
    stub.experiments, stub.taken = [], taken

    assert server.run(package, {}, name="first", experiment="AutoNAD") == "run-1"
    assert len(stub.sent("POST", "/experiments")) == posts


@pytest.mark.usefixtures("no_waiting")
def test_an_experiment_that_can_never_be_made_is_one_clear_line(
    stub: Stub, server: Kubeflow, package: Package
) -> None:
    stub.experiments, stub.taken = [], 99

    with pytest.raises(PipelineError, match="answers 409: Already exist error"):
        server.run(package, {}, name="first", experiment="AutoNAD")
    assert not stub.sent("POST", "/runs")


@pytest.mark.parametrize("version", ["2.15.1", "v2.9.0", "1.8.22"])
def test_a_server_that_is_too_old_is_refused_before_anything_is_sent(version: str, stub: Stub) -> None:
    stub.version = version

    with pytest.raises(PipelineError, match=rf"Kubeflow Pipelines {version}, and the pipelines need 2\.16"):
        Kubeflow(Access(host=stub.host))
    assert not [one for one in stub.requests if one.method == "POST"]


@pytest.mark.parametrize("version", ["2.16.0", "v2.17.1", "3.0", "", "unknown", "dev-1234", None])
def test_a_server_that_is_new_or_hides_its_version_is_believed(version: str | None, stub: Stub) -> None:
    stub.version = version

    assert Kubeflow(Access(host=stub.host)).runs()


@pytest.mark.usefixtures("no_waiting")
def test_a_controller_without_a_retry_policy_is_told(stub: Stub, server: Kubeflow) -> None:
    """The workflow appears a moment after the run."""
    stub.workflows = ["", "", manifest(policy=None)]
    assert "no retryPolicy OnError or Always" in server.caution("run-1")
    stub.workflows = [manifest(policy="OnFailure")]
    assert "a task whose pod is lost is not repeated" in server.caution("run-1")
    for enough in ("OnError", "Always"):
        stub.workflows = [manifest(policy=enough)]
        assert server.caution("run-1") == ""
    stub.workflows = None
    assert server.caution("run-1") == ""


def test_a_pipeline_is_looked_for_in_the_users_namespace(stub: Stub, package: Package) -> None:
    stub.pipelines["theirs", "autonad"] = "pipeline-of-others"
    mine = Kubeflow(Access(host=stub.host, namespace="mine"))

    assert mine.upload(package, "one")[0] == mine.upload(package, "two")[0] == "pipeline-1"
    assert {one.query["namespace"] for one in stub.sent("GET", "/pipelines")} == {"mine"}
    assert [one.query["namespace"] for one in stub.sent("POST", "/pipelines/upload")] == ["mine"]


@pytest.mark.usefixtures("no_waiting")
def test_waiting_ends_after_a_while(stub: Stub, server: Kubeflow) -> None:
    stub.states = ["RUNNING"]

    with pytest.raises(PipelineError, match="after 60 s run run-1 is still running;"):
        server.wait("run-1", timeout=60)


@pytest.mark.parametrize(
    ("access", "header"),
    [
        ({"token": "good"}, ("authorization", "Bearer good")),
        ({"cookies": "authservice_session=good"}, ("cookie", "authservice_session=good")),
    ],
)
def test_a_login_is_presented(access: dict[str, str], header: tuple[str, str], stub: Stub) -> None:
    stub.login = header
    server = Kubeflow(Access(host=stub.host, **access))  # type: ignore[arg-type]

    assert server.runs()


def test_in_a_cluster_the_service_account_logs_in(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("from-the-pod")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    stub.login = ("authorization", "Bearer from-the-pod")

    assert Kubeflow(Access(host=stub.host, in_cluster=True)).runs()


def test_an_expired_token_is_one_clear_line(stub: Stub) -> None:
    stub.login = ("authorization", "Bearer good")

    with pytest.raises(PipelineError, match=r"refuses the login.*KFP_TOKEN") as caught:
        Kubeflow(Access(host=stub.host, token="old-secret"))
    assert "old-secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_one_clear_line() -> None:
    host = f"http://user:password@127.0.0.1:{free_port()}"

    with pytest.raises(PipelineError, match=r"cannot be reached.*--host") as caught:
        Kubeflow(Access(host=host)).runs()
    assert "password" not in str(caught.value)


def test_an_unknown_run_is_one_clear_line(server: Kubeflow) -> None:
    with pytest.raises(PipelineError, match="knows nothing of that"):
        server.wait("run-9", timeout=1)


def test_a_wrong_schedule_or_parameter_is_refused_before_anything_is_sent(
    stub: Stub, server: Kubeflow, package: Package
) -> None:
    with pytest.raises(PipelineError, match="has 2 fields"):
        server.schedule(package, {}, name="a", experiment="b", cron="0 4")
    with pytest.raises(ConfigError, match="no parameter epochs"):
        server.run(package, {"epochs": 1}, name="a", experiment="b")
    assert not [one for one in stub.requests if one.method == "POST"]


def cli(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "autonad.cli", "pipeline", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment(), capture_output=True, text=True)


def test_the_command_line_runs_a_pipeline_on_a_server(stub: Stub, tmp_path: Path) -> None:
    done = cli(
        "run",
        "--host",
        stub.host,
        "--set",
        "seed=7",
        "--parameter",
        "experiment=line",
        "--wait",
        cwd=tmp_path,
    )

    assert done.returncode == 0, done.stderr
    assert "run run-1 has succeeded" in done.stdout
    (request,) = stub.sent("POST", "/runs")
    parameters = request.body["runtime_config"]["parameters"]
    assert parameters["experiment"] == "line"
    assert yaml.safe_load(parameters["settings"])["seed"] == 7
    assert parameters["preset"] == ""
    assert "mlflow_uri" not in parameters


@pytest.mark.parametrize("runs", [[5], 7, [SimpleNamespace(error=None)]])
def test_an_answer_that_is_none_is_one_line(
    server: Kubeflow, monkeypatch: pytest.MonkeyPatch, runs: object
) -> None:
    """The client builds what it is answered without a look at its types."""
    monkeypatch.setattr(server._client, "list_runs", lambda **_: SimpleNamespace(runs=runs))
    with pytest.raises(PipelineError, match="answers what its client does not take") as caught:
        server.runs()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) <= 300


def test_the_command_line_says_what_is_wrong_and_sends_nothing(stub: Stub, tmp_path: Path) -> None:
    done = cli("run", "--host", stub.host, "--dataset", "nowhere", cwd=tmp_path)

    assert done.returncode == 2
    assert "is no dataset" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not stub.requests


def test_a_schedule_takes_checkpoints(stub: Stub, tmp_path: Path) -> None:
    options = ("--cron", "0 4 * * 1", "--checkpoints", "s3://runs/checkpoints")
    done = cli("schedule", "--host", stub.host, *options, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    (request,) = stub.sent("POST", "/recurringruns")
    assert request.body["runtime_config"]["parameters"] == {"checkpoints": "s3://runs/checkpoints"}


def test_checkpoints_go_only_to_a_pipeline_that_has_them(
    stub: Stub, package: Package, tmp_path: Path
) -> None:
    del package.spec["root"]["inputDefinitions"]["parameters"]["checkpoints"]
    package.save(tmp_path / "own.yaml")
    run = ("run", "--host", stub.host, "--pipeline", "own.yaml")

    refused = cli(*run, "--checkpoints", "s3://runs/checkpoints", cwd=tmp_path)
    assert refused.returncode == 2
    assert "pipeline autonad has no parameter checkpoints, so --checkpoints has no meaning" in refused.stderr
    assert not stub.requests
    done = cli(*run, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (request,) = stub.sent("POST", "/runs")
    assert "checkpoints" not in request.body["runtime_config"].get("parameters", {})


@pytest.fixture
def published(bucket: str, tmp_path: Path) -> Path:
    """A dataset that was published as branch main, in the folder where commands are called."""
    make_repository(tmp_path, f"s3://{bucket}/dvc")
    folder = add_version(tmp_path, 1)
    steps.publish(dataset=folder, branch="main")
    return folder


def scheduled(stub: Stub, tmp_path: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    words = ("schedule", "--host", stub.host, "--cron", "0 4 * * 1", "--set", "seed=1", *options)
    done = cli(*words, cwd=tmp_path)
    found = stub.sent("POST", "/recurringruns")
    return done, found[-1].body["runtime_config"]["parameters"] if found else None


@pytest.mark.acceptance
@pytest.mark.filterwarnings("ignore")
def test_a_schedule_follows_a_branch_and_a_run_has_one_version(
    stub: Stub, published: Path, bucket: str, tmp_path: Path
) -> None:
    md5 = from_folder(published, in_place=False)[1]
    dataset = ("--dataset", "data/parts")
    done, sent = scheduled(stub, tmp_path, *dataset)
    assert done.returncode == 0, done.stderr
    place = [sent[f"dataset_{name}"] for name in ("repository", "revision", "path")]
    assert place == [f"s3://{bucket}/dvc", "main", "parts"]
    assert resolve(*place).md5 == md5
    assert scheduled(stub, tmp_path, *dataset, "--fixed")[1]["dataset_revision"] == md5
    done = cli("run", "--host", stub.host, *dataset, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert stub.sent("POST", "/runs")[-1].body["runtime_config"]["parameters"]["dataset_revision"] == md5

    sent_before = len(stub.sent("POST", "/recurringruns"))
    for options, message in (
        ((*dataset, "--branch", "weekly"), "no branch 'weekly' in .*, but main; .*autonad publish"),
        ((*dataset, "--branch", "main", "--fixed"), "--branch and --fixed exclude each other"),
        (("--fixed",), "--fixed says which version of a dataset is used; name it with --dataset"),
    ):
        done = scheduled(stub, tmp_path, *options)[0]
        assert done.returncode == 2
        assert re.search(message, done.stderr)
        assert len(done.stderr.splitlines()) == 1
    assert len(stub.sent("POST", "/recurringruns")) == sent_before


def test_a_target_is_a_file_or_a_name(stub: Stub, tmp_path: Path) -> None:
    Target.describe("third", threads=1).save(tmp_path / "targets/line-3.json")
    for name in (" LINE-3", "targets/line-3.json"):
        done, sent = scheduled(stub, tmp_path, "--target", name)
        assert done.returncode == 0, done.stderr
        assert Target.parse(sent["target"]).name == "third"
    done, _ = scheduled(stub, tmp_path, "--target", "line-4")
    assert done.returncode == 2
    assert "there is no target 'line-4' in targets/, but line-3" in done.stderr
