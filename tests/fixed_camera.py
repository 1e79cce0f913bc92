"""Generated parts at a fixed camera: one scene, and in each picture another part, defect and noise."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from autonad.data.images import encode_png

SIDE = 96


def scene(seed: int = 0) -> np.ndarray:
    """What the camera always sees: a lit background and a round part, float32 (96, 96)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    picture = 120 + 45 * np.sin(x / 11) + 10 * y / SIDE
    picture += cv2.resize(
        rng.uniform(-30, 30, (6, 6)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    picture[(x - 48) ** 2 + (y - 48) ** 2 < 30**2] += 40
    return picture


def part(number: int, *, clean: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """A part's noiseless picture float32 (96, 96) and its mask uint8 (96, 96), 1 where it is defective."""
    rng = np.random.default_rng([1, number])
    picture, mask = scene(), np.zeros((SIDE, SIDE), np.uint8)
    if not clean:
        centre = tuple(int(n) for n in rng.integers(22, 74, 2))
        axes = tuple(int(n) for n in rng.integers(2, 7, 2))
        cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
        picture[mask > 0] -= 60
    return picture, mask


def taken(picture: np.ndarray, seed: int, noise: float = 3.0) -> np.ndarray:
    """A picture as the sensor takes it: uint8 (96, 96, 3)."""
    rng = np.random.default_rng([2, seed])
    noisy = picture + noise * rng.standard_normal(picture.shape) + rng.uniform(-3, 3)
    return np.repeat(np.clip(noisy + 0.5, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def write(root: Path, count: int, *, groups: bool, clean_from: int | None = None) -> Path:
    """A source of that many parts, each its own group if they are stated, by bare names."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for number in range(count):
        picture, mask = part(number, clean=clean_from is not None and number >= clean_from)
        (root / "images" / f"part{number:04d}.png").write_bytes(encode_png(taken(picture, number)))
        (root / "masks" / f"part{number:04d}.png").write_bytes(encode_png(255 * mask))
    if groups:
        rows = "".join(f"part{number:04d}.png,{number}\n" for number in range(count))
        (root / "groups.csv").write_text("image,group\n" + rows)
    return root
