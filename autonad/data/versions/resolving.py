"""A dataset as a pipeline names it: generated, a folder, or a version that DVC keeps, fixed or a branch's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autonad.data.dvc_user import ensure_user
from autonad.data.versions.branches import MAIN, Pointer, read_branch
from autonad.data.versions.remote import (
    GENERATED,
    SCHEME,
    check_kept,
    default_remote,
    is_md5,
    recorded_version,
    s3_remote,
)
from autonad.errors import DatasetError, one_line, redact


@dataclass(frozen=True)
class DatasetVersion:
    """A dataset as a pipeline names it, resolved: its content is fixed.

    Attributes:
        location: "generated", a folder that is used as it is, or the DVC remote that keeps the content.
        md5: What DVC calls the content, with ".dir" at its end; empty for the other two.
        name: What the dataset is called in MLflow.
    """

    location: str
    md5: str
    name: str


def resolve(repository: str, revision: str, path: str) -> DatasetVersion:
    """Find out which content is meant, so that later steps need no git and nothing moves under them.

    Args:
        repository: "generated"; or s3://bucket/prefix of a DVC remote; or a git repository (address or
            folder); or a folder that holds datasets.
        revision: For a remote a branch that `autonad publish` moves, empty for "main", or the md5 that the
            .dvc file names, which stays the same version for ever; for a repository a branch, tag or commit,
            empty for the newest.
        path: The dataset's path in the repository or folder; with a remote it is only a name.

    Raises:
        DatasetError: Repository, revision, branch or path do not exist, or the branch's pointer is damaged.
        StorageError: The remote cannot be used, or does not keep that version.
    """
    if repository == GENERATED:
        return DatasetVersion(GENERATED, "", GENERATED)
    name = PurePosixPath(path).name
    if not name:
        raise DatasetError(
            "the dataset's path is missing; give the one in its repository, such as data/current"
        )
    if repository.startswith(SCHEME):
        remote = repository.rstrip("/")
        return DatasetVersion(remote, _kept(remote, revision.strip(), name), name)
    folder = Path(repository) / path
    if not revision and (folder / "manifest.parquet").is_file():
        return DatasetVersion(str(folder.resolve()), "", name)
    remote, md5 = _in_git(repository, revision, path)
    return DatasetVersion(remote, md5, name)


def from_folder(folder: Path, *, in_place: bool) -> tuple[str, str, str]:
    """What a pipeline is told about a dataset folder: repository, revision and path.

    Args:
        folder: Dataset folder.
        in_place: The pipeline runs where the folder is. If not, it needs its version in DVC's remote.

    Raises:
        DatasetError: There is no such dataset, or DVC has no version of it, as it is now, in a remote.
    """
    from autonad.data.dataset import is_dataset

    folder = folder.resolve()
    if not is_dataset(folder):
        raise DatasetError(f"{folder} is no dataset; make one with `autonad import-data` or `synthesize`")
    if in_place:
        return str(folder.parent), "", folder.name
    remote, md5 = recorded_version(folder)
    return remote, md5, folder.name


@dataclass(frozen=True)
class Followed:
    """A branch that a schedule follows.

    Attributes:
        remote: s3://bucket/prefix of the DVC remote.
        branch: Name of the branch.
        name: What the dataset is called there.
        pointer: What the branch means now.
    """

    remote: str
    branch: str
    name: str
    pointer: Pointer


def follow(folder: Path, branch: str = MAIN) -> Followed:
    """The branch of a dataset folder's remote that a schedule is to follow.

    Args:
        folder: Dataset folder in a DVC repository with a bucket as its default remote.
        branch: Name of the branch.

    Raises:
        DatasetError: There is no such dataset, its remote is no bucket, or the branch does not exist.
        StorageError: The remote cannot be used, or lost the version that the branch means.
    """
    from autonad.data.dataset import is_dataset

    folder = folder.resolve()
    if not is_dataset(folder):
        raise DatasetError(f"{folder} is no dataset; make one with `autonad import-data` or `synthesize`")
    remote = s3_remote(folder, default_remote(folder))
    pointer = read_branch(remote, folder.name, branch)
    check_kept(remote, pointer.md5, f"branch {branch} of dataset {folder.name}")
    return Followed(remote, branch, folder.name, pointer)


def _kept(remote: str, revision: str, name: str) -> str:
    """The md5 that a revision means, which the remote keeps."""
    if is_md5(revision):
        check_kept(remote, revision)
        return revision
    if is_md5(f"{revision}.dir"):
        raise DatasetError(
            f"dataset revision {revision!r} is no md5 of a folder; write it as the .dvc file does, with .dir "
            "at its end"
        )
    branch = revision or MAIN
    pointer = read_branch(remote, name, branch)
    check_kept(remote, pointer.md5, f"branch {branch} of dataset {name}")
    return pointer.md5


def _in_git(repository: str, revision: str, path: str) -> tuple[str, str]:
    """The remote and the md5 that a revision of a repository names for a path."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    ensure_user()
    wanted = f"revision {revision or 'HEAD'} of {redact(repository, '')}"
    try:
        with Repo.open(repository, rev=revision or None, uninitialized=False) as repo:
            outs = repo.find_outs_by_path(str(Path(repo.root_dir) / path), strict=True)
            md5 = outs[0].hash_info.value
            name = repo.config["core"].get("remote")
            remote = repo.config["remote"][name]["url"] if name else None
    except (DvcException, SCMError, OSError) as error:
        raise DatasetError(
            f"{wanted} has no dataset {path} ({redact(one_line(error), '')}); correct the dataset "
            "repository, revision or path, and make sure that git reaches the repository"
        ) from error
    if md5 is None or remote is None:
        lacking = "content: run `dvc add` there" if md5 is None else "default remote: run `dvc remote add -d`"
        raise DatasetError(f"{wanted}: DVC knows {path}, but it has no {lacking} and commit")
    return str(remote), str(md5)
