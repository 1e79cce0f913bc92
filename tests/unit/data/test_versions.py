"""Where a pipeline's dataset comes from: the version that was meant, from the remote alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc_repositories import SMALL, add_version, make_repository, run
from servers import ObjectStore

from autonad import steps
from autonad.config import parse_config
from autonad.config.context import Context
from autonad.data.dataset import Dataset
from autonad.data.versions import DatasetVersion, from_folder, pull, resolve
from autonad.errors import DatasetError, StorageError
from autonad.storage.store import Store

pytestmark = [pytest.mark.acceptance, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def made(s3: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A repository with two versions of a dataset in an S3 remote; the remote's address."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3.environment.items():
            patch.setenv(name, value)
        Store().create_bucket("sources")
        repo, remote = tmp_path_factory.mktemp("sources") / "repo", "s3://sources/dvc"
        make_repository(repo, remote)
        for seed, version in enumerate(("one", "two")):
            add_version(repo, seed, version)
        run("dvc", "push", "-q", "--all-commits", cwd=repo)
        yield repo, remote


@pytest.fixture
def repository(made: tuple[Path, str], s3_environment: dict[str, str]) -> tuple[Path, str]:
    """The same, with the variables that a client of the store needs."""
    return made


def test_a_revision_is_pulled_by_its_md5_without_git(repository: tuple[Path, str], tmp_path: Path) -> None:
    repo, remote = repository
    newest = Dataset.open(repo / "data" / "parts").fingerprint
    one, two = (resolve(str(repo), revision, "data/parts") for revision in ("one", "two"))
    again = resolve(*from_folder(repo / "data" / "parts", in_place=False))

    assert (one.location, one.name) == (remote, "parts")
    assert two == again != one
    assert resolve(remote, one.md5, "data/parts") == one
    for source, name in ((one, "first"), (two, "second")):
        pull(source, tmp_path / "out" / name)
    assert Dataset.open(tmp_path / "out" / "second").fingerprint == newest
    assert Dataset.open(tmp_path / "out" / "first").fingerprint != newest
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["first", "second"]


def test_a_folder_that_changed_since_is_not_sent_to_a_cluster(
    repository: tuple[Path, str], tmp_path: Path
) -> None:
    repo = tmp_path / "repo"
    shutil.copytree(repository[0], repo)
    classes = repo / "data/parts/classes.json"
    classes.chmod(0o644)
    classes.write_text(classes.read_text() + " ")

    with pytest.raises(DatasetError, match="has changed since DVC recorded it"):
        from_folder(repo / "data/parts", in_place=False)


def test_what_does_not_exist_is_named(repository: tuple[Path, str]) -> None:
    repo, remote = repository
    missing = "0" * 32 + ".dir"
    for arguments, kind, message in (
        ((str(repo), "three", "data/parts"), DatasetError, "revision three of .* has no dataset"),
        ((str(repo), "one", "data/others"), DatasetError, "has no dataset data/others"),
        ((remote, missing, "parts"), StorageError, f"does not keep version {missing}"),
        ((remote, "main", "parts"), DatasetError, "dataset parts has no branch in .*autonad publish"),
        ((remote, missing.removesuffix(".dir"), "parts"), DatasetError, "with .dir at its end"),
        ((str(repo), "", ""), DatasetError, "path is missing"),
    ):
        with pytest.raises(kind, match=message):
            resolve(*arguments)


def test_a_wrong_secret_is_one_clear_line(
    repository: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = resolve(str(repository[0]), "one", "data/parts")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong-secret")

    with pytest.raises(StorageError, match=r"AWS_SECRET_ACCESS_KEY|denies access") as caught:
        pull(source, repository[0] / "out")
    assert "wrong-secret" not in str(caught.value)
    assert not (repository[0] / "out").exists()


def test_a_folder_is_taken_where_it_is_and_on_a_cluster_refused(tmp_path: Path) -> None:
    steps.synthesize(Context(parse_config(SMALL, source="test")), output=tmp_path / "parts")

    assert resolve(*from_folder(tmp_path / "parts", in_place=True)) == DatasetVersion(
        str(tmp_path / "parts"), "", "parts"
    )
    with pytest.raises(DatasetError, match="dvc push"):
        from_folder(tmp_path / "parts", in_place=False)
    with pytest.raises(DatasetError, match="is no dataset"):
        from_folder(tmp_path, in_place=True)
