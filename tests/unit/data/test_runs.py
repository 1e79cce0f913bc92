from pathlib import Path

import numpy as np
import pytest

from autonad.data.fingerprints import Fingerprint
from autonad.data.images import encode_png
from autonad.data.pixels.kept_masks import KeptMasks
from autonad.data.pixels.mask_files import read_mask_file
from autonad.data.pixels.usual_files import is_usual
from autonad.data.runs import Runs


def blob(seed: int, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, dtype=np.uint8)
    y, x = rng.integers(0, 20, 2)
    mask[y : y + 9, x : x + 12] = rng.integers(1, 256)
    return mask


@pytest.mark.parametrize("array", [blob(1), np.zeros((3, 4), np.uint8), np.zeros((0, 5), np.uint8)])
def test_runs_are_the_array(array: np.ndarray) -> None:
    runs = Runs.of(array)
    assert np.array_equal(runs.array(), array)
    assert np.array_equal(runs.counts(), np.bincount(array.ravel(), minlength=256))


def test_only_equal_arrays_have_equal_content() -> None:
    arrays = [blob(seed) for seed in range(20)] + [blob(1)[:20], blob(1).reshape(60, 40)]
    assert len({Runs.of(array).content() for array in arrays}) == len(
        {(a.shape, a.tobytes()) for a in arrays}
    )


def test_a_kept_mask_is_what_decoding_gives_and_is_kept_once(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(encode_png(blob(2)))
    mask, kept = read_mask_file(path), KeptMasks()
    kept.keep(path, mask, Runs.of(mask.samples))
    again = kept.take(path)
    assert again is not None
    assert np.array_equal(again.samples, mask.samples)
    assert again.header == mask.header
    assert kept.take(path) is None


def test_noise_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(encode_png(np.random.default_rng(0).integers(0, 256, (40, 40), dtype=np.uint8)))
    mask, kept = read_mask_file(path), KeptMasks()
    kept.keep(path, mask, Runs.of(mask.samples))
    assert kept.take(path) is None


def test_grey_images_are_known_by_their_levels_however_they_are_held() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (30, 20), dtype=np.uint8)
    view, copy = np.broadcast_to(grey[..., None], (30, 20, 3)), np.dstack([grey] * 3)
    tinted = copy.copy()
    tinted[29, 19, 2] ^= 1
    prints = [Fingerprint.of(image, None).content for image in (view, copy, tinted)]
    assert prints[0] == prints[1] != prints[2]


def test_what_may_be_unusual_is_looked_at() -> None:
    content = encode_png(blob(1))
    assert is_usual(content)
    at = content.index(b"IDAT") - 4
    assert not is_usual(content[:at] + b"\0\0\0\0eXIf\0\0\0\0" + content[at:])
    assert not is_usual(content[:24] + b"\x10" + content[25:])
    assert not is_usual(b"II*\0" + bytes(40))
    assert not is_usual(b"\xff\xd8\xff\xe1\0\x08Exif\0\0")
