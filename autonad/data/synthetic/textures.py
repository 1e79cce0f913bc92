"""Generated surfaces of several materials, as reflectance between 0 (black) and 1 (white).

Each material combines filtered noise the way its making does: brushing draws lines, casting leaves a rough
skin with specks, glaze is smooth and mottled, leather has cells, weaving repeats, wood has rings cut
lengthwise.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from autonad.errors import DatasetError

Texture = Callable[[np.random.Generator, int, int], np.ndarray]


def surface(
    material: str, rng: np.random.Generator, shape: tuple[int, int], *, grain: float = 1.0
) -> np.ndarray:
    """A piece of a material.

    Args:
        material: One of `MATERIALS`.
        rng: Source of everything random.
        shape: Height and width, pixels.
        grain: Strength of the texture relative to the material's usual one.

    Returns:
        float32 (H, W, 3) between 0 and 1.

    Raises:
        DatasetError: The material is unknown.
    """
    if material not in _TEXTURES:
        raise DatasetError(f"material {material!r} is unknown; use some of {', '.join(MATERIALS)}")
    texture, colour, level = _TEXTURES[material]
    turned = bool(rng.integers(2))
    height, width = shape[::-1] if turned else shape
    relief = texture(rng, height, width)
    relief = relief.T if turned else relief
    tint = np.asarray(colour, dtype=np.float32) * (level + rng.uniform(-0.06, 0.06))
    shading = 0.05 * noise(rng, *shape, max(shape) / 3)
    return np.clip(tint * (1 + np.float32(grain) * relief + shading)[..., None], 0, 1).astype(np.float32)


def noise(
    rng: np.random.Generator, height: int, width: int, sigma: float, sigma_y: float | None = None
) -> np.ndarray:
    """Smooth Gaussian noise of zero mean and unit variance.

    Args:
        rng: Source of the noise.
        height: Pixels.
        width: Pixels.
        sigma: Correlation length along x, pixels.
        sigma_y: Correlation length along y; as along x if not given.

    Returns:
        float32 (H, W).
    """
    sigma_y = sigma if sigma_y is None else sigma_y
    # Long correlations are drawn on a coarser grid: the same picture for a fraction of the arithmetic.
    step_x, step_y = max(1, int(sigma / 3)), max(1, int(sigma_y / 3))
    coarse = rng.standard_normal((height // step_y + 8, width // step_x + 8)).astype(np.float32)
    coarse = cv2.GaussianBlur(coarse, (0, 0), sigmaX=sigma / step_x, sigmaY=sigma_y / step_y)
    full = cv2.resize(coarse[2:-2, 2:-2], (width, height), interpolation=cv2.INTER_CUBIC)
    return (full - full.mean()) / max(float(full.std()), 1e-6)


def _steel(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    lines = noise(rng, height, width, rng.uniform(15, 40), 0.6)
    return 0.07 * lines + 0.03 * noise(rng, height, width, 0.5)


def _cast(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    skin = 0.06 * noise(rng, height, width, 1.2) + 0.05 * noise(rng, height, width, 5)
    specks = np.maximum(
        noise(rng, height, width, 0.8) - 2.2, 0
    )  # specks resemble tiny blowholes and are none
    return skin - 0.15 * specks


def _ceramic(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    mottle = np.maximum(noise(rng, height, width, 1.5) - 1.5, 0)
    return 0.02 * noise(rng, height, width, 12) - 0.06 * mottle + 0.01 * noise(rng, height, width, 0.5)


def _leather(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    size = rng.uniform(2.0, 3.2)
    # The valleys where noise crosses zero enclose cells, as pores do.
    valleys = np.exp(-((noise(rng, height, width, size) / 0.35) ** 2))
    return -0.14 * valleys + 0.04 * noise(rng, height, width, 1) + 0.04 * noise(rng, height, width, 15)


def _fabric(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    period = rng.uniform(4.0, 6.0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    x += 1.2 * noise(rng, height, width, 20)
    y += 1.2 * noise(rng, height, width, 20)
    weave = np.sin(2 * np.pi * x / period) * np.sin(2 * np.pi * y / period)
    return 0.1 * weave + 0.04 * noise(rng, height, width, 0.8)


def _wood(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    period = rng.uniform(9, 16)
    y = np.arange(height, dtype=np.float32)[:, None] + 5 * noise(rng, height, width, 60, 15)
    rings = np.sin(2 * np.pi * y / period)
    pores = np.minimum(noise(rng, height, width, 6, 0.6) + 1.2, 0)
    return 0.09 * rings + 0.06 * pores + 0.03 * noise(rng, height, width, 10, 0.7)


_TEXTURES: dict[str, tuple[Texture, tuple[float, float, float], float]] = {
    "steel": (_steel, (0.97, 1.0, 1.03), 0.58),
    "cast": (_cast, (1.0, 0.99, 0.98), 0.42),
    "ceramic": (_ceramic, (1.03, 1.0, 0.94), 0.68),
    "leather": (_leather, (1.25, 0.92, 0.72), 0.46),
    "fabric": (_fabric, (0.92, 0.98, 1.12), 0.52),
    "wood": (_wood, (1.22, 0.97, 0.70), 0.55),
}
MATERIALS = tuple(_TEXTURES)
