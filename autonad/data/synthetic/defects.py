"""Generated defects, drawn into a surface together with the exact mask of what was drawn.

Classes differ in shape and structure, not in darkness alone: a crack is jagged and branches, a scratch is
bright and straight, a blowhole is round and shaded like a hollow, a break lays open a rough fracture, a
stain tints softly and leaves the texture visible.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from autonad.data.synthetic.textures import noise
from autonad.errors import DatasetError

_SUBPIXEL = 4  # bits of sub-pixel position in OpenCV's drawing functions


def draw_defect(
    kind: str,
    surface: np.ndarray,
    rng: np.random.Generator,
    *,
    inside: tuple[int, int, int, int],
    scale: float,
    contrast: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw one defect.

    Args:
        kind: One of `DEFECTS`.
        surface: float32 (H, W, 3) between 0 and 1; not changed.
        rng: Source of everything random.
        inside: Top, left, bottom, right of the area in which the defect is centred, pixels.
        scale: Side of the image that the defect's proportions refer to, pixels.
        contrast: Visibility; 1 is moderate, 0 invisible.

    Returns:
        The surface with the defect, float32 (H, W, 3); its mask, bool (H, W).

    Raises:
        DatasetError: The kind is unknown.
    """
    if kind not in _DRAW:
        raise DatasetError(f"defect class {kind!r} cannot be generated; use some of {', '.join(DEFECTS)}")
    top, left, bottom, right = inside
    centre = np.array([rng.uniform(left, right), rng.uniform(top, bottom)])  # (x, y)
    cover, change = _DRAW[kind](rng, surface, centre, scale)
    change = change if change.ndim == 3 else change[..., None]
    changed = surface + np.float32(contrast) * cover[..., None] * change
    return np.clip(changed, 0, 1).astype(np.float32), cover > 0.5


