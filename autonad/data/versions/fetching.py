"""Content into a folder: a version of a dataset, or a folder out of a bucket or repository."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from autonad.data.dvc_user import ensure_user
from autonad.data.versions.remote import GENERATED, SCHEME, check_kept
from autonad.data.versions.resolving import DatasetVersion
from autonad.errors import DatasetError, StorageError, one_line, redact

MOST_BYTES = 100 * 10**6
MOST_FILES = 1000
_CHUNK = 2**20


def pull(version: DatasetVersion, output: Path) -> None:
    """Put the content of a DVC version into a folder, without its repository and without git.

    Raises:
        StorageError: The remote cannot be used, or lacks a file of that version.
    """
    import yaml
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    ensure_user()
    if version.location.startswith(SCHEME):
        check_kept(version.location, version.md5)
    with _beside(output) as root:
        try:
            with Repo.init(str(root), no_scm=True) as repo, repo.config.edit("local") as settings:
                # Its state goes with the temporary folder, as the cache does, so a link costs no second copy.
                settings["core"] = {
                    "remote": "store",
                    "analytics": False,
                    "site_cache_dir": str(root / ".dvc/state"),
                }
                settings["remote"] = {"store": {"url": version.location}}
                settings["cache"] = {"type": "hardlink,copy"}
            outs = [{"md5": version.md5, "hash": "md5", "path": "content"}]
            (root / "content.dvc").write_text(yaml.safe_dump({"outs": outs}))
            with Repo(str(root)) as repo:
                repo.pull()
        except (DvcException, OSError) as error:
            raise StorageError(
                f"version {version.md5} of dataset {version.name} cannot be pulled from {version.location} "
                f"({one_line(error)}); run `dvc push` where the dataset was added, and check the AWS_* "
                "variables"
            ) from error
        for file in (root / "content").rglob("*"):
            if file.is_file():
                file.chmod(0o644)  # DVC protects what it links


def fetch_folder(place: str, repository: str, revision: str, output: Path) -> None:
    """Bring a small folder, such as a latency folder that an edge device measured.

    At most 100 MB in 1000 files are brought; the output appears whole or not at all.

    Args:
        place: s3://bucket/prefix; or a folder of this machine, such as one of a mounted volume; or a path in
            the dataset's repository, tracked by git or DVC.
        repository: Of the dataset; see `resolve`.
        revision: For a git repository a branch, tag or commit, empty for the newest.
        output: Folder to write; it must not exist, or be empty.

    Raises:
        DatasetError: There is no such folder, it is empty or too large, or holds what could leave the folder.
        StorageError: The bucket or remote cannot be used, or a file cannot be written.
    """
    place = place.strip()
    if not place:
        raise DatasetError("the folder's place is missing; give s3://bucket/prefix or a path")
    inside = Path(repository) / place
    with _beside(output) as root:
        content = root / "content"
        content.mkdir()
        if place.startswith(SCHEME):
            _from_bucket(place, content)
        elif Path(place).is_absolute() or (not revision and inside.is_dir()):
            _from_disk(Path(place) if Path(place).is_absolute() else inside, content)
        elif repository.startswith(SCHEME) or repository in ("", GENERATED):
            raise DatasetError(
                f"folder {place!r} is a path in a repository, and the dataset comes from {repository!r}, "
                "which is none; copy the folder into a bucket, and give s3://bucket/prefix"
            )
        else:
            _from_git(place, repository, revision, content)


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A temporary folder whose part "content" becomes the output at the end, in one step."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=".fetch-") as temporary:
        yield Path(temporary)
        (Path(temporary) / "content").rename(output)


def _from_bucket(place: str, content: Path) -> None:
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    store, location = Store(), parse_url(place)
    limit = _Limit(place)
    wanted = []
    for found in store.list_objects(location):
        path = limit.file(content, found.key.removeprefix(location.prefix))
        limit.add(found.size)
        wanted.append((found, path))
    limit.check_some()
    for done in store.download(location.bucket, wanted):
        if done.problem is not None:
            raise StorageError(f"{SCHEME}{location.bucket}/{done.object.key}: {done.problem}")


def _from_disk(folder: Path, content: Path) -> None:
    if not folder.is_dir():
        raise DatasetError(
            f"folder {folder} does not exist here; mount the volume that holds it, or copy it into a bucket "
            "and give s3://bucket/prefix"
        )
    limit, root = _Limit(str(folder)), folder.resolve()
    for source in sorted(path for path in root.rglob("*") if not path.is_dir()):
        key = source.relative_to(root).as_posix()
        if not source.resolve().is_relative_to(root):
            raise DatasetError(f"{source} is a link that leads out of {folder}; copy the file itself there")
        try:
            with source.open("rb") as file:
                limit.copy(file, limit.file(content, key))
        except OSError as error:
            raise StorageError(f"cannot copy {source}: {error.strerror}; make it readable") from error
    limit.check_some()


def _from_git(place: str, repository: str, revision: str, content: Path) -> None:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.repo.data import DataIndexDirError
    from dvc.scm import SCMError

    ensure_user()
    where = f"revision {revision or 'HEAD'} of {redact(repository, '')}"
    limit = _Limit(f"{place} in {where}")
    try:
        with Repo.open(repository, rev=revision or None, uninitialized=False) as repo:
            files = repo.dvcfs
            if not files.isdir(place):
                raise DatasetError(
                    f"{where} has no folder {place}; correct the path or the dataset revision, or give "
                    "s3://bucket/prefix"
                )
            root = files.info(place)["name"].rstrip("/") + "/"
            for path in sorted(files.find(place)):
                with files.open(path, "rb") as file:
                    limit.copy(file, limit.file(content, path.removeprefix(root)))
    except (DvcException, DataIndexDirError, SCMError, OSError) as error:
        raise StorageError(
            f"{place} cannot be fetched from {where} ({redact(one_line(error), '')}); run `dvc push` where "
            "it was added, make sure that git reaches the repository, and check the AWS_* variables"
        ) from error
    limit.check_some()


class _Limit:
    """Counts the files and bytes of a folder; what is too much is refused.

    Args:
        what: The folder, for messages.
    """

    def __init__(self, what: str) -> None:
        self._what, self._files, self._bytes = what, 0, 0

    def file(self, folder: Path, key: str) -> Path:
        """Where a further file is to be written."""
        from autonad.storage.source import unsafe_key

        if (problem := unsafe_key(key)) is not None:
            raise DatasetError(f"{self._what} holds {key!r}, and {problem}; rename it there")
        self._files += 1
        if self._files > MOST_FILES:
            self._refuse(f"more than {MOST_FILES} files")
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def add(self, size: int) -> None:
        """Count bytes."""
        self._bytes += size
        if self._bytes > MOST_BYTES:
            self._refuse(f"more than {MOST_BYTES // 10**6} MB")

    def copy(self, source: BinaryIO, path: Path) -> None:
        """Copy a file whose size nobody vouches for."""
        with path.open("wb") as target:
            while chunk := source.read(_CHUNK):
                self.add(len(chunk))
                target.write(chunk)

    def check_some(self) -> None:
        """Refuse a folder without files."""
        if not self._files:
            raise DatasetError(f"{self._what} holds no files; correct the path, or copy the folder there")

    def _refuse(self, much: str) -> None:
        raise DatasetError(
            f"{self._what} holds {much}, which is no folder that a device measured; name the folder itself, "
            "not one above it"
        )
