"""What does an import cost beyond decoding, and does its memory stay flat?

Generates grey images with masks, every image a part of its own (`groups.csv`), imports them in a process of
its own, and measures beside it what cannot be saved: decoding each image and mask once, and writing the files
of the dataset. Prints a table, then one JSON line. CPU times are of one core.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from autonad.data.images import decode_image, encode_png, read_mask
from autonad.data.ingest import importing
from autonad.data.ingest.settings import IngestSettings

_CHUNK = 500


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        source, rows = Path(folder, "source"), []
        for images in sorted(options.images):
            generate(source, images, options.side, options.suffix)
            # Both stay until the end: a file system searches long for a place where files were just deleted.
            unavoidable = _alone(decode_and_write, source, Path(folder, f"copy{images}"), options.suffix)
            done = _alone(import_all, source, Path(folder, f"dataset{images}"), options.workers)
            row = {"images": images, **unavoidable, **done}
            row["beyond_s"] = row["cpu_s"] - row["placing_s"] - row["decode_s"] - row["write_s"]
            row["beyond"] = row["beyond_s"] / (row["decode_s"] + row["write_s"])
            rows.append(row)
            print(
                f"{images:7,} images: import {row['wall_s']:6.1f} s, CPU {row['cpu_s']:6.1f} s "
                f"(decoding {row['decode_s']:.1f}, writing {row['write_s']:.1f}, groups and split "
                f"{row['placing_s']:.1f}, rest {row['beyond_s']:.1f} = {row['beyond']:.0%}), peak memory "
                f"{row['peak_mib']:.0f} MiB",
                flush=True,
            )
    growth = None
    if len(rows) > 1:
        added = rows[-1]["images"] - rows[0]["images"]
        growth = (rows[-1]["peak_mib"] - rows[0]["peak_mib"]) * 2**20 / added
        print(f"memory grows by {growth:.0f} bytes per image")
    print(
        json.dumps(
            {
                "benchmark": "import_scale",
                "side": options.side,
                "suffix": options.suffix,
                "workers": options.workers,
                "rows": rows,
                "bytes_per_image": growth,
            }
        )
    )


def generate(source: Path, images: int, side: int, suffix: str) -> None:
    """Fill a folder up to so many images; those that are there stay."""
    for name in ("images", "masks"):
        (source / name).mkdir(parents=True, exist_ok=True)
    chunks = [
        (source, start, min(start + _CHUNK, images), side, suffix)
        for start in range(0, images, _CHUNK)
        if not (source / "masks" / f"{min(start + _CHUNK, images) - 1:06d}.png").is_file()
    ]
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_generate, chunks))
    table = "".join(f"images/{number:06d}{suffix},part{number}\n" for number in range(images))
    (source / "groups.csv").write_text("image,group\n" + table)


def _generate(chunk: tuple[Path, int, int, int, str]) -> None:
    source, start, stop, side, suffix = chunk
    for number in range(start, stop):
        rng = np.random.default_rng(number)
        coarse = rng.integers(40, 215, (8, 8), dtype=np.uint8)
        image = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        image = cv2.add(image, rng.integers(0, 9, (side, side), dtype=np.uint8))
        mask = np.zeros((side, side), dtype=np.uint8)
        y, x = rng.integers(0, side - side // 4, 2)
        mask[y : y + side // 5, x : x + side // 8] = 255
        cv2.imwrite(str(source / "images" / f"{number:06d}{suffix}"), image)
        cv2.imwrite(str(source / "masks" / f"{number:06d}.png"), mask)


def decode_and_write(source: Path, copy: Path, suffix: str) -> dict[str, float]:
    """CPU time of decoding each image and each mask once, and of encoding the masks and writing both."""
    names = [path.stem for path in sorted((source / "masks").iterdir())]
    copy.mkdir()
    decode_s = write_s = 0.0
    for name in names:
        image, mask = source / "images" / f"{name}{suffix}", source / "masks" / f"{name}.png"
        begun = time.process_time()
        content = image.read_bytes()
        decode_image(content, image)
        labels = (read_mask(mask) > 0).astype(np.uint8)
        decoded = time.process_time()
        (copy / image.name).write_bytes(content)
        (copy / f"{name}.mask.png").write_bytes(encode_png(labels))
        decode_s += decoded - begun
        write_s += time.process_time() - decoded
    return {"decode_s": decode_s, "write_s": write_s}


def import_all(source: Path, output: Path, workers: int) -> dict[str, float]:
    """Wall and CPU time of an import and its peak memory; grouping and splitting apart."""
    placing = 0.0
    place_all = importing.place_all

    def timed(*arguments: Any) -> Any:
        nonlocal placing
        begun = time.process_time()
        try:
            return place_all(*arguments)
        finally:
            placing += time.process_time() - begun

    importing.place_all = timed  # type: ignore[assignment]
    begun, cpu = time.perf_counter(), time.process_time()
    report = importing.import_dataset(source, output, IngestSettings(workers=workers))
    wall_s, cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    assert len(report.dataset.manifest) == sum(1 for _ in (source / "masks").iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    return {"wall_s": wall_s, "cpu_s": cpu_s, "placing_s": placing, "peak_mib": peak}


def _alone(function: Callable[..., dict[str, float]], *arguments: Any) -> dict[str, float]:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 20_000, 50_000])
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--suffix", default=".png", choices=[".png", ".jpg", ".bmp", ".tif"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scratch", type=Path, help="where to generate; default: the system's folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
