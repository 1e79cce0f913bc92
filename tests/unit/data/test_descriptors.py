"""Descriptors in a file are those in memory, and none of them stays in memory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from autonad.data.descriptors import DescriptorFile
from autonad.data.fingerprints import Fingerprint, descriptors_of
from autonad.data.similarity import find_candidates
from autonad.errors import StorageError


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    made = [rng.integers(0, 255, (32, 32, 3), dtype=np.uint8) for _ in range(count)]
    return [*made, *(image[::-1] for image in made[:10])]


def test_a_file_holds_what_memory_would(tmp_path: Path) -> None:
    images, file = pictures(700), DescriptorFile(tmp_path)
    memory = [Fingerprint.of(image, None) for image in images]
    with ThreadPoolExecutor(3) as pool:
        kept = list(pool.map(lambda image: Fingerprint.of(image, None, file), images))
    assert len(file) == len(images)
    expected = descriptors_of(memory)
    assert isinstance(expected, np.ndarray)
    rows = descriptors_of(kept)
    assert not isinstance(rows, np.ndarray)
    assert np.array_equal(rows[:], expected)
    assert np.array_equal(rows[5], expected[5])
    assert np.array_equal(rows[3:9], expected[3:9])
    assert np.array_equal(rows[np.array([600, 2, 2])], expected[[600, 2, 2]])
    assert find_candidates(rows).pairs == find_candidates(expected).pairs
    assert len(find_candidates(rows).pairs) == 10


def test_what_is_read_does_not_change_when_the_file_grows(tmp_path: Path) -> None:
    file = DescriptorFile(tmp_path)
    assert file[:].shape == (0, 1024)
    first = np.arange(1024, dtype=np.float16)
    assert file.add(first) == 0
    read = file[:]
    assert file.add(first[::-1]) == 1
    assert np.array_equal(read, first[None])
    assert np.array_equal(file[1], first[::-1])
    assert list(tmp_path.iterdir()) == []  # it has no name, so a kill leaves nothing


def test_fingerprints_of_two_files_are_brought_together(tmp_path: Path) -> None:
    images = pictures(10)
    kept = [Fingerprint.of(image, None, DescriptorFile(tmp_path)) for image in images]
    assert np.array_equal(
        descriptors_of(kept)[:], descriptors_of([Fingerprint.of(i, None) for i in images])[:]
    )
    assert len(descriptors_of([])) == 0


def test_a_disk_that_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write descriptors"):
        DescriptorFile(tmp_path / "absent")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
def test_what_a_full_disk_has_refused_is_not_said_again_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    full = [open("/dev/full", "r+b")]  # noqa: SIM115
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.TemporaryFile", lambda **_: full.pop())
        file = DescriptorFile(length=4)
    file.add(np.zeros(4))
    with pytest.raises(StorageError, match="No space left on device"):
        file[0]
    del file  # a finaliser that fails is a warning, and that an error
