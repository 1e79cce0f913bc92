"""A branch of a dataset means the newest version that was published, and moves under nobody's hands."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from dvc_repositories import add_version, make_repository, run, use_remote
from servers import ObjectStore, Wire

from autonad import steps
from autonad.data.dataset import Dataset
from autonad.data.versions import fetch_folder, follow, from_folder, pull, read_target, resolve
from autonad.data.versions.branches import Pointer, move_branch, seen_branch
from autonad.errors import DatasetError, LatencyError, StorageError
from autonad.latency.target import Target
from autonad.storage.location import Location
from autonad.storage.store import Store

pytestmark = [pytest.mark.acceptance, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def made(s3: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a dataset that DVC recorded, and a target; nothing of it is pushed."""
    repo = tmp_path_factory.mktemp("branches") / "repo"
    make_repository(repo, "s3://nowhere/yet")
    Target.describe("line", threads=1).save(repo / "targets/line-3.json")
    add_version(repo, 1)
    return repo


@pytest.fixture
def repo(made: Path, bucket: str, tmp_path: Path) -> Path:
    """A copy of it whose default remote is a new bucket."""
    copy = tmp_path / "repo"
    shutil.copytree(made, copy)
    use_remote(copy, f"s3://{bucket}/dvc")
    return copy


def put(bucket: str, key: str, text: str) -> None:
    Store().write(bucket, key, text.encode())


def test_a_branch_means_what_was_published_last(repo: Path, bucket: str, tmp_path: Path) -> None:
    remote, parts = f"s3://{bucket}/dvc", repo / "data/parts"
    first = steps.publish(dataset=parts, branch="main")
    fixed = from_folder(parts, in_place=False)[1]
    again = steps.publish(dataset=parts, branch="main")
    old = resolve(remote, "", "data/parts")

    assert (first.remote, first.name, first.moved, again.moved) == (remote, "parts", True, False)
    assert first.pointer == again.pointer
    assert first.pointer.images == 8
    assert first.pointer.classes == Dataset.open(parts).classes
    assert len(first.pointer.git_sha or "") == 40
    assert (old.md5, old.name, old.location) == (fixed, "parts", remote)
    assert follow(parts).pointer == first.pointer

    add_version(repo, 2)
    assert resolve(remote, " main ", "parts") == old, "what is not published is not followed"
    second = steps.publish(dataset=parts, branch="main")
    new = resolve(remote + "/", "main", "parts")
    assert new.md5 == second.pointer.md5 != old.md5
    assert resolve(remote, fixed, "parts") == old
    pull(new, tmp_path / "new")
    assert Dataset.open(tmp_path / "new").fingerprint == Dataset.open(parts).fingerprint

    steps.publish(dataset=parts, branch="night-shift")
    with pytest.raises(DatasetError, match=r"no branch 'weekly' in .*, but main, night-shift; .*publish"):
        resolve(remote, "weekly", "parts")
    with pytest.raises(DatasetError, match=r"dataset screws has no branch .*published datasets: parts"):
        resolve(remote, "", "screws")


def test_a_change_that_is_not_committed_has_no_commit(repo: Path) -> None:
    (repo / "data/parts/classes.json").chmod(0o644)
    shutil.rmtree(repo / "data/parts/quarantine", ignore_errors=True)
    (repo / "data/parts/note.txt").write_text("new")
    run("dvc", "add", "-q", "data/parts", cwd=repo)

    assert steps.publish(dataset=repo / "data/parts", branch="main").pointer.git_sha is None


def test_targets_are_found_beside_the_remote(repo: Path, bucket: str) -> None:
    steps.publish(dataset=repo / "data/parts", branch="main")
    remote = f"s3://{bucket}/dvc"

    assert read_target(remote, "main", " Line 3 ") == (repo / "targets/line-3.json").read_text()
    with pytest.raises(DatasetError, match=r"no target 'line-4' in .*, but line-3; .*publish"):
        read_target(remote, "", "line-4")


def test_a_folder_that_is_not_what_dvc_recorded_is_not_published(repo: Path, bucket: str) -> None:
    for name, message in (("", "empty part"), ("a/b", "slash"), ("..", "'..'")):
        with pytest.raises(DatasetError, match=message):
            steps.publish(dataset=repo / "data/parts", branch=name)
    with pytest.raises(DatasetError, match="is the md5 of one version"):
        steps.publish(dataset=repo / "data/parts", branch="0" * 32)
    (repo / "targets/broken.json").write_text("{}")
    with pytest.raises(LatencyError, match=r"broken\.json is not valid.*or move it"):
        steps.publish(dataset=repo / "data/parts", branch="main")
    (repo / "targets/broken.json").unlink()
    (repo / "data/parts/new.txt").write_text("new")
    with pytest.raises(DatasetError, match="has changed since DVC recorded it"):
        steps.publish(dataset=repo / "data/parts", branch="main")

    assert list(Store().list_objects(Location(bucket, ""))) == []
    use_remote(repo, str(repo / "store"))
    (repo / "data/parts/new.txt").unlink()
    with pytest.raises(DatasetError, match=r"the default remote .*store, and branches are kept beside a"):
        steps.publish(dataset=repo / "data/parts", branch="main")
    with pytest.raises(DatasetError, match="branches are kept beside a bucket"):
        follow(repo / "data/parts")


