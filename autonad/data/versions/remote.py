"""The DVC remote of a dataset folder, and what an S3 remote keeps."""

from __future__ import annotations

import os
import re
from pathlib import Path

from autonad.data.dvc_record import dvc_state
from autonad.data.dvc_user import ensure_user
from autonad.errors import DatasetError, StorageError

_MD5 = re.compile(r"[0-9a-f]{32}\.dir")
SCHEME = "s3://"
GENERATED = "generated"


def is_md5(revision: str) -> bool:
    """Whether a revision is what DVC calls the content of a folder."""
    return _MD5.fullmatch(revision) is not None


def check_kept(remote: str, md5: str, named_by: str = "") -> None:
    """A wrong secret, bucket or version is one clear line, before DVC starts.

    Args:
        remote: s3://bucket/prefix.
        md5: What DVC calls the content, with ".dir" at its end.
        named_by: What names this version, for the message; empty if a person does.

    Raises:
        StorageError: The remote cannot be used, or does not keep that version.
    """
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    place = parse_url(remote)
    if Store().exists(place.bucket, f"{place.prefix}files/md5/{md5[:2]}/{md5[2:]}"):
        return
    if named_by:
        raise StorageError(
            f"{named_by} names version {md5}, which {remote} does not keep any more; run `autonad publish` "
            "where the dataset is"
        )
    raise StorageError(
        f"{remote} does not keep version {md5}; correct the dataset revision, or run `dvc push` where the "
        "dataset was added"
    )


def recorded_version(folder: Path) -> tuple[str, str]:
    """The default remote of a dataset folder, and what DVC calls its content.

    Args:
        folder: Dataset folder, resolved.

    Raises:
        DatasetError: It changed since DVC recorded it, or DVC has no version of it or no default remote.
    """
    state = dvc_state(folder)
    if state.changed:
        raise DatasetError(
            f"{folder} has changed since DVC recorded it, and a cluster would get the content of then; run "
            "`dvc add` and `dvc push`, or `dvc checkout` to go back"
        )
    remote = default_remote(folder)
    if state.md5 is None or remote is None:
        raise DatasetError(
            f"DVC has no version of {folder} in a default remote, and a cluster cannot read this machine's "
            "folders; run `dvc add`, `dvc remote add -d` and `dvc push`"
        )
    return remote, state.md5


def default_remote(folder: Path) -> str | None:
    """Address of the default remote of the DVC repository around a folder; None without one.

    Where the environment names no endpoint, that of the remote's settings (`endpointurl`) is put there: the
    pointers beside the remote lie in the same store.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    ensure_user()
    try:
        with Repo(str(folder.parent)) as repo:
            name = repo.config["core"].get("remote")
            if not name:
                return None
            settings = repo.config["remote"][name]
            if endpoint := settings.get("endpointurl"):
                os.environ.setdefault("AWS_ENDPOINT_URL", endpoint)
            return str(settings["url"])
    except (DvcException, KeyError):
        return None


def s3_remote(folder: Path, remote: str | None) -> str:
    """The remote of a folder, without a slash at its end, if it is one that pipelines can read.

    Raises:
        DatasetError: It is no bucket.
    """
    if remote is None or not remote.startswith(SCHEME):
        got = "no default remote" if remote is None else f"the default remote {remote}"
        raise DatasetError(
            f"{folder} has {got}, and branches are kept beside a bucket; run `dvc remote add -d store "
            "s3://bucket/prefix`, or let the pipeline follow a branch of a git repository"
        )
    return remote.rstrip("/")
