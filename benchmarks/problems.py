"""Three generated problems of which each needs another kind of network.

    python -m benchmarks.problems --folder data/problems

`hairline`: cracks one pixel thick among grooves that are just as dark in sum and wider, so that they differ
at full resolution alone. `context`: spots of two classes that look the same; what tells a spot's class is the
bar, bright or dark, at the far end of its own side of a seam, so that neither its surroundings nor the image
as a whole do; edges are soft and noise is strong, so that fine detail tells nothing. `stains`: large, faint
blobs in strong noise, which averaging makes visible.

Every image is a part of its own. All of an image follows from (seed, split, number).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from autonad.data.dataset import Dataset, is_dataset
from autonad.data.synthetic.textures import noise
from autonad.data.writer import DatasetWriter

SIDE = 128  # pixels
COUNTS = {"train": 600, "val": 200, "test": 2000}

Drawing = tuple[np.ndarray, np.ndarray]
"""Brightness without noise, float32 between 0 and 1, and class indices, uint8; (SIDE, SIDE) both."""


@dataclass(frozen=True)
class Problem:
    """How images of a problem come about.

    Attributes:
        classes: Background first.
        draw: Draws one image.
        camera_noise: Standard deviation of every pixel, a fraction of white.
    """

    classes: tuple[str, ...]
    draw: Callable[[np.random.Generator], Drawing]
    camera_noise: float


def generate(name: str, folder: Path, *, counts: dict[str, int] = COUNTS, seed: int = 0) -> Dataset:
    """Generate a problem's dataset, unless it is there.

    Args:
        name: One of `PROBLEMS`.
        folder: The dataset's.
        counts: Images of each split.
        seed: Everything random follows from it.
    """
    if is_dataset(folder):
        return Dataset.open(folder)
    problem = PROBLEMS[name]

    def split_of(rows: pd.DataFrame) -> pd.Series:
        return rows["group"].str.split("-").str[0]

    with DatasetWriter(folder, classes=problem.classes, replace=True) as writer:
        for number_of_split, (split, count) in enumerate(counts.items()):
            for number in range(count):
                image, mask = render(problem, (seed, number_of_split, number))
                writer.add(image, mask, name=f"{split}-{number:05d}", group=f"{split}-{number:05d}")
        writer.finish(split_of, about={"format": "synthetic", "faults": []})
    return Dataset.open(folder)


def render(problem: Problem, seed: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """One image, uint8 (SIDE, SIDE), and its mask, uint8 (SIDE, SIDE)."""
    rng = np.random.default_rng(seed)
    brightness, mask = problem.draw(rng)
    noisy = brightness + problem.camera_noise * rng.standard_normal(brightness.shape, dtype=np.float32)
    return np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8), mask


def _plate(rng: np.random.Generator) -> np.ndarray:
    """An even surface, unevenly lit."""
    return np.float32(rng.uniform(0.5, 0.6)) + 0.03 * noise(rng, SIDE, SIDE, 40)


def _hairline(rng: np.random.Generator) -> Drawing:
    depth = 0.3
    cracks = _lines(rng, int(rng.integers(1, 4)))
    grooves = cv2.GaussianBlur(_lines(rng, int(rng.integers(1, 4))), (0, 0), sigmaX=1.6)
    return _plate(rng) - depth * np.maximum(cracks, grooves), cracks.astype(np.uint8)


def _lines(rng: np.random.Generator, count: int) -> np.ndarray:
    """Jagged lines, one pixel thick; float32 of 0 and 1."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    for _ in range(count):
        steps, angle = int(rng.integers(8, 20)), rng.uniform(0, 2 * np.pi)
        turns = angle + np.cumsum(0.3 * rng.standard_normal(steps))
        path = np.cumsum(6 * np.column_stack([np.cos(turns), np.sin(turns)]), axis=0)
        path += rng.uniform(0.3, 0.7, 2) * SIDE - path.mean(axis=0)
        cv2.polylines(canvas, [np.round(path).astype(np.int32)], isClosed=False, color=1, thickness=1)
    return canvas.astype(np.float32)


def _context(rng: np.random.Generator) -> Drawing:
    brightness, mask = _plate(rng), np.zeros((SIDE, SIDE), np.uint8)
    turned = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32) - (SIDE - 1) / 2
    along, across = x * np.cos(turned) + y * np.sin(turned), y * np.cos(turned) - x * np.sin(turned)
    brightness -= 0.15 * np.exp(-((across / 3) ** 2))
    for side in (-1, 1):
        kind = int(rng.integers(2))
        bar = (np.abs(along - 42) < 5) & (np.abs(across * side - 24) < 14)
        brightness += np.where(bar, np.float32(0.2 if kind else -0.2), 0)
        spots = np.zeros((SIDE, SIDE), np.float32)
        for _ in range(int(rng.integers(1, 3))):
            distance = np.hypot(along - rng.uniform(-42, -20), across * side - rng.uniform(16, 34))
            spots = np.maximum(spots, 1 / (1 + np.exp(distance - rng.uniform(7, 10))))
        brightness -= 0.2 * spots
        mask[spots > 0.5] = 1 + kind
    return brightness, mask


def _stains(rng: np.random.Generator) -> Drawing:
    brightness, mask = _plate(rng), np.zeros((SIDE, SIDE), np.uint8)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        left, top = rng.uniform(20, SIDE - 20, 2)
        radius, stretch, angle = rng.uniform(14, 28), rng.uniform(0.7, 1.0), rng.uniform(0, np.pi)
        u = (x - left) * np.cos(angle) + (y - top) * np.sin(angle)
        v = (y - top) * np.cos(angle) - (x - left) * np.sin(angle)
        distance = np.hypot(u, v / stretch) + 2 * noise(rng, SIDE, SIDE, 12)
        cover = 1 / (1 + np.exp((distance - radius) / 2))
        brightness -= 0.08 * cover.astype(np.float32)
        mask[cover > 0.5] = 1
    return brightness, mask


PROBLEMS = {
    "hairline": Problem(("background", "crack"), _hairline, 0.03),
    "context": Problem(("background", "spot-dark-bar", "spot-bright-bar"), _context, 0.12),
    "stains": Problem(("background", "stain"), _stains, 0.12),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="receives a dataset per problem")
    parser.add_argument("--problems", nargs="*", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    for name in options.problems:
        dataset = generate(name, options.folder / name, seed=options.seed)
        print(f"{name}: {len(dataset.manifest)} images, {', '.join(dataset.classes[1:])}")


if __name__ == "__main__":
    main()
