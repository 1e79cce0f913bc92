"""Paired augmentation of images and masks.

Pixels that a geometric change moves in from outside are "ignore" (255) in the mask. In the image they are
reflected texture rather than a flat colour, so that no false edges appear next to real ones.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import cv2
import numpy as np

from autonad.data.images import IGNORE
from autonad.errors import ConfigError


@dataclass(frozen=True)
class AugmentationSettings:
    """What may happen to a training image; the defaults do nothing.

    Attributes:
        flips: Mirror both ways, and turn by quarters where the image is square; exact, all equally likely.
        rotate_degrees: Largest rotation either way.
        scale: Smallest and largest zoom.
        translate: Largest shift either way, as a fraction of the side.
        shear_degrees: Largest shear either way.
        affine: Probability of rotation, scale, shift and shear together.
        blur: Probability of a Gaussian blur.
        blur_sigma: Largest standard deviation of the blur, pixels.
        sharpness: Probability of sharpening (never together with blur).
        tone: Probability of a change of contrast and brightness.
        contrast: Largest relative change of contrast.
        brightness: Largest change of brightness, as a fraction of white.
        crop: Probability of zooming in on a defect. Each class in the image is chosen equally often,
            whatever its area, then one of its pixels: small and rare defects are seen large.
        crop_side: Smallest and largest side of that crop, as a fraction of the image's.
    """

    flips: bool = False
    rotate_degrees: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)
    translate: float = 0.0
    shear_degrees: float = 0.0
    affine: float = 0.0
    blur: float = 0.0
    blur_sigma: float = 1.0
    sharpness: float = 0.0
    tone: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    crop: float = 0.0
    crop_side: tuple[float, float] = (0.4, 0.8)

    def __post_init__(self) -> None:
        for name in ("affine", "blur", "sharpness", "tone", "crop"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"augmentation.{name} is {getattr(self, name)}; give a probability from 0 to 1"
                )
        for name in ("rotate_degrees", "translate", "shear_degrees", "blur_sigma", "contrast", "brightness"):
            if getattr(self, name) < 0:
                raise ConfigError(f"augmentation.{name} is {getattr(self, name)}; it cannot be negative")
        if self.blur + self.sharpness > 1:
            raise ConfigError(
                f"augmentation.blur + augmentation.sharpness is {self.blur + self.sharpness:g}; "
                "an image is blurred or sharpened, not both, so together they may be at most 1"
            )
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ConfigError(f"augmentation.scale is {self.scale}; give (smallest, largest), both above 0")
        if not 0 < self.crop_side[0] <= self.crop_side[1] <= 1:
            raise ConfigError(f"augmentation.crop_side is {self.crop_side}; give (smallest, largest) up to 1")


PRESETS: dict[str, AugmentationSettings] = {
    "none": AugmentationSettings(),
    "light": AugmentationSettings(flips=True, tone=0.5, contrast=0.1, brightness=0.1),
    "standard": AugmentationSettings(
        flips=True,
        affine=0.5,
        rotate_degrees=20,
        scale=(0.8, 1.25),
        translate=0.08,
        shear_degrees=5,
        blur=0.1,
        blur_sigma=1.0,
        sharpness=0.1,
        tone=0.5,
        contrast=0.2,
        brightness=0.1,
    ),
    "strong": AugmentationSettings(
        flips=True,
        affine=0.8,
        rotate_degrees=45,
        scale=(0.7, 1.5),
        translate=0.15,
        shear_degrees=10,
        blur=0.2,
        blur_sigma=1.5,
        sharpness=0.2,
        tone=0.8,
        contrast=0.3,
        brightness=0.15,
        crop=0.3,
        crop_side=(0.4, 0.8),
    ),
}


class Augmentation:
    """Changes an image and its mask in the same way, determined by a seed alone."""

    def __init__(self, settings: AugmentationSettings) -> None:
        # Images are small: OpenCV's threads cost more than they bring, and would compete with torch's.
        cv2.setNumThreads(0)
        self.settings = settings

    def augment(
        self, image: np.ndarray, mask: np.ndarray, seed: int | tuple[int, ...]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Augmented copies of an image and its mask; the inputs stay as they are.

        Args:
            image: uint8 (H, W, 3).
            mask: uint8 (H, W), 255 = ignore.
            seed: Non-negative; everything random follows from it.

        Returns:
            uint8 (H, W, 3) and uint8 (H, W), contiguous.
        """
        rng = np.random.default_rng(seed)
        settings = self.settings
        if settings.crop and rng.random() < settings.crop:
            image, mask = zoom_on_defect(image, mask, rng, settings.crop_side)
        if settings.flips:
            image, mask = _flip(image, mask, rng)
        warped = settings.affine > 0 and rng.random() < settings.affine
        focus = rng.random()
        toned = settings.tone > 0 and rng.random() < settings.tone
        draw = random.Random(int(rng.integers(2**63)))
        image, mask = np.ascontiguousarray(image), np.ascontiguousarray(mask)
        if warped:
            image, mask = _warp(image, mask, affine_matrix(settings, mask.shape, draw))
        if focus < settings.blur:
            image = _blur(image, settings, draw)
        elif focus < settings.blur + settings.sharpness:
            image = _sharpen(image, draw)
        if toned:
            image = _tone(image, settings, draw)
        return image, mask


