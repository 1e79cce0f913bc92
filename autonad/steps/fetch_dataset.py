"""Bring the dataset of a pipeline into a folder: the same content for all of its tasks."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context
from autonad.data.versions import GENERATED, DatasetVersion, pull
from autonad.steps.step import begin
from autonad.steps.synthesize import synthesize
from autonad.tracking.tags import DVC_MD5


@dataclass(frozen=True)
class FetchResult:
    """The dataset that was fetched.

    Attributes:
        fingerprint: Sha256 of classes and manifest.
        images: Number of images.
        groups: Number of physical parts.
        classes: Names, background first.
    """

    fingerprint: str
    images: int
    groups: int
    classes: tuple[str, ...]


def fetch_dataset(context: Context, *, version: DatasetVersion, output: Path) -> FetchResult:
    """Generate a dataset, copy a folder, or pull a version from the DVC remote that keeps it.

    Args:
        context: Section `synthesize` decides what is generated.
        version: From `versions.resolve`.
        output: Dataset folder to write.

    Raises:
        DatasetError: What was fetched is no dataset.
        StorageError: The remote cannot be used, or lacks a file of that version.
    """
    from autonad.data.dataset import Dataset

    if version.location == GENERATED:
        synthesize(context, output=output)
    else:
        params = {"source": version.location, "md5": version.md5}
        with begin("fetch-dataset", context, params=params, learns=False) as step:
            if version.md5:
                pull(version, output)
                step.run.tag(DVC_MD5, version.md5)
            else:
                shutil.copytree(version.location, output, copy_function=_link_or_copy, dirs_exist_ok=True)
            step.uses(Dataset.open(output), "training")
    found = Dataset.open(output)
    groups = int(found.manifest["group"].nunique())
    return FetchResult(found.fingerprint, len(found.manifest), groups, found.classes)


def _link_or_copy(source: str, target: str) -> None:
    """Files of a dataset are replaced, never changed, so a link is as good as a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
