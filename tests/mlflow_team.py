"""A team's servers as tests use them, and the command line without a process of its own."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import boto3
from botocore.config import Config as ClientConfig
from mlflow_servers import MlflowServer
from servers import ObjectStore

from autonad.cli import main
from autonad.tracking import TrackingSettings

BUCKET = "mlflow"


def verb(root: Path, *arguments: object, code: int = 0) -> str:
    """Run a verb in a folder, in this process: importing the libraries anew takes longer than the work.

    Returns:
        What it printed, or its one line of complaint.
    """
    out, err = io.StringIO(), io.StringIO()
    command = ["autonad", *map(str, arguments)]
    with chdir(root), redirect_stdout(out), redirect_stderr(err), mock.patch.object(sys, "argv", command):
        try:
            main()
            ended: Any = 0
        except SystemExit as exit_:
            ended = exit_.code or 0
    assert ended == code, f"{out.getvalue()}\n{err.getvalue()}"
    if code:
        assert len(err.getvalue().strip().splitlines()) == 1, err.getvalue()
    return (err if code else out).getvalue().strip()


@dataclass(frozen=True)
class Team:
    """The servers of a team.

    Attributes:
        server: MLflow.
        store: Where the server keeps artifacts.
    """

    server: MlflowServer
    store: ObjectStore

    @property
    def client(self) -> Any:
        from autonad.tracking.connection import MlflowClient

        return MlflowClient(self.server.uri)

    @property
    def s3(self) -> Any:
        """The store itself, which MLflow's users have no keys of."""
        values = self.store.environment
        return boto3.client(
            "s3",
            endpoint_url=values["AWS_ENDPOINT_URL"],
            region_name=values["AWS_DEFAULT_REGION"],
            aws_access_key_id=values["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=values["AWS_SECRET_ACCESS_KEY"],
            config=ClientConfig(
                request_checksum_calculation="when_required", response_checksum_validation="when_required"
            ),
        )

    def settings(self, experiment: str = "autonad") -> TrackingSettings:
        return TrackingSettings(uri=self.server.uri, experiment=experiment)

    def experiment(self) -> str:
        return str(self.client.get_experiment_by_name("autonad").experiment_id)

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        return {point.step: point.value for point in self.client.get_metric_history(run_id, metric)}

    def keys(self, prefix: str = "") -> set[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return {entry["Key"] for page in pages for entry in page.get("Contents", [])}

    @contextmanager
    def changed(self, uri: str, change: Callable[[bytes], bytes] | None) -> Iterator[None]:
        """Within, an artifact is another one (or none) in the store itself, behind MLflow's back."""
        key = key_of(uri)
        before = self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        if change is None:
            self.s3.delete_object(Bucket=BUCKET, Key=key)
        else:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=change(before))
        try:
            yield
        finally:
            self.s3.put_object(Bucket=BUCKET, Key=key, Body=before)


def key_of(uri: str) -> str:
    """Where the store keeps what MLflow calls by a URI of its proxy."""
    return uri.replace("mlflow-artifacts:/", "artifacts/")


def one_byte(content: bytes) -> bytes:
    """The same with one bit changed, in the middle."""
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


def contents(folder: Path) -> dict[str, bytes]:
    """Name → bytes of all files in a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
