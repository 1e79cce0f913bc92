"""Small source folders, one file of which is damaged. A format is a builder, and its name in `SOURCES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from .pictures import patch, save, texture


@dataclass(frozen=True)
class Target:
    """A file to damage.

    Attributes:
        path: Relative to the source.
        mutations: Kind of its damages, see `mutations.SPECIAL`.
        images: Names without suffix of the images that it may cost; all others have to be imported. None if
            the whole import may be refused for it.
    """

    path: str
    mutations: str
    images: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """A source folder before it is damaged.

    Attributes:
        format: Of `formats.FORMATS`.
        images: Names without suffix of its images.
        targets: What may be damaged, by kind.
    """

    format: str
    images: tuple[str, ...]
    targets: dict[str, Target]


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


def neu_source(root: Path) -> Source:
    """NEU, whose classes are in the names."""
    images = tuple(f"{prefix}_{n}" for prefix in ("In", "Pa", "Sc") for n in range(2))
    for number, name in enumerate(images):
        save(root / "Source Images" / f"{name}.bmp", texture(number)[..., 0])
        save(root / "Ground truth" / f"{name}.png", patch(255))
    targets = {
        "image-neu": Target("Source Images/In_0.bmp", "any", ("In_0",)),
        "mask-neu": Target("Ground truth/In_0.png", "png", ("In_0",)),
    }
    return Source("neu", images, targets)


def mt_source(root: Path) -> Source:
    """Magnetic tiles, with groups."""
    lines, names = ["image,group"], []
    for number, label in enumerate(("Blowhole", "Break", "Crack", "Fray", "Uneven")):
        path = save(root / f"MT_{label}" / "Imgs" / f"exp1_num_{number}.jpg", texture(number)[..., 0])
        save(path.with_suffix(".png"), patch(200))
        lines.append(f"{path.relative_to(root).as_posix()},part{number}")
        names.append(path.stem)
    (root / "groups.csv").write_text("\n".join(lines) + "\n")
    targets = {
        "image-mt": Target("MT_Crack/Imgs/exp1_num_2.jpg", "exif", ("exp1_num_2",)),
        "groups-mt": Target("groups.csv", "table"),
    }
    return Source("mt", tuple(names), targets)


def voc_source(root: Path) -> Source:
    """VOC with lists of images and class names."""
    names = [f"v{n}" for n in range(6)]
    for number, name in enumerate(names):
        save(root / "JPEGImages" / f"{name}.jpg", texture(number))
        save(root / "SegmentationClass" / f"{name}.png", patch(1 + number % 2))
    (root / "class_names.txt").write_text("_background_\nscratch\ndent\n")
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(names[:4]) + "\n")
    (lists / "val.txt").write_text("\n".join(names[4:]) + "\n")
    targets = {
        "list-voc": Target("ImageSets/Segmentation/train.txt", "table"),
        "mask-voc": Target("SegmentationClass/v0.png", "png", ("v0",)),
        "classes-voc": Target("class_names.txt", "table"),
    }
    return Source("voc", tuple(names), targets)


def params_source(root: Path) -> Source:
    """Settings, which no import reads: the configuration is loaded from them instead."""
    (root / "params.yaml").write_text(
        "data:\n  mask_threshold: 127\n  split_seed: 3\nseed: 1\nsearch:\n  lambda_: auto\n"
    )
    return Source("params", (), {"yaml": Target("params.yaml", "yaml")})


SOURCES: dict[str, Callable[[Path], Source]] = {
    "masks": masks_source,
    "index": index_source,
    "neu": neu_source,
    "mt": mt_source,
    "voc": voc_source,
    "params": params_source,
}
