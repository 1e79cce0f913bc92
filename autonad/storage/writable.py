"""Whether a place takes files, found out before hours of training depend on it."""

from __future__ import annotations

import os
import tempfile
import uuid
from pathlib import Path

from autonad.errors import StorageError
from autonad.storage.checkpoints import place_at

PROBE = ".autonad-writable"


def check_writable(location: str) -> None:
    """Write a small file to a folder or a bucket, and remove it.

    Args:
        location: "s3://bucket/prefix", or a folder on a volume.

    Raises:
        StorageError: It takes none; the message says who could not write.
    """
    if location != location.strip():
        raise StorageError(f"checkpoints are kept in {location!r}, which has blanks around it; remove them")
    if not location.startswith("s3://") and "KUBERNETES_SERVICE_HOST" in os.environ:
        _check_mounted(Path(location))
    try:
        with tempfile.NamedTemporaryFile() as file:
            # A name of its own: others may check the same place at the same moment.
            place = place_at(f"{location.rstrip('/')}/{PROBE}-{uuid.uuid4().hex}")
            place.put(Path(file.name), "probe")
            place.remove(["probe"])
    except (OSError, StorageError) as error:
        remedy = "check the bucket and the AWS_* variables"
        if not location.startswith("s3://"):
            remedy = (
                "give the volume to that group once (docs/kubeflow.md has a Job that does): Kubeflow cannot "
                "set `fsGroup`"
            )
        raise StorageError(
            f"checkpoints cannot be written to {location} by user {os.getuid()} of group {os.getgid()} "
            f"({str(error).partition(';')[0]}); {remedy}"
        ) from error


def _check_mounted(folder: Path) -> None:
    """A folder of the pod itself would be lost with it, and nobody would know before that."""
    places = [folder, *folder.parents][:-1]
    if not folder.is_absolute() or not any(place.is_mount() for place in places):
        raise StorageError(
            f"no volume is mounted at {folder}, so checkpoints there would be lost with the pod; compile the "
            "pipeline with --checkpoint-volume CLAIM, which is mounted at /checkpoints, or give "
            "s3://bucket/prefix"
        )
