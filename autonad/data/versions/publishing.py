"""Publishing a version of a dataset: push what DVC recorded, then let a branch mean it."""

from __future__ import annotations

import datetime
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from autonad.data.dvc_user import ensure_user
from autonad.data.versions.branches import Pointer, check_branch, move_branch, seen_branch
from autonad.data.versions.named_targets import put_targets
from autonad.data.versions.remote import check_kept, recorded_version, s3_remote
from autonad.errors import DatasetError, StorageError, one_line, redact


@dataclass(frozen=True)
class Published:
    """What a branch means after publishing.

    Attributes:
        remote: s3://bucket/prefix of the DVC remote.
        name: What the dataset is called there.
        branch: The branch.
        pointer: What it means.
        moved: Whether it meant another version before.
        targets: Names of the targets that lie beside it now.
    """

    remote: str
    name: str
    branch: str
    pointer: Pointer
    moved: bool
    targets: tuple[str, ...]


def publish_folder(folder: Path, branch: str, targets: Mapping[str, str]) -> Published:
    """Push the version that DVC recorded of a dataset folder, and move a branch to it.

    Args:
        folder: Dataset folder.
        branch: Branch that pipelines follow.
        targets: Target files by name, to be put beside the remote.

    Raises:
        DatasetError: There is no such dataset, it changed since DVC recorded it, it has no bucket as its
            default remote, the branch cannot have this name, or somebody else moved it.
        StorageError: The remote cannot be used, or a part of the version is missing.
    """
    from autonad.data.dataset import Dataset, is_dataset

    folder = folder.resolve()
    if not is_dataset(folder):
        raise DatasetError(f"{folder} is no dataset; make one with `autonad import-data` or `synthesize`")
    check_branch(branch)
    found, md5 = recorded_version(folder)
    remote = s3_remote(folder, found)
    before, seen = seen_branch(remote, folder.name, branch)
    dataset = Dataset.open(folder)
    _push(folder, remote)
    check_kept(remote, md5)
    put_targets(remote, targets)
    moved = before is None or before.md5 != md5
    if moved:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        commit = _commit_of(folder, md5)
        pointer = Pointer(
            md5=md5, images=len(dataset.manifest), classes=dataset.classes, published=now, git_sha=commit
        )
        move_branch(remote, folder.name, branch, pointer, seen=seen)
    else:
        assert before is not None
        pointer = before
    return Published(remote, folder.name, branch, pointer, moved, tuple(sorted(targets)))


def _push(folder: Path, remote: str) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    ensure_user()
    try:
        with Repo(str(folder.parent)) as repo:
            repo.push(targets=[str(folder)])
    except (DvcException, OSError) as error:
        raise StorageError(
            f"{folder} cannot be pushed to {remote} ({redact(one_line(error), '')}); run `dvc push` to see "
            "more, and check the AWS_* variables"
        ) from error


def _commit_of(folder: Path, md5: str) -> str | None:
    """The commit at HEAD of the repository, if it records this content."""
    git = ["git", "-C", str(folder.parent)]
    try:
        top = _output([*git, "rev-parse", "--show-toplevel"])
        _output(["git", "-C", top, "grep", "-qF", md5, "HEAD", "--", "*.dvc", "*dvc.lock"])
        return _output([*git, "rev-parse", "HEAD"])
    except (OSError, subprocess.SubprocessError):
        return None


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.strip()