def zoom_on_defect(
    image: np.ndarray, mask: np.ndarray, rng: np.random.Generator, side: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Crop around a random pixel of a random defect class and enlarge the crop to the image's size.

    Args:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W).
        rng: Source of the class, the pixel, the crop's side and its position around the pixel.
        side: Smallest and largest side of the crop, as a fraction of the image's.

    Returns:
        Image and mask of the same size as before; unchanged if the mask shows no defect.
    """
    height, width = mask.shape
    classes = [
        int(c) for c in np.flatnonzero(np.bincount(mask.ravel(), minlength=256)) if c not in (0, IGNORE)
    ]
    if not classes:
        return image, mask
    pixels = np.flatnonzero(mask == classes[int(rng.integers(len(classes)))])
    y, x = divmod(int(pixels[int(rng.integers(len(pixels)))]), width)
    fraction = rng.uniform(*side)
    h, w = max(2, round(height * fraction)), max(2, round(width * fraction))
    # The defect may lie anywhere in the middle half of the crop, so that its place tells the network nothing.
    top = int(np.clip(y - h * rng.uniform(0.25, 0.75), 0, height - h))
    left = int(np.clip(x - w * rng.uniform(0.25, 0.75), 0, width - w))
    window = np.s_[top : top + h, left : left + w]
    return (
        cv2.resize(image[window], (width, height), interpolation=cv2.INTER_LINEAR),
        cv2.resize(mask[window], (width, height), interpolation=cv2.INTER_NEAREST_EXACT),
    )


def _flip(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    mirror, turns = int(rng.integers(2)), int(rng.integers(4))
    if mask.shape[0] != mask.shape[1]:
        turns = turns // 2 * 2  # a quarter turn would exchange height and width
    if mirror:
        image, mask = image[:, ::-1], mask[:, ::-1]
    return np.rot90(image, turns), np.rot90(mask, turns)


def affine_matrix(settings: AugmentationSettings, shape: tuple[int, int], draw: random.Random) -> np.ndarray:
    """Where an image's points go: zoom, then rotation, shear and shift, around the image's centre.

    Zoom, shift and shear are drawn for each axis by itself; all are uniform between their limits.

    Args:
        settings: The limits.
        shape: Height and width, pixels.
        draw: Source of the seven numbers.

    Returns:
        float64 (2, 3), from (x, y, 1) to (x, y) in pixels.
    """
    height, width = shape
    shift_x, shift_y = (
        int(draw.uniform(-settings.translate, settings.translate) * side) for side in (width, height)
    )
    shear_x, shear_y = (
        np.tan(np.deg2rad(draw.uniform(settings.shear_degrees, -settings.shear_degrees))) for _ in range(2)
    )
    zoom = [draw.uniform(*settings.scale), draw.uniform(*settings.scale)]
    angle = np.deg2rad(draw.uniform(-settings.rotate_degrees, settings.rotate_degrees))
    rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    linear = np.array([[1, shear_x], [shear_y, 1]]) @ rotation @ np.diag(zoom)
    centre = np.array([width / 2 - 0.5, height / 2 - 0.5])
    return np.column_stack([linear, centre + np.array([shift_x, shift_y]) - linear @ centre])


def _warp(image: np.ndarray, mask: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    size = mask.shape[::-1]
    return (
        cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101),
        cv2.warpAffine(
            mask, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=IGNORE
        ),
    )


def _blur(image: np.ndarray, settings: AugmentationSettings, draw: random.Random) -> np.ndarray:
    sigma = draw.uniform(min(0.3, settings.blur_sigma), settings.blur_sigma)
    draw.randint(0, 0)  # with it a seed gives the images that it always gave: decision 28
    radius = int(sigma * 3.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return cv2.sepFilter2D(image, ddepth=-1, kernelX=kernel, kernelY=kernel)


_EDGES = np.array([[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]], np.float32)


def _sharpen(image: np.ndarray, draw: random.Random) -> np.ndarray:
    strength = draw.uniform(0.1, 0.4)
    draw.random()  # as in `_blur`
    kernel = strength * _EDGES
    kernel[1, 1] += 1 - strength
    return cv2.filter2D(image, ddepth=-1, kernel=kernel)


def _tone(image: np.ndarray, settings: AugmentationSettings, draw: random.Random) -> np.ndarray:
    gain = 1 + draw.uniform(-settings.contrast, settings.contrast)
    offset = 255 * draw.uniform(-settings.brightness, settings.brightness)
    return cv2.LUT(image, np.clip(np.arange(256, dtype=np.float32) * gain + offset, 0, 255).astype(np.uint8))
