"""Target files by name: `targets/NAME.json` of the dataset's repository, or beside its remote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from autonad.data.dvc_user import ensure_user
from autonad.data.versions.remote import GENERATED, SCHEME
from autonad.errors import DatasetError, StorageError, one_line, redact

FOLDER = "targets"
_AT_MOST = 64 * 1024  # bytes of a target file
_WRITE = "write it on the device with `autonad describe-target --output targets/NAME.json`"


def target_files(folder: Path) -> dict[str, Path]:
    """The target files of a folder by name; none where there is no folder."""
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def find_target(name: str, folder: Path = Path(FOLDER)) -> Path:
    """A target file; or by its name, in which case and blanks do not matter, one of a folder.

    Raises:
        DatasetError: There is neither such a file nor such a name; the message names those that there are.
    """
    return path if (path := Path(name)).is_file() else _in_folder(folder, name)


def read_target(repository: str, revision: str, name: str) -> str:
    """The text of a target file that lies with a dataset.

    Args:
        repository: Of the dataset; see `resolve`. Beside an s3:// remote lie the files that `autonad publish`
            put there; a git repository or a folder has a folder `targets`.
        revision: For a git repository a branch, tag or commit, empty for the newest.
        name: Name of the target; case and blanks do not matter.

    Raises:
        DatasetError: There is no such target (the message names those that there are), or no repository.
        StorageError: The remote cannot be used, or the file cannot be read.
    """
    if repository == GENERATED:
        raise DatasetError(
            f"target {name!r} is a name, and a generated dataset has no repository that could hold its file; "
            "give the text of the file"
        )
    if repository.startswith(SCHEME):
        return _beside_remote(repository, name)
    folder = Path(repository) / FOLDER
    plain = Path(repository).is_dir() and not (Path(repository) / ".dvc").is_dir()
    if revision or not (plain or folder.is_dir()):
        return _in_git(repository, revision, name)
    path = _in_folder(folder, name)
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"target {path} cannot be read ({one_line(error)}); {_WRITE}") from error


def put_targets(remote: str, targets: Mapping[str, str]) -> None:
    """Put target files, text by name, beside a remote, from where `read_target` reads them.

    Raises:
        StorageError: The remote cannot be used.
    """
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    place, store = parse_url(f"{remote}/autonad/{FOLDER}"), Store()
    for name, text in targets.items():
        store.write(place.bucket, f"{place.prefix}{name}.json", text.encode())


def _beside_remote(remote: str, name: str) -> str:
    from autonad.storage.location import parse_url
    from autonad.storage.store import Store

    place, store = parse_url(f"{remote.rstrip('/')}/autonad/{FOLDER}"), Store()
    keys = [found.key for found in store.list_objects(place) if found.key.endswith(".json")]
    files = {PurePosixPath(key).stem: key for key in keys if "/" not in key.removeprefix(place.prefix)}
    chosen = _chosen(name, files, remote, "run `autonad publish` where its file is")
    found = store.read(place.bucket, files[chosen], at_most=_AT_MOST)
    if found is None:
        raise StorageError(f"target {chosen} vanished from {place.url} while it was read; repeat the command")
    return found[0].decode(errors="replace")


def _in_git(repository: str, revision: str, name: str) -> str:
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    ensure_user()
    where = f"revision {revision or 'HEAD'} of {redact(repository, '')}"
    try:
        with Repo.open(repository, rev=revision or None, uninitialized=False) as repo:
            files = repo.dvcfs
            paths = files.ls(FOLDER, detail=False) if files.isdir(FOLDER) else []
            known = {PurePosixPath(path).stem: path for path in paths if path.endswith(".json")}
            text = files.read_text(known[_chosen(name, known, where)])
    except (DvcException, SCMError, OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"target {name!r} cannot be read from {where} ({redact(one_line(error), '')}); correct the "
            "dataset repository or revision, and make sure that git reaches the repository"
        ) from error
    return str(text)


def _in_folder(folder: Path, name: str) -> Path:
    files = target_files(folder)
    return files[_chosen(name, files, f"{folder}/")]


def _chosen(name: str, known: Iterable[str], where: str, remedy: str = _WRITE) -> str:
    """The one name that is meant."""
    names = sorted(known)
    meant = [name] if name in names else [one for one in names if _plain(one) == _plain(name)]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise DatasetError(
            f"target {name!r} can mean {' or '.join(meant)} in {where}; write the name as the file's"
        )
    raise DatasetError(
        f"there is no target {name!r} in {where}, but {', '.join(names) or 'none at all'}; correct the name, "
        f"or {remedy}"
    )


def _plain(name: str) -> str:
    """A name without what people forget: case, blanks, the ending of the file."""
    return re.sub(r"[\s_]+", "-", name.strip().casefold().removesuffix(".json"))
