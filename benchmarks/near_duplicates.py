"""How long does the search for near-duplicates take, and how much memory?

Makes descriptors of images that all differ ("textures") and of parts at one fixed camera, which are all
alike ("camera"), each with 200 turned copies, and searches them in a process of its own. Then describes and
compares images, to say what these cost. Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import resource
import time
from typing import Any

import cv2
import numpy as np

from autonad.data.pictures import SIDE, turn
from autonad.data.repeats import Surface, compare
from autonad.data.similarity import describe, find_candidates

COPIES, AT_ONCE = 200, 2000


def main() -> None:
    options = arguments()
    rows = []
    print(f"{'images':>8} {'kind':<9} {'seconds':>8} {'GiB':>6} {'pairs':>8} {'copies found':>13}")
    for images in options.images:
        for kind in ("textures", "camera"):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                row = pool.apply(measured, (images, kind))
            rows.append(row)
            print(
                f"{images:>8} {kind:<9} {row['seconds']:>8.1f} {row['gib']:>6.2f} {row['pairs']:>8} "
                f"{row['copies']:>9}/{COPIES}"
            )
    describing, comparing = per_image()
    print(f"describing an image of 512 × 512 takes {describing:.2f} ms, comparing two {comparing:.2f} ms")
    print(
        json.dumps(
            {
                "benchmark": "near-duplicates",
                "rows": rows,
                "describe_ms": round(describing, 3),
                "compare_ms": round(comparing, 3),
            }
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, nargs="+", default=[5000, 50000])
    return parser.parse_args()


def measured(images: int, kind: str) -> dict[str, Any]:
    """Search once; memory is that of the whole process at most, descriptors included."""
    descriptors, copies = generated(images, kind)
    begun = time.perf_counter()
    found = {(i, j) for i, j, _ in find_candidates(descriptors).pairs}
    seconds = time.perf_counter() - begun
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    hits = sum(pair in found for pair in copies)
    return {
        "images": images,
        "kind": kind,
        "seconds": round(seconds, 1),
        "gib": round(gib, 2),
        "pairs": len(found),
        "copies": hits,
    }


def generated(images: int, kind: str) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Descriptors float16 (N, 1024), and the pairs of copies among them."""
    rng = np.random.default_rng(0)
    scene = blurred(rng.standard_normal((SIDE, SIDE)), 2)
    result = np.empty((images, SIDE * SIDE), dtype=np.float16)
    for start in range(0, images, AT_ONCE):
        count = min(AT_ONCE, images - start)
        noise = rng.standard_normal((count, SIDE, SIDE)).astype(np.float32)
        if kind == "textures":
            grain = rng.uniform(0.5, 4, count)
            made = np.stack([blurred(one, sigma) for one, sigma in zip(noise, grain, strict=True)])
            made += 0.15 * rng.standard_normal(made.shape, dtype=np.float32)
        else:
            light = rng.standard_normal((count, 1, 1)).astype(np.float32)
            made = scene + 0.05 * noise + 0.1 * light * np.roll(scene, 1, axis=1)
            for one in made:
                row, column = rng.integers(0, SIDE - 4, 2)
                one[row : row + 3, column : column + 3] -= 1
        result[start : start + count] = unit(made.reshape(count, -1))
    copies = [(3 * n, images - 1 - 3 * n) for n in range(COPIES)]
    for source, copy in copies:
        turned = turn(result[source].astype(np.float32).reshape(1, SIDE, SIDE), int(rng.integers(8)))
        result[copy] = unit(turned.reshape(1, -1) + 0.03 / SIDE * rng.standard_normal((1, SIDE * SIDE)))[0]
    return result, copies


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    smooth = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), sigma)
    return np.asarray(smooth / smooth.std())


def unit(pictures: np.ndarray) -> np.ndarray:
    centred = pictures - pictures.mean(axis=1, keepdims=True)
    return np.asarray(centred / np.linalg.norm(centred, axis=1, keepdims=True))


def per_image() -> tuple[float, float]:
    """Milliseconds that describing an image and comparing two take."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (512, 512, 3), dtype=np.uint8) for _ in range(20)]
    begun = time.perf_counter()
    for image in images:
        describe(image)
    described = time.perf_counter()
    surfaces = [Surface.of(image, image[..., 0] // 128) for image in images]
    made = time.perf_counter()
    for a, b in itertools.pairwise(surfaces):
        compare(a, b)
    compared = time.perf_counter()
    return 1000 * (described - begun) / 20, 1000 * (compared - made) / 19


if __name__ == "__main__":
    main()
