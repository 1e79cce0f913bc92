"""Groups of new images: copies and equal images never lie in two of them."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from autonad.data.fingerprints import Fingerprint
from autonad.data.ingest.grouping import Grouping, Joining, Newcomer, place
from autonad.data.repeats import Surface
from autonad.data.similarity import describe


def worn(image: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """The picture turned, exposed differently and compressed."""
    turned = np.rot90(image[:, ::-1] if mirrored else image, turns)
    exposed = np.clip(turned * 0.8 + 15, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(exposed).save(buffer, "JPEG", quality=70)
    return np.asarray(Image.open(buffer))


DEFAULT = Joining()


def placed(images: list[np.ndarray], newcomers: list[Newcomer], joining: Joining = DEFAULT) -> Grouping:
    descriptors = np.stack([describe(image) for image in images])
    return place([], newcomers, descriptors, lambda index: Surface.of(images[index], None), joining)


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
    grouping = placed(images, newcomers)
    assert grouping.newcomers == ["p", "q", "p", "q", "s", "p"]
    assert [fault.item for fault in grouping.faults] == ["groups p, r"]


def test_without_known_groups_copies_and_equal_blanks_share_one(
    make_texture: Callable[..., np.ndarray],
) -> None:
    blank = np.zeros((48, 48, 3), np.uint8)
    images = [blank, make_texture(0), worn(make_texture(0), 2, True), blank, make_texture(1)]
    newcomers = [Newcomer(f"{i}", "", Fingerprint.of(image, None).content) for i, image in enumerate(images)]
    grouping = placed(images, newcomers)
    assert grouping.newcomers == ["g00000", "g00001", "g00001", "g00000", "g00004"]
    assert [fault.kind for fault in grouping.faults] == ["joined-images", "joined-images"]


def test_trusted_groups_are_left_alone_even_by_copies(make_texture: Callable[..., np.ndarray]) -> None:
    image = make_texture(0)
    images = [image, worn(image, 1, False), image, image, make_texture(1)]
    stated = ["p", "q", "", "r", ""]
    newcomers = [
        Newcomer(f"{i}", group, Fingerprint.of(image, None).content)
        for i, (image, group) in enumerate(zip(images, stated, strict=True))
    ]
    trusting = placed(images, newcomers, Joining(trust=True))
    assert trusting.newcomers == ["p", "q", "g00002", "r", "g00004"]
    assert [fault.kind for fault in trusting.faults] == ["repeated-images"]
    assert placed(images, newcomers).newcomers == ["p", "p", "p", "p", "g00004"]
    assert placed(images, newcomers, Joining(search=False)).newcomers == ["p", "q", "p", "p", "g00004"]


def test_nothing_joins_across_the_splits_that_users_keep(make_texture: Callable[..., np.ndarray]) -> None:
    image = make_texture(0)
    images = [image, worn(image, 1, False), image, worn(image, 2, True)]
    newcomers = [
        Newcomer(f"{i}", "", Fingerprint.of(image, None).content, split)
        for i, (image, split) in enumerate(zip(images, ("train", "test", "", "train"), strict=True))
    ]
    grouping = placed(images, newcomers)
    assert grouping.newcomers == ["g00000", "g00001", "g00000", "g00000"]
    assert "near-duplicate" in {fault.kind for fault in grouping.faults}
