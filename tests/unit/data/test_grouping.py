"""Groups of new images: copies and equal images never lie in two of them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from autonad.data.fingerprints import Fingerprint
from autonad.data.ingest.grouping import Newcomer, place
from autonad.data.similarity import describe


def worn(image: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """The picture turned, exposed differently and compressed."""
    turned = np.rot90(image[:, ::-1] if mirrored else image, turns)
    exposed = np.clip(turned * 0.8 + 15, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(exposed).save(buffer, "JPEG", quality=70)
    return np.asarray(Image.open(buffer))


def test_groups_are_joined_by_copies_and_only_by_them(make_texture: Callable[..., np.ndarray]) -> None:
    images = [
        make_texture(0),
        make_texture(1),
        worn(make_texture(0), 1, False),
        make_texture(2),
        make_texture(3),
    ]
    images.append(make_texture(4))  # the same part as image 2, from elsewhere
    groups = ["p", "q", "r", "q", "s", "r"]
    newcomers = [
        Newcomer(f"{i}", group, Fingerprint.of(image, None).content)
        for i, (image, group) in enumerate(zip(images, groups, strict=True))
    ]
    _, joined, faults = place([], newcomers, np.stack([describe(image) for image in images]), "")
    assert joined == ["p", "q", "p", "q", "s", "p"]
    assert [fault.item for fault in faults] == ["groups p, r"]


def test_without_known_groups_copies_and_equal_blanks_share_one(
    make_texture: Callable[..., np.ndarray],
) -> None:
    blank = np.zeros((48, 48, 3), np.uint8)
    images = [blank, make_texture(0), worn(make_texture(0), 2, True), blank, make_texture(1)]
    newcomers = [Newcomer(f"{i}", "", Fingerprint.of(image, None).content) for i, image in enumerate(images)]
    _, joined, faults = place([], newcomers, np.stack([describe(image) for image in images]), "")
    assert joined == ["g00000", "g00001", "g00001", "g00000", "g00004"]
    assert faults == []
