"""Publish the version of a dataset that DVC recorded, for pipelines that follow a branch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autonad.errors import LatencyError

if TYPE_CHECKING:
    from autonad.data.versions import Published


def publish(*, dataset: Path, branch: str) -> Published:
    """Push a dataset to its DVC remote, let a branch mean it, and put the target files beside it.

    Args:
        dataset: Dataset folder, as DVC recorded it. Targets are `targets/*.json` of its DVC repository.
        branch: Branch that pipelines follow.

    Raises:
        DatasetError: There is no such dataset, it changed since DVC recorded it, it has no bucket as its
            default remote, the branch cannot have this name, or somebody else moved it.
        LatencyError: A target file is none.
        StorageError: The remote cannot be used, or a part of the version is missing.
    """
    from autonad.data.versions import publish_folder
    from autonad.data.versions.named_targets import FOLDER, target_files
    from autonad.latency.target import Target

    folder = dataset.resolve()
    root = next((parent for parent in folder.parents if (parent / ".dvc").is_dir()), folder.parent)
    targets = {}
    for name, path in target_files(root / FOLDER).items():
        try:
            Target.load(path)
        except LatencyError as error:
            raise LatencyError(f"{error}; or move it out of {root / FOLDER}, if it is none") from error
        targets[name] = path.read_text()
    return publish_folder(folder, branch, targets)
