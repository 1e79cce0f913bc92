"""Which store is used and shown; an answer in time from one that is silent."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autonad.errors import TrackingError
from autonad.tracking import TrackingSettings, connection
from autonad.tracking.connection import connect
from autonad.tracking.destination import effective
from autonad.tracking.links import run_link

MLFLOW = {"MLFLOW_TRACKING_URI": "http://team:5000", "MLFLOW_EXPERIMENT_NAME": "steel"}


def test_mlflows_own_variables_count_where_the_configuration_leaves_the_default() -> None:
    found = effective(TrackingSettings(), MLFLOW)
    assert (found.uri, found.experiment) == ("http://team:5000", "steel")
    found = effective(TrackingSettings("http://mine:5000", "tiles"), MLFLOW)
    assert (found.uri, found.experiment) == ("http://mine:5000", "tiles")
    assert effective(TrackingSettings(), {"MLFLOW_TRACKING_URI": ""}) == TrackingSettings()


def test_an_experiment_of_dvc_logs_where_its_project_does() -> None:
    there = {"DVC_EXP_NAME": "tipsy-hens", "DVC_ROOT": "/project"}
    found = effective(TrackingSettings(), there)
    assert (found.uri, found.unsent) == ("sqlite:////project/mlflow.db", Path("/project/mlflow-unsent"))
    assert effective(TrackingSettings("sqlite:////other/m.db"), there).uri == "sqlite:////other/m.db"
    assert effective(TrackingSettings(), there | MLFLOW).uri == "http://team:5000"
    assert effective(TrackingSettings(), {"DVC_ROOT": "/project"}) == TrackingSettings()


def test_a_store_is_shown_with_its_folder_and_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert TrackingSettings().shown == f"sqlite:///{tmp_path}/mlflow.db, experiment autonad"
    assert TrackingSettings("http://me:secret@team:5000").shown == "http://***@team:5000, experiment autonad"


def test_a_link_opens_on_trainings() -> None:
    assert (
        run_link("http://team:5000/", "1", "f00")
        == "http://team:5000/#/experiments/1/runs/f00?workflowType=machine_learning"
    )


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:{}", "postgresql+psycopg2://me:secret@127.0.0.1:{}/mlflow"]
)
def test_a_server_that_is_silent_is_given_up_in_time(
    uri: str, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 1.0)
    started = time.monotonic()
    with pytest.raises(TrackingError, match=r"no answer within 1 s\); start the server") as caught:
        connect(TrackingSettings(uri.format(silent)))
    assert "secret" not in str(caught.value)
    assert time.monotonic() - started < 10


def test_a_server_has_at_most_fifteen_seconds() -> None:
    assert connection.PATIENCE < 15