def _crack(
    rng: np.random.Generator, surface: np.ndarray, centre: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    cover = np.zeros(surface.shape[:2], dtype=np.uint8)
    angle = rng.uniform(0, 2 * np.pi)
    length, thickness = scale * rng.uniform(0.4, 0.75), scale * rng.uniform(0.022, 0.036)
    start = centre - 0.5 * length * np.array([np.cos(angle), np.sin(angle)])
    path = _walk(rng, start, angle, length, scale * 0.045, bend=0.55)
    _stroke(cover, path, thickness, taper=0.5)
    for _ in range(int(rng.integers(0, 3))):
        at = path[int(rng.integers(len(path) // 3, len(path) - 1))]
        turn = angle + rng.choice([-1, 1]) * rng.uniform(0.5, 1.1)
        _stroke(
            cover,
            _walk(rng, at, turn, length * rng.uniform(0.2, 0.4), scale * 0.045, bend=0.55),
            thickness * 0.8,
            taper=0.5,
        )
    return _soft(cover), -0.5 * surface


def _scratch(
    rng: np.random.Generator, surface: np.ndarray, centre: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    cover = np.zeros(surface.shape[:2], dtype=np.uint8)
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]])
    for number in range(int(rng.integers(1, 3))):
        length, thickness = scale * rng.uniform(0.45, 0.9), scale * rng.uniform(0.02, 0.032)
        bow = scale * rng.uniform(-0.06, 0.06)
        t = np.linspace(-0.5, 0.5, 24)[:, None]
        offset = number * scale * rng.uniform(0.06, 0.12)
        _stroke(
            cover,
            centre + t * length * along + ((1 - 4 * t**2) * bow + offset) * across,
            thickness,
            taper=0.3,
        )
    return _soft(cover), 0.5 * (1 - surface)


def _blowhole(
    rng: np.random.Generator, surface: np.ndarray, centre: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    height, width = surface.shape[:2]
    cover = np.zeros((height, width), dtype=np.float32)
    change = np.zeros((height, width), dtype=np.float32)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = rng.uniform(0, 2 * np.pi)
    for _ in range(int(rng.integers(1, 5))):
        at = centre + rng.normal(0, scale * 0.12, 2)
        radius = scale * rng.uniform(0.035, 0.075)
        dx, dy = (x - at[0]) / radius, (y - at[1]) / (radius * rng.uniform(0.75, 1.0))
        bearing = np.arctan2(dy, dx)
        wobble = (
            1 + 0.1 * np.sin(2 * bearing + rng.uniform(0, 6)) + 0.06 * np.sin(5 * bearing + rng.uniform(0, 6))
        )
        distance = np.hypot(dx, dy) / wobble
        hole = np.clip(0.5 + (1 - distance) * radius, 0, 1)
        # A hollow is dark on the side of the light and catches it on the far one.
        shade = -0.6 + 0.35 * np.clip(distance, 0, 1) * np.cos(bearing - light)
        change = np.where(hole > cover, shade, change)
        cover = np.maximum(cover, hole)
    return cover, change[..., None] * surface


def _break(
    rng: np.random.Generator, surface: np.ndarray, centre: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    height, width = surface.shape[:2]
    corners = int(rng.integers(6, 11))
    step = 2 * np.pi / corners
    angles = step * (np.arange(corners) + rng.uniform(-0.4, 0.4, corners))
    radii = scale * rng.uniform(0.1, 0.2) * rng.uniform(0.6, 1.25, corners)
    points = centre + radii[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    cover = np.zeros((height, width), dtype=np.uint8)
    cv2.fillPoly(cover, [_fixed(points)], 255, cv2.LINE_AA, shift=_SUBPIXEL)
    facets = np.sign(noise(rng, height, width, scale * 0.025)) * 0.5 + 0.5 * noise(rng, height, width, 0.8)
    edge = cv2.morphologyEx(cover, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).astype(np.float32) / 255
    fracture = rng.uniform(-0.08, 0.12) + 0.14 * facets - 0.25 * edge
    return _soft(cover), fracture.astype(np.float32)


def _stain(
    rng: np.random.Generator, surface: np.ndarray, centre: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    height, width = surface.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = scale * rng.uniform(0.13, 0.24)
    angle, stretch = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
    u = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
    v = (y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)
    distance = np.hypot(u, v / stretch) / radius + 0.16 * noise(rng, height, width, scale * 0.06)
    cover = 1 / (1 + np.exp((distance - 1) * radius / 1.5))
    tint = np.array([rng.uniform(-0.42, -0.26), rng.uniform(-0.38, -0.26), rng.uniform(-0.5, -0.34)])
    return cover.astype(np.float32), surface * tint.astype(np.float32)


def _walk(
    rng: np.random.Generator, start: np.ndarray, angle: float, length: float, step: float, *, bend: float
) -> np.ndarray:
    """Points (x, y) of a jagged path that keeps its general direction."""
    count = max(3, int(length / step))
    turns = angle + bend * rng.standard_normal(count)
    return start + step * np.cumsum(np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)


def _stroke(cover: np.ndarray, points: np.ndarray, thickness: float, *, taper: float) -> None:
    """Draw a line of sub-pixel thickness that thins towards its ends."""
    position = np.linspace(-1, 1, len(points))
    half = 0.5 * thickness * (1 - taper * position**2)
    direction = np.gradient(points, axis=0)
    normal = np.column_stack([-direction[:, 1], direction[:, 0]])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    left, right = points + half[:, None] * normal, points - half[:, None] * normal
    for index in range(len(points) - 1):
        quad = np.stack([left[index], left[index + 1], right[index + 1], right[index]])
        cv2.fillConvexPoly(cover, cv2.convexHull(_fixed(quad)), 255, cv2.LINE_AA, shift=_SUBPIXEL)
    # Joints of a jagged line gape on the outside; a disc closes each.
    for point, radius in zip(_fixed(points), half, strict=True):
        cv2.circle(
            cover,
            (int(point[0]), int(point[1])),
            round(radius * 2**_SUBPIXEL),
            255,
            -1,
            cv2.LINE_AA,
            _SUBPIXEL,
        )


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(points * 2**_SUBPIXEL).astype(np.int32)


def _soft(cover: np.ndarray) -> np.ndarray:
    return cover.astype(np.float32) / 255


_Draw = Callable[[np.random.Generator, np.ndarray, np.ndarray, float], tuple[np.ndarray, np.ndarray]]
_DRAW: dict[str, _Draw] = {
    "crack": _crack,
    "blowhole": _blowhole,
    "break": _break,
    "scratch": _scratch,
    "stain": _stain,
}
DEFECTS = tuple(_DRAW)
