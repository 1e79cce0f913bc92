"""A small folder from a bucket, a volume or a repository: whole, bounded, and never beside itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dvc_repositories import commit, make_repository, run

from autonad.data.versions import fetch_folder, fetching
from autonad.errors import DatasetError
from autonad.storage.store import Store

pytestmark = [pytest.mark.acceptance, pytest.mark.filterwarnings("ignore")]

CONTENT = {"table.parquet": b"times", "target.json": b"{}", "plots/prior.png": b"\x00\xff" * 3000}


def fill(folder: Path, content: dict[str, bytes] = CONTENT) -> None:
    for name, data in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def found(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def upload(bucket: str, prefix: str, content: dict[str, bytes] = CONTENT) -> None:
    for name, data in content.items():
        Store().write(bucket, f"{prefix}/{name}", data)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository: `latency/dvc` is tracked by DVC, `latency/git` by git, `latency/old` by dvc.lock."""
    base = tmp_path_factory.mktemp("fetching")
    repo = base / "repo"
    make_repository(repo, str(base / "store"))
    for name in ("dvc", "git", "old"):
        fill(repo / "latency" / name)
    run("dvc", "add", "-q", "latency/dvc", cwd=repo)
    (repo / "dvc.yaml").write_text("stages: {measure: {cmd: 'true', outs: [latency/old]}}\n")
    run("dvc", "commit", "-q", "-f", "measure", cwd=repo)
    commit(repo, "measured")
    run("dvc", "push", "-q", cwd=repo)
    run("git", "clone", "-q", "--bare", repo, base / "bare.git", cwd=base)
    return base


@pytest.mark.parametrize("path", ["latency/dvc", "latency/git/", "latency/old"])
@pytest.mark.parametrize("revision", ["", "main"])
def test_from_a_repository(made: Path, path: str, revision: str, tmp_path: Path) -> None:
    fetch_folder(path, (made / "bare.git").as_uri(), revision, tmp_path / "out/latency")
    fetch_folder(f" {path} ", str(made / "repo"), revision, tmp_path / "out/near")

    assert found(tmp_path / "out/latency") == CONTENT
    assert found(tmp_path / "out/near") == CONTENT
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["latency", "near"]


def test_from_a_bucket_and_from_a_volume(bucket: str, tmp_path: Path) -> None:
    upload(bucket, "line/latency")
    upload(bucket, "line/latency-other", {"x": b"y"})
    fetch_folder(f"s3://{bucket}/line/latency", "generated", "", tmp_path / "a")
    fetch_folder(str(tmp_path / "a"), "s3://anything/else", "main", tmp_path / "b")

    assert found(tmp_path / "a") == found(tmp_path / "b") == CONTENT


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_FILES"])
def test_what_is_too_much_is_refused_and_leaves_nothing(
    made: Path, bucket: str, limit: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    upload(bucket, "big")
    fill(tmp_path / "big")
    exact = sum(map(len, CONTENT.values())) if limit == "MOST_BYTES" else len(CONTENT)
    places = (
        (f"s3://{bucket}/big", "generated"),
        (str(tmp_path / "big"), "generated"),
        ("latency/dvc", (made / "bare.git").as_uri()),
    )
    for number, (place, repository) in enumerate(places):
        monkeypatch.setattr(fetching, limit, exact)
        fetch_folder(place, repository, "", tmp_path / f"out/{number}")
        monkeypatch.setattr(fetching, limit, exact - 1)
        with pytest.raises(DatasetError, match=r"holds more than .* name the folder itself"):
            fetch_folder(place, repository, "", tmp_path / "out/none")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["0", "1", "2"]


def test_no_key_and_no_link_leaves_the_folder(bucket: str, tmp_path: Path) -> None:
    Store().write(bucket, "bad/a\\..\\b", b"x")
    with pytest.raises(DatasetError, match="backslash"):
        fetch_folder(f"s3://{bucket}/bad", "generated", "", tmp_path / "out")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/own").symlink_to(tmp_path / "secret")
    with pytest.raises(DatasetError, match="is a link that leads out"):
        fetch_folder(str(tmp_path / "links"), "generated", "", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_missing_is_named(made: Path, bucket: str, tmp_path: Path) -> None:
    repo = (made / "bare.git").as_uri()
    (tmp_path / "empty").mkdir()
    for place, repository, revision, message in (
        (" ", repo, "", "place is missing"),
        (f"s3://{bucket}/nothing", repo, "", "holds no files"),
        (str(tmp_path / "empty"), repo, "", "holds no files"),
        (str(tmp_path / "none"), repo, "", "does not exist here; mount the volume"),
        ("latency/none", repo, "", "revision HEAD of .* has no folder latency/none"),
        ("../etc", repo, "", "has no folder ../etc"),
        ("latency/dvc", f"s3://{bucket}/dvc", "", "is a path in a repository, and .* is none; copy"),
        ("latency/dvc", "generated", "", "is a path in a repository, and .* is none; copy"),
    ):
        with pytest.raises(DatasetError, match=message):
            fetch_folder(place, repository, revision, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_content_that_was_never_pushed_is_one_clear_line(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "bare.git", tmp_path / "bare.git")
    (made / "store").rename(made / "away")
    try:
        with pytest.raises(Exception, match=r"cannot be fetched from .*dvc push") as caught:
            fetch_folder("latency/dvc", (tmp_path / "bare.git").as_uri(), "", tmp_path / "out")
    finally:
        (made / "away").rename(made / "store")
    assert "\n" not in str(caught.value)
