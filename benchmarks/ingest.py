"""How much slower is ingesting a batch from S3 than merely downloading it?

Generates images with masks, puts them into a bucket of a local store (`rclone serve s3`, or the one that
AWS_ENDPOINT_URL names), and then takes turns: a plain parallel download with boto3 (get_object, as many
threads, to disk) of the same objects, and an ingest into a dataset that holds some images already. Prints a
table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import boto3
import cv2
import numpy as np
from botocore.config import Config as ClientConfig

from autonad import steps
from autonad.config import load_config
from autonad.data.images import encode_png

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from servers import object_store

from autonad.config.context import Context

BUCKET, PREFIX = "batches", "line-1/today"
CLASSES = ("crack", "blowhole", "scratch")


def main() -> None:
    options = arguments()
    config = load_config(None, ["tracking.enabled=false", *(options.set or ())])
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder, store(Path(folder)):
        scratch = Path(folder)
        client = connect(config.ingest.connections)
        client.create_bucket(Bucket=BUCKET)
        objects = fill(client, options.images, options.side, options.masks)
        start = first_dataset(scratch / "start", options.side)
        rows = []
        for repeat in range(options.repeats):
            plain = download(client, scratch / f"plain{repeat}", config.ingest.connections)
            dataset = Path(shutil.copytree(start, scratch / f"dataset{repeat}"))
            begun = time.perf_counter()
            result = steps.ingest(Context(config), source=f"s3://{BUCKET}/{PREFIX}", dataset=dataset)
            seconds = time.perf_counter() - begun
            assert result.batch.images == options.images, result.text
            begun = time.perf_counter()
            again = steps.ingest(Context(config), source=f"s3://{BUCKET}/{PREFIX}", dataset=dataset)
            assert not again.is_new
            repeated = time.perf_counter() - begun
            rows.append({"plain_s": plain, "ingest_s": seconds, "repeat_s": repeated})
            print(
                f"run {repeat + 1}: plain download {plain:6.1f} s, ingest {seconds:6.1f} s "
                f"({100 * plain / seconds:.0f} % of its throughput), repeated ingest {repeated:.1f} s"
            )
            shutil.rmtree(dataset)
            shutil.rmtree(scratch / f"plain{repeat}")
    ratios = [row["plain_s"] / row["ingest_s"] for row in rows]
    print(
        json.dumps(
            {
                "benchmark": "ingest",
                "images": options.images,
                "side": options.side,
                "objects": len(objects),
                "megabytes": round(sum(objects) / 1e6, 1),
                "connections": config.ingest.connections,
                "workers": config.ingest.workers,
                "masks": options.masks,
                "runs": rows,
                "throughput_of_plain": statistics.median(ratios),
            }
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--side", type=int, default=200, help="pixels")
    parser.add_argument("--masks", choices=("index", "folders"), default="index", help="how masks are stored")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scratch", type=Path, default=None, help="folder for temporary files")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE")
    return parser.parse_args()


@contextmanager
def store(scratch: Path) -> Iterator[None]:
    """The store that the environment names, else one of our own."""
    if "AWS_ENDPOINT_URL" in os.environ:
        yield
        return
    with object_store(scratch / "store") as started:
        os.environ.update(started.environment)
        yield


def connect(connections: int):  # type: ignore[no-untyped-def]
    return boto3.client(
        "s3",
        config=ClientConfig(
            max_pool_connections=connections,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def picture(rng: np.random.Generator, side: int) -> tuple[np.ndarray, np.ndarray]:
    """A rough surface with a defect or two, and its index mask."""
    coarse = rng.uniform(90, 170, (side // 8, side // 8)).astype(np.float32)
    grey = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    grey += rng.normal(0, 6, (side, side)).astype(np.float32)
    mask = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(1, 3))):
        kind = int(rng.integers(1, 1 + len(CLASSES)))
        points = rng.integers(10, side - 10, (4, 2)).astype(np.int32)
        shape = np.zeros((side, side), np.uint8)
        cv2.polylines(shape, [points], False, 1, int(rng.integers(2, 9)))
        grey[shape > 0] -= 60
        mask[shape > 0] = kind
    return np.clip(grey, 0, 255).astype(np.uint8), mask


def fill(client, count: int, side: int, masks: str) -> list[int]:  # type: ignore[no-untyped-def]
    """Put images (PNG and JPEG by turns) and masks into the bucket; returns the sizes of the objects."""

    def put(number: int) -> list[int]:
        image, mask = picture(np.random.default_rng(number), side)
        suffix = ".png" if number % 2 else ".jpg"
        ok, encoded = cv2.imencode(
            suffix, cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), [cv2.IMWRITE_JPEG_QUALITY, 92]
        )
        assert ok
        bodies = {f"images/{number:05d}{suffix}": encoded.tobytes()}
        if masks == "index":
            bodies[f"masks/{number:05d}.png"] = encode_png(mask)
        else:
            for index, name in enumerate(CLASSES, start=1):
                if (mask == index).any():
                    bodies[f"masks/{name}/{number:05d}.png"] = encode_png(
                        (mask == index).astype(np.uint8) * 255
                    )
        for key, body in bodies.items():
            client.put_object(Bucket=BUCKET, Key=f"{PREFIX}/{key}", Body=body)
        return [len(body) for body in bodies.values()]

    with ThreadPoolExecutor(4) as pool:
        return [size for sizes in pool.map(put, range(count)) for size in sizes]


def first_dataset(output: Path, side: int) -> Path:
    config = load_config(
        None,
        [
            "tracking.enabled=false",
            "synthesize.num_images=100",
            f"synthesize.image_side={side}",
            f"synthesize.classes={list(CLASSES)}",
        ],
    )
    steps.synthesize(Context(config), output=output)
    return output


def download(client, output: Path, connections: int) -> float:  # type: ignore[no-untyped-def]
    """Seconds that listing and downloading everything takes, in folders as they are in the bucket."""
    begun = time.perf_counter()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{PREFIX}/")
    keys = [found["Key"] for page in pages for found in page["Contents"]]
    for folder in {(output / key).parent for key in keys}:
        folder.mkdir(parents=True)

    def get(key: str) -> None:
        (output / key).write_bytes(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    with ThreadPoolExecutor(connections) as pool:
        for _ in pool.map(get, keys):
            pass
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
