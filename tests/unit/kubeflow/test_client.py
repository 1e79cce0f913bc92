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
from kubeflow_stub import Stub, check_model, kubeflow_stub
from servers import free_port

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
    given = {"retrain_epochs": "3", "memory": "16Gi", "node_selector": "{disk: ssd}"}

    assert server.run(package, given, name="first", experiment="AutoNAD") == "run-1"
    (request,) = stub.sent("POST", "/runs")
    assert request.body["display_name"] == "first"
    assert request.body["experiment_id"] == "experiment-1"
    parameters = request.body["runtime_config"]["parameters"]
    assert parameters == {"retrain_epochs": 3, "memory": "16Gi", "node_selector": {"disk": "ssd"}}
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


@pytest.mark.parametrize(("state", "message"), [("FAILED", "no space"), ("CANCELED", "ended as canceled")])
def test_a_run_that_does_not_succeed_is_an_error(
    state: str, message: str, stub: Stub, server: Kubeflow
) -> None:
    stub.states = [state]

    with pytest.raises(PipelineError, match=message):
        server.wait("run-1", timeout=60)


@pytest.mark.usefixtures("no_waiting")
def test_waiting_ends_after_a_while(stub: Stub, server: Kubeflow) -> None:
    stub.states = ["RUNNING"]

    with pytest.raises(PipelineError, match="still running after 60 s"):
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
        "run", "--host", stub.host, "--set", "seed=7", "--parameter", "memory=2Gi", "--wait", cwd=tmp_path
    )

    assert done.returncode == 0, done.stderr
    assert "run run-1 has succeeded" in done.stdout
    (request,) = stub.sent("POST", "/runs")
    parameters = request.body["runtime_config"]["parameters"]
    assert parameters["memory"] == "2Gi"
    assert yaml.safe_load(parameters["settings"])["seed"] == 7
    assert parameters["preset"] == ""
    assert "mlflow_uri" not in parameters


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