def test_a_version_that_is_not_kept_any_more_is_named(repo: Path, bucket: str) -> None:
    md5 = steps.publish(dataset=repo / "data/parts", branch="main").pointer.md5
    Store().delete(bucket, f"dvc/files/md5/{md5[:2]}/{md5[2:]}")

    for ask in (lambda: resolve(f"s3://{bucket}/dvc", "main", "parts"), lambda: follow(repo / "data/parts")):
        with pytest.raises(StorageError, match=f"branch main of dataset parts names version {md5}.*publish"):
            ask()
    assert not steps.publish(dataset=repo / "data/parts", branch="main").moved
    assert resolve(f"s3://{bucket}/dvc", "main", "parts").md5 == md5


@pytest.mark.parametrize(
    "text",
    [
        "",
        "main",
        "[]",
        '{"md5": 5}',
        json.dumps({"md5": "../../x.dir", "images": 1, "classes": [], "published": ""}),
        json.dumps({"md5": "0" * 32 + ".dir", "images": "8", "classes": [], "published": ""}),
        " " * 70_000,
    ],
)
def test_a_damaged_pointer_is_one_clear_line(bucket: str, text: str) -> None:
    put(bucket, "dvc/autonad/datasets/parts/main.json", text)

    with pytest.raises(
        (DatasetError, StorageError), match=r"main.*(is damaged.*publish|remove it)"
    ) as caught:
        resolve(f"s3://{bucket}/dvc", "main", "parts")
    assert "\n" not in str(caught.value)


def test_publishing_mends_a_damaged_pointer(repo: Path, bucket: str) -> None:
    put(bucket, "dvc/autonad/datasets/parts/main.json", "half of a poin")
    done = steps.publish(dataset=repo / "data/parts", branch="main")

    assert done.moved
    assert follow(repo / "data/parts").pointer == done.pointer


def test_the_store_of_the_remotes_settings_is_used(
    repo: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = os.environ["AWS_ENDPOINT_URL"]
    with (repo / ".dvc/config").open("a") as config:
        config.write(f"endpointurl = {endpoint}\n")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    steps.publish(dataset=repo / "data/parts", branch="main")

    assert os.environ.pop("AWS_ENDPOINT_URL") == endpoint
    assert follow(repo / "data/parts").name == "parts"


@pytest.mark.parametrize("path", ["data/..", "a\tb", ".."])
def test_a_dataset_name_cannot_leave_its_folder(bucket: str, path: str) -> None:
    with pytest.raises(DatasetError, match="cannot be kept in a bucket"):
        resolve(f"s3://{bucket}/dvc", "main", path)


def pointer(digit: int) -> Pointer:
    return Pointer(md5=f"{digit}" * 32 + ".dir", images=digit, classes=("background",), published="now")


@pytest.mark.parametrize("first", [None, 1], ids=["new", "moved"])
def test_of_two_that_move_a_branch_at_once_one_is_told(
    bucket: str, first: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = (f"s3://{bucket}/dvc", "parts", "main")
    if first is not None:
        move_branch(*place, pointer(first), seen=None)
    seen = seen_branch(*place)[1]
    move_branch(*place, pointer(2), seen=seen)
    with pytest.raises(DatasetError, match=r"branch main of dataset parts .* moved by somebody else"):
        move_branch(*place, pointer(3), seen=seen)
    assert seen_branch(*place)[0] == pointer(2)

    # Between reading and writing, in a store that ignores conditions and in one that knows them.
    plain = Store.write

    def overtaken(store: Store, bucket: str, key: str, content: bytes, *, seen: str | None) -> bool:
        plain(store, bucket, key, content)
        plain(store, bucket, key, pointer(5).text.encode())
        return True

    for replace in (overtaken, lambda *_, **__: False):
        monkeypatch.setattr(Store, "replace", replace)
        with pytest.raises(DatasetError, match="moved by somebody else"):
            move_branch(*place, pointer(4), seen=seen_branch(*place)[1])


def test_a_store_that_denies_is_one_clear_line(repo: Path, s3_wire: Wire) -> None:
    s3_wire.deny = True
    for ask in (
        lambda: steps.publish(dataset=repo / "data/parts", branch="main"),
        lambda: follow(repo / "data/parts"),
        lambda: read_target("s3://some-bucket", "", "line"),
        lambda: fetch_folder("s3://some-bucket/x", "generated", "", repo / "out"),
    ):
        with pytest.raises(StorageError, match="denies access") as caught:
            ask()
        assert "\n" not in str(caught.value)
