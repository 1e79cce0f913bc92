"""Small published layouts, generated: the file names and folders of the real ones, and their faults."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL import Image

TOY = ("equal-masks", "unrelated-masks")
"""What is rightly said of most of these sets: their masks are alike and lie on no edges."""


def kinds(faults: pd.DataFrame, severity: str) -> dict[str, int]:
    """How many findings there are of each kind, those of toys left out."""
    found = faults[(faults["severity"] == severity) & ~faults["kind"].isin(TOY)]
    return found["kind"].value_counts().to_dict()


def texture(seed: int, height: int = 48, width: int = 48) -> np.ndarray:
    """A picture that resembles no other seed's: uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (9, 9)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    picture = np.clip(smooth + rng.normal(0, 4, (height, width)), 0, 255).astype(np.uint8)
    return np.repeat(picture[..., None], 3, axis=2)


def patch(value: int, height: int = 48, width: int = 48) -> np.ndarray:
    """A mask with one rectangle of 12 × 22 pixels of `value`: uint8 (H, W)."""
    mask = np.zeros((height, width), dtype=np.uint8)
    mask[10:22, 8:30] = value
    return mask


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def neu(root: Path, per_class: int = 4) -> Path:
    for c, prefix in enumerate(("In", "Pa", "Sc")):
        for n in range(per_class):
            save(root / "Source Images" / f"{prefix}_{n}.bmp", texture(100 * c + n)[..., 0])
            save(root / "Ground truth" / f"{prefix}_{n}.png", patch(255))
    return root


def mt(root: Path, groups: int = 3, exposures: int = 2) -> Path:
    """Magnetic tiles with grey masks, one empty Uneven mask, and tiles free of defects."""
    lines, seed = ["image,group"], 0
    for label in ("Blowhole", "Break", "Crack", "Fray", "Uneven", "Free"):
        for group in range(groups):
            for exposure in range(exposures):
                name = f"MT_{label}/Imgs/exp{exposure}_num_{seed}{group}{exposure}"
                exposed = (texture(seed, 40, 72)[..., 0] * (1 - 0.2 * exposure)).astype(np.uint8)
                save(root / f"{name}.jpg", exposed)
                mask = patch(200, 40, 72)
                mask[25:30] = 90  # grey, below the threshold
                if label == "Free" or (label, group, exposure) == ("Uneven", 0, 0):
                    mask[:] = 0
                save(root / f"{name}.png", mask)
                lines.append(f"{name}.jpg,{label}{group}")
            seed += 1
    (root / "groups.csv").write_text("\n".join(lines) + "\n")
    return root


def neu_seg(root: Path, training: int = 9, test: int = 4) -> Path:
    """Every test image is a turned copy of a training image."""
    for n in range(training):
        save(root / "images/training" / f"{n}.jpg", texture(n))
        save(root / "annotations/training" / f"{n}.png", patch(1 + n % 3))
    for n in range(test):
        save(root / "images/test" / f"{n}.jpg", np.ascontiguousarray(np.rot90(texture(n), 1 + n % 3)))
        save(
            root / "annotations/test" / f"{n}.png",
            np.ascontiguousarray(np.rot90(patch(1 + n % 3), 1 + n % 3)),
        )
    return root


def palette_mask(path: Path, mask: np.ndarray) -> None:
    """Save indices with the colours of the VOC development kit, as the published sets do."""
    image = Image.new("P", mask.shape[::-1])
    image.putdata(mask.ravel().tolist())
    # All 256 colours: Pillow would save a shorter palette with two bits per pixel, and 255 as 3.
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [224, 224, 192] * 252)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def voc(root: Path, classes: int = 3, count: int = 12) -> Path:
    """VOC with palette masks, "ignore" on the border of each object, and lists."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    for n in range(count):
        mask = patch(1 + n % classes)
        mask[9] = 255
        save(root / "JPEGImages" / f"img_{n}.jpg", texture(n))
        palette_mask(root / "SegmentationClass" / f"img_{n}.png", mask)
        lists[("train", "val", "test")[n % 3]].append(f"img_{n}")
    for name, stems in lists.items():
        path = root / "ImageSets" / "Segmentation" / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(stems) + "\n")
    return root


def masks(root: Path, values: list[int], count: int = 9) -> Path:
    """A folder of images and one of masks that use `values` in turn."""
    for n in range(count):
        save(root / "images" / f"{n}.png", texture(n))
        save(root / "masks" / f"{n}.png", patch(values[n % len(values)]))
    return root
