"""The client against a real object store: what it brings, and what it says when it cannot."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from servers import Wire, free_port

from autonad.errors import StorageError
from autonad.storage.download import StoredObject
from autonad.storage.location import Location, parse_url
from autonad.storage.store import Store

pytestmark = pytest.mark.acceptance


def fill(bucket: str, folder: Path, count: int = 6, size: int = 5000) -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    store, contents = Store(), {f"in/{number:02d}.bin": rng.bytes(size + number) for number in range(count)}
    for key, content in contents.items():
        path = folder / "source.bin"
        path.write_bytes(content)
        store.upload(path, bucket, key)
    return contents


def fetch(bucket: str, objects: list[StoredObject], folder: Path, **settings: int) -> list[str | None]:
    folder.mkdir(exist_ok=True)
    pairs = [(found, folder / Path(found.key).name) for found in objects]
    return [done.problem for done in Store(**settings).download(bucket, pairs)]


def listing(bucket: str, prefix: str = "in/") -> list[StoredObject]:
    return list(Store().list_objects(Location(bucket, prefix)))


def refusal(url: str) -> str:
    with pytest.raises(StorageError) as caught:
        list(Store(attempts=1).list_objects(parse_url(url)))
    message = str(caught.value)
    assert "\n" not in message
    assert "autonad-secret" not in message
    return message


def test_what_was_put_comes_back(bucket: str, tmp_path: Path) -> None:
    contents = fill(bucket, tmp_path)
    found = listing(bucket)
    assert [(o.key, o.size, o.etag) for o in found] == [
        (key, len(content), hashlib.md5(content).hexdigest()) for key, content in contents.items()
    ]
    assert fetch(bucket, found, tmp_path / "out") == [None] * 6
    assert {f"in/{p.name}": p.read_bytes() for p in (tmp_path / "out").iterdir()} == contents
    assert Store().exists(bucket, "in/00.bin")
    assert not Store().exists(bucket, "in/none.bin")


def test_a_listing_of_many_pages_is_complete(bucket: str, s3_wire: Wire, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"x")
    store = Store()
    for number in range(25):
        store.upload(tmp_path / "empty", bucket, f"many/{number:03d}")
    store._client.meta.events.register(
        "before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.__setitem__("MaxKeys", 10)
    )
    assert len(list(store.list_objects(Location(bucket, "many/")))) == 25
    assert sum("list-type=2" in path for path in s3_wire.reads) >= 3


def test_a_prefix_means_a_folder(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for key in ("a/1", "ab/2"):
        Store().upload(tmp_path / "x", bucket, key)
    assert [o.key for o in Store().list_objects(parse_url(f"s3://{bucket}/a"))] == ["a/1"]


def test_a_dropped_connection_is_tried_again(bucket: str, s3_wire: Wire, tmp_path: Path) -> None:
    contents = fill(bucket, tmp_path, count=3)
    found, dropped = listing(bucket), []

    def drop(path: str) -> int | None:
        if path.endswith("01.bin") and len(dropped) < 2:
            dropped.append(path)
            return 100
        return None

    s3_wire.drop = drop
    assert fetch(bucket, found, tmp_path / "out") == [None] * 3
    assert len(dropped) == 2
    assert {f"in/{p.name}": p.read_bytes() for p in (tmp_path / "out").iterdir()} == contents


def test_a_connection_that_keeps_dropping_leaves_whole_files_only(
    bucket: str, s3_wire: Wire, tmp_path: Path
) -> None:
    contents = fill(bucket, tmp_path, count=8)
    found = listing(bucket)
    s3_wire.drop = lambda path: 100 if path.endswith("05.bin") else None
    with pytest.raises(StorageError, match=r"broke off while .*05\.bin was read \(2 times.*what has arrived"):
        fetch(bucket, found, tmp_path / "out", attempts=2, connections=2)
    for path in (tmp_path / "out").iterdir():
        assert path.read_bytes() == contents[f"in/{path.name}"]


def test_a_body_that_is_not_its_etag_is_refused(bucket: str, s3_wire: Wire, tmp_path: Path) -> None:
    fill(bucket, tmp_path, count=1)
    found = listing(bucket)
    s3_wire.rewrite_object = lambda body: body[:-1] + bytes([body[-1] ^ 1])
    with pytest.raises(StorageError, match="MD5 is not its ETag"):
        fetch(bucket, found, tmp_path / "out", attempts=2)
    assert not list((tmp_path / "out").iterdir())


def test_what_changed_or_vanished_since_the_listing_is_named(bucket: str, tmp_path: Path) -> None:
    fill(bucket, tmp_path, count=2)
    found = listing(bucket)
    (tmp_path / "other").write_bytes(b"other content")
    Store().upload(tmp_path / "other", bucket, found[0].key)
    gone = StoredObject("in/gone.bin", 5, "0" * 32)
    problems = fetch(bucket, [*found, gone], tmp_path / "out")
    assert sorted(problem or "" for problem in problems)[0] == ""
    assert sum("changed" in (problem or "") for problem in problems) == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["01.bin"]


def test_a_missing_bucket(s3_environment: dict[str, str]) -> None:
    message = refusal("s3://nobody-has-this/in")
    assert "listing s3://nobody-has-this/in/: there is no such bucket at http://127.0.0.1" in message
    assert "AWS_ENDPOINT_URL" in message


@pytest.mark.parametrize(
    ("name", "code"),
    [("AWS_ACCESS_KEY_ID", "InvalidAccessKeyId"), ("AWS_SECRET_ACCESS_KEY", "SignatureDoesNotMatch")],
)
def test_wrong_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch, name: str, code: str) -> None:
    monkeypatch.setenv(name, "not-the-right-value")
    message = refusal(f"s3://{bucket}/in")
    assert code in message
    assert name in message
    assert "not-the-right-value" not in message


def test_a_bucket_that_denies(bucket: str, s3_wire: Wire) -> None:
    s3_wire.deny = True
    message = refusal(f"s3://{bucket}")
    assert "denies access" in message
    assert "s3:ListBucket" in message


def test_no_credentials(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "no credentials; set AWS_ACCESS_KEY_ID" in refusal(f"s3://{bucket}")


def test_a_profile_that_does_not_exist(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "AWS_PROFILE names no profile" in refusal(f"s3://{bucket}")


def test_an_unreachable_endpoint(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://user:autonad-secret@127.0.0.1:{free_port()}")
    message = refusal(f"s3://{bucket}")
    assert "http://127.0.0.1" in message
    assert "cannot be reached; check AWS_ENDPOINT_URL" in message


def test_an_endpoint_that_is_no_address(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "store")
    assert "AWS_ENDPOINT_URL is no address" in refusal(f"s3://{bucket}")


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "http://bucket/x", "s3://a b/x", "s3://ab"])
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(StorageError, match="is no address of a bucket"):
        parse_url(url)


def test_credentials_in_an_address_are_refused_and_not_repeated() -> None:
    with pytest.raises(StorageError, match="carries credentials") as caught:
        parse_url("s3://key:autonad-secret@bucket/x")
    assert "autonad-secret" not in str(caught.value)


def test_a_full_disk_says_so(bucket: str, tmp_path: Path) -> None:
    fill(bucket, tmp_path, count=1)
    with pytest.raises(StorageError, match="No such file or directory"):
        list(Store().download(bucket, [(listing(bucket)[0], tmp_path / "missing" / "a.bin")]))
