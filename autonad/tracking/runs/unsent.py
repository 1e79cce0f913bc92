"""What a server did not take: kept on disk per run, and sent by the next step that reaches the server.

`mlflow-unsent/<run id>.jsonl` holds metrics (see `metric_queue`), `<run id>.later.jsonl` tags and how the
run ended, one JSON object per line. While they are sent they are called `.sending`; what a kill left under
that name is sent again. Sending a line twice does no harm: MLflow keeps one of equal metrics.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from autonad.errors import BusyError, StorageError
from autonad.locks import exclusive
from autonad.reading.bounds import Unreadable, parse_json
from autonad.reading.shape_checks import Shape, check_shape
from autonad.tracking.connection import FAILURES, Metric, MlflowClient, MlflowException, RunTag
from autonad.tracking.runs.metric_queue import Point, read_points

BATCH = 1000  # MLflow's limit per request
TAG, END = "tag", "end"
WAITING, SENDING = ".jsonl", ".sending"


def keep(unsent: Path, run_id: str, line: dict[str, Any]) -> None:
    """Write down a tag, or how a run ended.

    Args:
        unsent: Folder of what was not sent.
        run_id: Whose it is.
        line: `{"tag": name, "value": text}` or `{"end": status, "at": milliseconds}`.
    """
    unsent.mkdir(parents=True, exist_ok=True)
    with (unsent / f"{run_id}.later.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")


def send_points(client: MlflowClient, run_id: str, points: list[Point]) -> None:
    """Send metrics in batches that MLflow takes."""
    for start in range(0, len(points), BATCH):
        metrics = [Metric(p.name, p.value, p.timestamp_ms, p.step) for p in points[start : start + BATCH]]
        client.log_batch(run_id, metrics=metrics)


def replay(
    client: MlflowClient, unsent: Path, warn: Callable[[str], None], run_id: str | None = None
) -> None:
    """Send what could not be sent before.

    A file of a run that this server does not know stays where it is.

    Args:
        client: A server that answers.
        unsent: Folder of what was not sent.
        warn: Told what was sent, and what still cannot be.
        run_id: Whose; None for everybody's.
    """
    files = [path for path in unsent.glob(f"{run_id or '*'}.*") if path.suffix in (WAITING, SENDING)]
    for owner in sorted({path.name.split(".")[0] for path in files}):
        try:
            with exclusive(unsent / owner, f"what waits of run {owner}"):
                _replay_run(client, unsent, owner, warn)
        except (BusyError, StorageError, OSError):
            continue  # another process sends it, or the disk takes nothing; it waits on
    with suppress(OSError):  # others wait
        unsent.rmdir()


def _replay_run(client: MlflowClient, unsent: Path, owner: str, warn: Callable[[str], None]) -> None:
    """Send what waits of one run; nobody else does meanwhile, but a step that lives may write more of it."""
    for left in unsent.glob(f"{owner}.*{SENDING[1:]}"):
        _put_back(left, left.with_suffix(WAITING))
    for path in sorted(unsent.glob(f"{owner}.*{WAITING[1:]}")):
        claimed = path.with_suffix(SENDING)
        try:
            path.rename(claimed)
        except OSError:
            continue
        try:
            count = _send_file(client, owner, claimed)
        except FAILURES as error:
            _put_back(claimed, path)
            if not isinstance(error, MlflowException) or error.error_code != "RESOURCE_DOES_NOT_EXIST":
                warn(f"what is kept in {path} cannot be sent yet")
            continue
        claimed.unlink(missing_ok=True)
        warn(f"sent {count} entries of run {owner} that had waited in {path}")


def _send_file(client: MlflowClient, run_id: str, path: Path) -> int:
    lines = _objects(path)
    points = read_points(path)
    client.get_run(run_id)
    send_points(client, run_id, points)
    tags = [RunTag(line[TAG], line["value"]) for line in lines if TAG in line]
    if tags:
        client.log_batch(run_id, tags=tags)
    for line in lines:
        if END in line:
            client.set_terminated(run_id, line[END], line["at"])
    return len(points) + sum(TAG in line or END in line for line in lines)


def _objects(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole."""
    found = []
    for line in path.read_bytes().splitlines():
        with suppress(Unreadable):
            found.append(check_shape(parse_json(line), Shape))
    return found


def _put_back(claimed: Path, path: Path) -> None:
    content = claimed.read_bytes()
    with path.open("ab") as file:
        file.write(b"\n" * (file.tell() > 0) + content)  # a kill may have torn the last line there
    claimed.unlink()
