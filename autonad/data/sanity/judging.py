"""All questions about a set of images, in their order."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from autonad.data.faults import Fault
from autonad.data.sanity.image_checks import check_images
from autonad.data.sanity.looked import Expected, Looked
from autonad.data.sanity.mask_checks import check_masks
from autonad.data.sanity.split_checks import check_splits


def judge(images: Sequence[Looked], expected: Expected) -> list[Fault]:
    """What looks wrong in images and masks.

    Args:
        images: All that were read and can be used.
        expected: What they are to be.

    Returns:
        Warnings: nothing of this makes a file unusable, and each has happened in earnest.
    """
    return [*check_images(images, expected), *check_masks(images, expected)]


def judge_splits(
    manifest: pd.DataFrame,
    classes: Sequence[str],
    fractions: Sequence[float] | None,
    before: pd.DataFrame | None = None,
) -> list[Fault]:
    """What training, validation and test lack; see `check_splits`.

    Args:
        manifest: The whole manifest.
        classes: Names by index, background first.
        fractions: Shares that were asked for; None if the splits are the user's own.
        before: The manifest before a batch: what is said of it is not said again.
    """
    found = list(check_splits(manifest, classes, fractions))
    if before is None:
        return found
    known = {(fault.kind, fault.item) for fault in check_splits(before, classes, fractions)}
    return [fault for fault in found if (fault.kind, fault.item) not in known]
