"""The way to an MLflow server or store: what it answers with, what can go wrong, where experiments live."""

from __future__ import annotations

import os
import re
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autonad.errors import TrackingError, cause_of, redact
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.values import key

# Set where the user has not: no telemetry, no chatter, and an answer within seconds.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
}.items():
    os.environ.setdefault(_name, _value)
TIMEOUT, FILE_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT", "120"

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

__all__ = [
    "CONNECT",
    "FAILURES",
    "OFF",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Param",
    "RunTag",
    "all_pages",
    "check_sqlite",
    "clear_failures",
    "connect",
    "experiment_id",
    "open_store",
    "patient",
    "sqlite_path",
]

# requests' exceptions are OSErrors.
FAILURES: tuple[type[Exception], ...] = (MlflowException, SQLAlchemyError, OSError)
# Without it the user interface shows an experiment as one of language models, with traces and no runs.
KIND = "mlflow.experimentKind"
CONNECT = "start the server, or correct tracking.uri"
OFF = "--set tracking.enabled=false"


def all_pages(search: Callable[..., Any], *arguments: Any, **options: Any) -> list[Any]:
    """Everything that one of the client's searches finds, page by page."""
    found: list[Any] = []
    token = None
    while True:
        page = search(*arguments, **options, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


@contextmanager
def clear_failures(settings: TrackingSettings, remedy: str) -> Iterator[None]:
    """Turn every failure of the server or store into one line that says what to do.

    Args:
        settings: Which server.
        remedy: What the user can do, after "MLflow at … cannot be used (…); ".

    Raises:
        TrackingError: Something within failed.
    """
    try:
        yield
    except FAILURES as error:
        reason = cause_of(error)
        if re.search(r"\b40[13]\b|(?i:unauthori[sz]ed|permission denied)", str(error)):
            reason, remedy = (
                "it refuses the user",
                ("set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD to a user who may write there"),
            )
        raise TrackingError(
            f"MLflow at {redact(settings.uri)} cannot be used ({reason}); {remedy}"
        ) from error


@contextmanager
def patient() -> Iterator[None]:
    """Wait longer for answers: a server that passes a large file on to its store is silent meanwhile."""
    before = os.environ[TIMEOUT]
    os.environ[TIMEOUT] = str(max(int(before), int(FILE_TIMEOUT)))
    try:
        yield
    finally:
        os.environ[TIMEOUT] = before


def connect(settings: TrackingSettings) -> MlflowClient:
    """A client for reading and for the registry.

    Raises:
        TrackingError: The server or store cannot be used.
    """
    check_sqlite(settings.uri)
    with clear_failures(settings, CONNECT):
        return open_store(settings.uri)


def open_store(uri: str) -> MlflowClient:
    """A client whose store is open; see `connect` for one with clear errors."""
    # Opening a store makes MLflow load its tables, and its libraries complain about one another.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        return client


def experiment_id(client: MlflowClient, settings: TrackingSettings) -> str:
    """Id of the experiment, created if need be.

    Raises:
        TrackingError: Somebody deleted it.
    """
    found = client.get_experiment_by_name(settings.experiment)
    if found is not None and found.lifecycle_stage == "deleted":
        raise TrackingError(
            f"experiment {settings.experiment!r} was deleted in MLflow; bring it back with `mlflow "
            "experiments "
            f"restore --experiment-id {found.experiment_id}`, or name another in tracking.experiment"
        )
    if found is not None:
        return found.experiment_id
    # Beside the database; MLflow's default depends on the working folder of whoever creates the experiment.
    path = sqlite_path(settings.uri)
    location = None if path is None else (path.parent / "mlruns" / key(settings.experiment)).as_uri()
    try:
        return client.create_experiment(
            settings.experiment, artifact_location=location, tags={KIND: "custom_model_development"}
        )
    except MlflowException:
        found = client.get_experiment_by_name(settings.experiment)
        if found is None:
            raise
        return found.experiment_id  # another step was quicker


def sqlite_path(uri: str) -> Path | None:
    """File of a sqlite store; None for other stores."""
    match = re.fullmatch(r"sqlite:///([^?]+)(\?.*)?", uri)
    return Path(match[1]).resolve() if match and match[1] != ":memory:" else None


def check_sqlite(uri: str) -> None:
    """Find out now that a database file cannot be used: MLflow would try for minutes."""
    path = sqlite_path(uri)
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=10)
        try:
            connection.executescript("BEGIN IMMEDIATE; ROLLBACK")
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        raise TrackingError(
            f"the tracking database {path} cannot be used ({cause_of(error)}); choose a writable place in "
            "tracking.uri, move a damaged file away, or go without: --set tracking.enabled=false"
        ) from error
