"""Where a pipeline's dataset comes from: generated, a folder, or a version that DVC keeps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autonad.data.dvc_record import dvc_state
from autonad.errors import DatasetError, StorageError, one_line, redact

GENERATED = "generated"
_MD5 = re.compile(r"[0-9a-f]{32}\.dir")


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
        revision: For a remote the md5 that the .dvc file names; for a repository a branch, tag or commit,
            empty for the newest.
        path: The dataset's path in the repository or folder; with a remote it is only a name.

    Raises:
        DatasetError: Repository, revision or path do not exist.
        StorageError: The remote cannot be used, or does not keep that version.
    """
    if repository == GENERATED:
        return DatasetVersion(GENERATED, "", GENERATED)
    name = PurePosixPath(path).name
    if not name:
        raise DatasetError(
            "the dataset's path is missing; give the one in its repository, such as data/current"
        )
    if repository.startswith("s3://"):
        _check_kept(repository, revision)
        return DatasetVersion(repository.rstrip("/"), revision, name)
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
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    state = dvc_state(folder)
    if state.changed:
        raise DatasetError(
            f"{folder} has changed since DVC recorded it, and a cluster would get the content of then; run "
            "`dvc add` and `dvc push`, or `dvc checkout` to go back"
        )
    try:
        with Repo(str(folder.parent)) as repo:
            name = repo.config["core"].get("remote")
            remote = repo.config["remote"][name]["url"] if name else None
    except DvcException:
        remote = None
    if state.md5 is None or remote is None:
        raise DatasetError(
            f"DVC has no version of {folder} in a default remote, and a cluster cannot read this machine's "
            "folders; run `dvc add`, `dvc remote add -d` and `dvc push`"
        )
    return str(remote), state.md5, folder.name


def pull(version: DatasetVersion, output: Path) -> None:
    """Put the content of a DVC version into a folder, without its repository and without git.

    Raises:
        StorageError: The remote cannot be used, or lacks a file of that version.
    """
    import tempfile

    import yaml
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if version.location.startswith("s3://"):
        _check_kept(version.location, version.md5)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".pull-") as temporary:
        root = Path(temporary)
        try:
            with Repo.init(temporary, no_scm=True) as repo, repo.config.edit("local") as settings:
                settings["core"] = {"remote": "store", "analytics": False}
                settings["remote"] = {"store": {"url": version.location}}
                # The cache goes with the temporary folder, so a link costs no second copy.
                settings["cache"] = {"type": "hardlink,copy"}
            outs = [{"md5": version.md5, "hash": "md5", "path": "dataset"}]
            (root / "dataset.dvc").write_text(yaml.safe_dump({"outs": outs}))
            with Repo(temporary) as repo:
                repo.pull()
        except (DvcException, OSError) as error:
            raise StorageError(
                f"version {version.md5} of dataset {version.name} cannot be pulled from {version.location} "
                f"({one_line(error)}); run `dvc push` where the dataset was added, and check the AWS_* "
                "variables"
            ) from error
        for file in (root / "dataset").rglob("*"):
            if file.is_file():
                file.chmod(0o644)  # DVC protects what it links
        (root / "dataset").rename(output)


def _check_kept(remote: str, md5: str) -> None:
    """A wrong secret, bucket or version is one clear line, before DVC starts."""
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    if not _MD5.fullmatch(md5):
        raise DatasetError(
            f"dataset revision {md5!r} is no md5 of a folder; with a remote it is what the .dvc file names, "
            "32 hexadecimal digits and .dir"
        )
    place = parse_url(remote)
    if not Store().exists(place.bucket, f"{place.prefix}files/md5/{md5[:2]}/{md5[2:]}"):
        raise StorageError(
            f"{remote} does not keep version {md5}; correct the dataset revision, or run `dvc push` where "
            "the dataset was added"
        )


def _in_git(repository: str, revision: str, path: str) -> tuple[str, str]:
    """The remote and the md5 that a revision of a repository names for a path."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

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
