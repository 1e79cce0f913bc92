"""Branches beside a DVC remote: small objects that say which version of a dataset is the newest.

`<remote>/autonad/datasets/<dataset>/<branch>.json` is a pointer. A schedule follows it, so that each run gets
the version of that day. DVC's garbage collection never looks there.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, Field

from autonad.data.versions.remote import is_md5
from autonad.errors import DatasetError
from autonad.reading.bounds import Unreadable, parse_json
from autonad.reading.shape_checks import check_shape

MAIN = "main"
_AT_MOST = 64 * 1024  # bytes of a pointer


class Pointer(BaseModel):
    """What a branch means now.

    Attributes:
        md5: What DVC calls the content, with ".dir" at its end.
        images: Number of images.
        classes: Names, background first.
        published: When the pointer was moved here, ISO 8601 in UTC.
        git_sha: Commit that records this content; None if none does.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    md5: str = Field(pattern=r"^[0-9a-f]{32}\.dir$")
    images: int = Field(ge=0)
    classes: tuple[str, ...] = Field(strict=False)  # JSON has lists
    published: str
    git_sha: str | None = None

    @property
    def text(self) -> str:
        """The pointer as JSON."""
        return json.dumps(self.model_dump(), indent=2, sort_keys=True) + "\n"


def read_branch(remote: str, dataset: str, branch: str) -> Pointer:
    """What a branch of a dataset means now.

    Args:
        remote: s3://bucket/prefix.
        dataset: Name of the dataset.
        branch: Name of the branch.

    Raises:
        DatasetError: There is no such branch (the message names those that there are), or its pointer is
            damaged.
        StorageError: The remote cannot be used.
    """
    found = _read(remote, dataset, branch)
    if found is not None:
        return _parsed(found[0], dataset, branch, remote)
    branches = _names(remote, dataset)
    if branches:
        raise DatasetError(
            f"dataset {dataset} has no branch {branch!r} in {remote}, but {', '.join(branches)}; correct the "
            f"dataset revision, or run `autonad publish --dataset FOLDER --branch {branch}`"
        )
    others = ", ".join(_datasets(remote)) or "none"
    raise DatasetError(
        f"dataset {dataset} has no branch in {remote} (published datasets: {others}), so revision {branch!r} "
        f"cannot be followed; run `autonad publish --dataset FOLDER`, or give the version's md5"
    )


def seen_branch(remote: str, dataset: str, branch: str) -> tuple[Pointer | None, str | None]:
    """A pointer that is to be moved, and a mark that changes with it.

    Returns:
        Two times None where there is none; a mark without a pointer where it is damaged.

    Raises:
        StorageError: The remote cannot be used.
    """
    found = _read(remote, dataset, branch)
    if found is None:
        return None, None
    try:
        return _parsed(found[0], dataset, branch, remote), found[1]
    except DatasetError:
        return None, found[1]


def move_branch(remote: str, dataset: str, branch: str, pointer: Pointer, *, seen: str | None) -> None:
    """Let a branch mean another version, unless somebody else moved it meanwhile.

    Stores that know conditional writes refuse the second of two; with the others the pointer is read before
    and after.

    Args:
        remote: s3://bucket/prefix.
        dataset: Name of the dataset.
        branch: Name of the branch.
        pointer: What it shall mean.
        seen: The mark that `seen_branch` gave before the version was pushed.

    Raises:
        DatasetError: Somebody else moved it.
        StorageError: The remote cannot be used.
    """
    from autonad.storage.store import Store

    store, (bucket, key) = Store(), _place(remote, dataset, branch)
    before = store.read(bucket, key, at_most=_AT_MOST)
    content = pointer.text.encode()
    if (before and before[1]) == seen and store.replace(bucket, key, content, seen=seen):
        after = store.read(bucket, key, at_most=_AT_MOST)
        if after is not None and after[0] == content:
            return
    raise DatasetError(
        f"branch {branch} of dataset {dataset} in {remote} was moved by somebody else at the same moment; "
        "bring their version into yours if it lacks their images, then run `autonad publish` again"
    )


def check_branch(branch: str) -> None:
    """Whether a branch can have this name.

    Raises:
        DatasetError: The name is empty, leaves its folder, or is that of a fixed version.
    """
    _check_part(branch, "branch")
    if is_md5(branch) or is_md5(f"{branch}.dir"):
        raise DatasetError(
            f"{branch!r} is the md5 of one version, and a branch cannot be called so; choose a word such as "
            f"{MAIN!r}"
        )


def _read(remote: str, dataset: str, branch: str) -> tuple[bytes, str] | None:
    from autonad.storage.store import Store

    return Store().read(*_place(remote, dataset, branch), at_most=_AT_MOST)


def _parsed(content: bytes, dataset: str, branch: str, remote: str) -> Pointer:
    try:
        return Pointer.model_validate(check_shape(parse_json(content), Pointer))
    except Unreadable as error:
        raise DatasetError(
            f"the pointer of branch {branch} of dataset {dataset} in {remote} is damaged "
            f"({error}); run `autonad publish --dataset FOLDER "
            f"--branch {branch}`, which writes it anew"
        ) from error


def _check_part(name: str, what: str) -> None:
    from autonad.storage.source import unsafe_key

    problem = "its name holds a slash" if "/" in name else unsafe_key(name)
    if problem is not None or name != name.strip():
        problem = problem or "its name begins or ends with a blank"
        raise DatasetError(
            f"{what} {name!r} cannot be kept in a bucket: {problem}; use letters, digits, '-', '_' and '.'"
        )


def _place(remote: str, dataset: str, branch: str) -> tuple[str, str]:
    from autonad.storage.location import parse_url

    _check_part(dataset, "dataset")
    check_branch(branch)
    place = parse_url(remote)
    return place.bucket, f"{place.prefix}autonad/datasets/{dataset}/{branch}.json"


def _names(remote: str, dataset: str) -> list[str]:
    """Branches of a dataset."""
    return [path.stem for path in _pointers(remote) if path.parent.name == dataset]


def _datasets(remote: str) -> list[str]:
    """Datasets that have branches."""
    return sorted({path.parent.name for path in _pointers(remote)})


def _pointers(remote: str) -> list[PurePosixPath]:
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    place = parse_url(f"{remote.rstrip('/')}/autonad/datasets")
    keys = (found.key.removeprefix(place.prefix) for found in Store().list_objects(place))
    return [PurePosixPath(key) for key in keys if key.count("/") == 1 and key.endswith(".json")]
