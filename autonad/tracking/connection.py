"""The way to an MLflow server or store: what it answers with, what can go wrong, where experiments live."""

from __future__ import annotations

import errno
import os
import queue
import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from autonad.errors import TrackingError, cause_of, redact
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.sqlite_file import prepare_file, set_aside_unused, sqlite_path
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
    "clear_failures",
    "connect",
    "experiment_id",
    "open_store",
    "patient",
    "within",
]

# requests' exceptions are OSErrors.
FAILURES: tuple[type[Exception], ...] = (MlflowException, SQLAlchemyError, OSError)
# Without it the user interface shows an experiment as one of language models, with traces and no runs.
KIND = "mlflow.experimentKind"
CONNECT = "start the server, or correct tracking.uri"
OFF = "--set tracking.enabled=false"
# Seconds that a server has to answer when it is first asked.
PATIENCE = 12.0
# libpq's settings: seconds to connect, of silence, and milliseconds until what was sent must be confirmed.
POSTGRES = {"connect_timeout": 10, "keepalives_idle": 5, "tcp_user_timeout": 15000}
Result = TypeVar("Result")


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
    with clear_failures(settings, CONNECT):
        return open_store(settings.uri)


def open_store(uri: str) -> MlflowClient:
    """A client whose store is open; see `connect` for one with clear errors.

    A sqlite file is made if need be, see `sqlite_file`; a server has to answer within `PATIENCE` seconds.

    Raises:
        TrackingError: A sqlite file cannot be used.
    """
    path = sqlite_path(uri)
    if path is None:
        return within(PATIENCE, lambda: _opened(_impatient(uri)))
    prepare_file(path, _make_store)
    try:
        return _opened(uri)
    except FAILURES:
        if not set_aside_unused(path):
            raise
    _let_go(uri)
    prepare_file(path, _make_store)
    return _opened(uri)


def within(seconds: float, action: Callable[[], Result]) -> Result:
    """Do something that may wait for a server; what it waits for is given up with the process.

    Raises:
        TimeoutError: It took longer.
    """
    done: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            done.put((action(), None))
        except BaseException as error:
            done.put((None, error))

    threading.Thread(target=work, name="autonad-connect", daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(errno.ETIMEDOUT, f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return cast(Result, result)


def _opened(uri: str) -> MlflowClient:
    # Opening a store makes MLflow load its tables, and its libraries complain about one another.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = MlflowClient(uri)
        client.search_experiments(max_results=1)
        return client


def _make_store(uri: str) -> None:
    _opened(uri)
    _let_go(uri)


def _let_go(uri: str) -> None:
    """Close a sqlite file: MLflow keeps it open, and would go on writing to it wherever it is moved."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    engine = SqlAlchemyStore._engine_map.pop(uri, None)
    if engine is not None:
        engine.dispose()


def _impatient(uri: str) -> str:
    """A PostgreSQL store whose connections are given up when nothing comes back; others as they are."""
    if not uri.startswith(("postgresql:", "postgresql+psycopg")):
        return uri
    given = uri.partition("?")[2]
    missing = "&".join(f"{name}={value}" for name, value in POSTGRES.items() if f"{name}=" not in given)
    return f"{uri}{'&' if given else '?'}{missing}" if missing else uri


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
