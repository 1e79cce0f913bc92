"""Small source folders, one file of which is damaged. A format is a builder, and its name in `SOURCES`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from .pictures import patch, save, texture
from .published_sources import (
    cvat_masks_source,
    ksdd2_source,
    mt_source,
    mvtec_source,
    neu_source,
    npy_source,
    severstal_source,
    supervisely_source,
    voc_source,
)
from .source import CONFIGURATION, Source, Target
from .tool_sources import (
    coco_runs_source,
    coco_source,
    cvat_source,
    label_studio_source,
    labelme_source,
    yolo_source,
)


def masks_source(root: Path) -> Source:
    """Images of every suffix with 0/255 masks, groups and classes."""
    suffixes = ("png", "jpg", "tif", "bmp", "webp", "png", "png", "png")
    for number, suffix in enumerate(suffixes):
        save(root / "images" / f"p{number}.{suffix}", texture(number))
        save(root / "masks" / f"p{number}.{'tif' if number == 5 else 'png'}", patch(255))
    palette = Image.fromarray(patch(1)).convert("P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    palette.save(root / "masks" / "p6.png")
    rows = [f"images/p{n}.{suffix},part{n}" for n, suffix in enumerate(suffixes)]
    (root / "groups.csv").write_text("\n".join(["image,group", *rows, ""]))
    (root / "classes.txt").write_text("scratch\n")
    targets = {
        "image-png": Target("images/p0.png", "png", ("p0",)),
        "image-jpeg": Target("images/p1.jpg", "exif", ("p1",)),
        "exif-jpeg": Target("images/p1.jpg", "exif", ("p1",)),
        "exif-png": Target("images/p0.png", "exif", ("p0",)),
        "image-tiff": Target("images/p2.tif", "tiff", ("p2",)),
        "image-bmp": Target("images/p3.bmp", "any", ("p3",)),
        "image-webp": Target("images/p4.webp", "any", ("p4",)),
        "mask-png": Target("masks/p0.png", "png", ("p0",)),
        "mask-tiff": Target("masks/p5.tif", "tiff", ("p5",)),
        "mask-palette": Target("masks/p6.png", "png", ("p6",)),
        "groups": Target("groups.csv", "table"),
        "classes": Target("classes.txt", "table"),
    }
    return Source("masks", tuple(f"p{n}" for n in range(len(suffixes))), targets)


def index_source(root: Path) -> Source:
    """Index masks of three classes, one of them in 16 bits."""
    for number in range(6):
        save(root / "images" / f"q{number}.png", texture(number))
        mask = patch(1 + number % 3)
        mask[30:40, 30:40] = 1 + (number + 1) % 3
        save(root / "masks" / f"q{number}.png", mask.astype(np.uint16) if number == 5 else mask)
    (root / "classes.txt").write_text("scratch\ndent\nstain\n")
    targets = {
        "mask-index": Target("masks/q0.png", "png", ("q0",)),
        "mask-16bit": Target("masks/q5.png", "png", ("q5",)),
        "classes-index": Target("classes.txt", "table"),
    }
    return Source("masks", tuple(f"q{n}" for n in range(6)), targets)


def table_source(root: Path) -> Source:
    """A table of images, masks and groups."""
    lines = ["image,mask,group,split,class"]
    for number in range(6):
        save(root / "pictures" / f"t{number}.png", texture(number))
        save(root / "labels" / f"t{number}.png", patch(255))
        lines.append(f"pictures/t{number}.png,labels/t{number}.png,part{number},train,scratch")
    (root / "table.csv").write_text("\n".join([*lines, ""]))
    targets = {
        "table-csv": Target("table.csv", "table"),
        "table-mask": Target("labels/t0.png", "png", ("t0",)),
    }
    return Source("table", tuple(f"t{n}" for n in range(6)), targets)


def params_source(root: Path) -> Source:
    """Settings, which no import reads: the configuration is loaded from them instead."""
    shutil.copy(Path(__file__).parents[2] / "params.yaml", root / "params.yaml")
    return Source(CONFIGURATION, (), {"yaml": Target("params.yaml", "yaml")})


SOURCES: dict[str, Callable[[Path], Source]] = {
    "masks": masks_source,
    "index": index_source,
    "neu": neu_source,
    "mt": mt_source,
    "voc": voc_source,
    "npy": npy_source,
    "cvat-masks": cvat_masks_source,
    "supervisely": supervisely_source,
    "labelme": labelme_source,
    "coco": coco_source,
    "coco-runs": coco_runs_source,
    "yolo": yolo_source,
    "cvat": cvat_source,
    "label-studio": label_studio_source,
    "mvtec": mvtec_source,
    "ksdd2": ksdd2_source,
    "severstal": severstal_source,
    "table": table_source,
    "params": params_source,
}
