"""What the manifest of MLflow starts, against a real PostgreSQL and object store."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient
from mlflow_servers import PASSWORD, MlflowServer, postgres, running
from mlflow_team import Team
from servers import ObjectStore

from autonad.tracking import TrackingSettings, track

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1800),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DEPLOY = Path(__file__).parents[2] / "deploy"


def container() -> dict[str, Any]:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes/base/mlflow.yaml").read_text())
    (deployment,) = (one for one in documents if one["kind"] == "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, s3: ObjectStore) -> Iterator[MlflowServer]:
    """The Deployment's command, with the variables that it and its Secret set; places are this test's."""
    folder = tmp_path_factory.mktemp("manifest")
    found = container()
    variables = {one["name"]: one["value"] for one in found["env"]}
    bucket = urllib.parse.urlsplit(variables["MLFLOW_ARTIFACTS_DESTINATION"]).netloc
    with pytest.MonkeyPatch.context() as patch, postgres() as address:
        place = urllib.parse.urlsplit(address)
        for name in (*s3.environment, "MLFLOW_RUN_ID", "MLFLOW_BACKEND_STORE_URI", "MLFLOW_TRACKING_URI"):
            patch.delenv(name, raising=False)
        patch.setenv("PATH", f"{DEPLOY / 'mlflow'}{os.pathsep}{os.environ['PATH']}")
        patch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
        secret = {
            "POSTGRES_PASSWORD": PASSWORD,
            "MLFLOW_AUTH_ADMIN_PASSWORD": PASSWORD,
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "only for this test",
            "POSTGRES_USER": str(place.username),
            "POSTGRES_DB": place.path.strip("/"),
            "POSTGRES_PORT": str(place.port),
            **s3.environment,
        }
        here = {"POSTGRES_HOST": str(place.hostname), "MLFLOW_SERVER_ALLOWED_HOSTS": "127.0.0.1:*"}
        command = [*found["command"], *found.get("args", [])]
        made = MlflowServer(command, variables | secret | here, folder)
        Team(made, s3).s3.create_bucket(Bucket=bucket)
        with running(made):
            yield made


def test_the_manifests_command_serves_runs_and_files_without_keys(
    server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    client = MlflowClient(server.uri)
    run = client.create_run(client.create_experiment("lines")).info.run_id
    (tmp_path / "model.bin").write_bytes(bytes(range(256)))
    client.log_metric(run, "evaluate/miou", 0.5)
    client.log_artifact(run, str(tmp_path / "model.bin"))

    found = client.get_run(run)
    assert found.data.metrics == {"evaluate/miou": 0.5}
    assert found.info.artifact_uri.startswith("mlflow-artifacts:")
    fetched = Path(client.download_artifacts(run, "model.bin", str(tmp_path)))
    assert fetched.read_bytes() == bytes(range(256))


def status(address: str, user: str | None = None, password: str = "", body: bytes | None = None) -> int:
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    if user is not None:
        account = base64.b64encode(f"{user}:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {account}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_who_has_no_user_gets_nothing(server: MlflowServer) -> None:
    search = f"{server.uri}/api/2.0/mlflow/experiments/search?max_results=5"
    files = f"{server.uri}/api/2.0/mlflow-artifacts/artifacts?path="

    for address in (search, files, f"{server.uri}/"):
        assert status(address) == 401, address
        assert status(address, "admin", "a wrong password") == 401, address
    assert status(search, "admin", PASSWORD) == 200
    assert status(f"{server.uri}/health") == 200  # Kubernetes asks without a user


def test_the_account_of_the_pipelines_is_in_no_run(server: MlflowServer, tmp_path: Path) -> None:
    made = json.dumps({"username": "pipelines-account", "password": "a password of its own"}).encode()
    assert status(f"{server.uri}/api/2.0/mlflow/users/create", "admin", PASSWORD, body=made) == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", "pipelines-account")
        patch.setenv("MLFLOW_TRACKING_PASSWORD", "a password of its own")
        patch.chdir(tmp_path)
        settings = TrackingSettings(uri=server.uri, experiment="nights")
        with track(settings, stage="search", execution="night", params={"seed": 1}) as run:
            run.log({"val/miou": 0.5})
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("nights")
        assert experiment is not None
        found = client.search_runs([experiment.experiment_id])

    assert 0.5 in [one.data.metrics.get("val/miou") for one in found]
    assert not [one for one in found if "pipelines-account" in str(one.to_dictionary())]


def test_no_argument_of_any_process_holds_the_password(server: MlflowServer) -> None:
    quoted = urllib.parse.quote(PASSWORD, safe="")
    arguments = list(command_lines())

    assert any("mlflow" in one for one in arguments)
    assert not [one for one in arguments if PASSWORD in one or quoted in one]
    assert PASSWORD not in server.log.read_text()
    assert quoted not in server.log.read_text()


def command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # one that has ended meanwhile
            yield path.read_bytes().decode(errors="replace")


def test_a_second_start_finds_the_tables_of_the_first(server: MlflowServer) -> None:
    kept = MlflowClient(server.uri).create_experiment("kept")
    server.kill()
    server.start()

    assert MlflowClient(server.uri).get_experiment(kept).name == "kept"
