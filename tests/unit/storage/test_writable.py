"""Whether a place takes files is known before anything depends on it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from servers import Wire, free_port

from autonad.errors import StorageError
from autonad.storage.places import place_at
from autonad.storage.writable import check_writable


@pytest.mark.parametrize("end", ["", "/"])
def test_a_folder_that_takes_files_keeps_nothing_of_the_check(end: str, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies/theirs").write_text("kept")
    check_writable(f"{tmp_path}/copies{end}")

    assert [path.name for path in (tmp_path / "copies").iterdir()] == ["theirs"]


def test_a_bucket_that_takes_files_keeps_nothing_of_the_check(bucket: str) -> None:
    check_writable(f"s3://{bucket}/copies/")

    assert place_at(f"s3://{bucket}").names() == []


def test_a_folder_that_cannot_be_written_is_named_with_who_could_not_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(
        StorageError, match=r"written to .*/file/copies by user \d+ of group \d+ .*fsGroup"
    ) as found:
        check_writable(str(tmp_path / "file/copies"))
    assert f"by user {os.getuid()} of group {os.getgid()}" in str(found.value)
    assert "AWS_*" not in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_another_user_is_found(tmp_path: Path) -> None:
    """As the volume of a cluster that belongs to root and the task that runs as user 1000."""
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o755)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for above in (tmp_path, *tmp_path.parents[:-2]):
                above.chmod(0o755)
            os.setgid(1000)
            os.setuid(1000)
            check_writable(str(folder))
        except StorageError as error:
            code = 0 if "by user 1000 of group 1000 " in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_bucket_that_cannot_be_written_says_what_to_check(
    s3_wire: Wire, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3_wire.deny = True
    with pytest.raises(StorageError, match=rf"written to s3://{bucket}/copies .*AWS_\* variables"):
        check_writable(f"s3://{bucket}/copies")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match=r"check the bucket and the AWS_\*"):
        check_writable(f"s3://{bucket}/copies")


def test_two_tasks_may_check_one_place_at_once(tmp_path: Path) -> None:
    faults: list[Exception] = []

    def check() -> None:
        try:
            for _ in range(20):
                check_writable(str(tmp_path / "copies"))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_folder_of_the_pod_itself_is_no_place_for_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be lost with the pod, after hours of training."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    for place in (str(tmp_path), "checkpoints"):
        with pytest.raises(StorageError, match=r"no volume is mounted at .*--checkpoint-volume"):
            check_writable(place)
    monkeypatch.setattr(Path, "is_mount", lambda self: self == tmp_path)
    check_writable(f"{tmp_path}/line")


@pytest.mark.parametrize("place", [" s3://bucket/copies", "/checkpoints "])
def test_blanks_around_a_place_are_refused_because_trainings_take_it_as_it_is(place: str) -> None:
    with pytest.raises(StorageError, match="blanks around"):
        check_writable(place)
