"""A detector whose scores are drawn: defects score high, false alarms low, and the two overlap."""

from __future__ import annotations

import numpy as np

from autonad.evaluation.candidates import LEVELS, Candidates

CLASSES = ("background", "crack", "hole")


def drawn(
    seed: int, *, clean: int, defective: int, per_part: int = 1, skill: float = 0.25, stray: float = 0.3
) -> Candidates:
    """A split whose images without defects come first; a defective one has one defect.

    Args:
        seed: Of all that is drawn.
        clean: Images without a defect.
        defective: Images with one.
        per_part: Images of one part.
        skill: How much higher the mean of a defect is than that of a false alarm.
        stray: Share of images with a region nowhere near a defect.
    """
    rng = np.random.default_rng(seed)
    images = clean + defective
    regions: list[tuple[int, int, int, int, float, bool, int]] = []
    for image in range(images):
        shown = image - clean if image >= clean else -1
        for defect in [shown] * (shown >= 0) + [-1] * (rng.random() < stray):
            # Defects and strays as pixels see them: the higher the level, the smaller and surer.
            base = float(np.clip(rng.normal(0.5 + skill * (defect >= 0), 0.15), 0.1, 0.97))
            value = 1 + (defect % 2 if defect >= 0 else int(rng.integers(2)))
            area = int(rng.integers(4, 400))
            for level, least in enumerate(LEVELS):
                left = int(area * (1 - least / 2))
                if base >= least and left >= 4:
                    regions.append((image, level, value, left, max(base, least), defect < 0, defect))
    columns = [np.asarray(column) for column in zip(*regions, strict=True)]
    image_, level_, value_, area_, mean_, stray_, defect_ = columns
    hits = np.flatnonzero(defect_ >= 0)
    return Candidates(
        classes=CLASSES,
        images=np.asarray([f"{number}.png" for number in range(images)]),
        groups=np.asarray([f"part {number // per_part}" for number in range(images)]),
        defect_image=np.arange(clean, images),
        defect_class=1 + np.arange(defective) % 2,
        defect_area=np.full(defective, 50),
        image=image_,
        level=level_,
        value=value_,
        area=area_,
        length=np.sqrt(area_),
        mean=mean_,
        peak=mean_,
        stray=stray_,
        hit_region=hits,
        hit_defect=defect_[hits],
    )
