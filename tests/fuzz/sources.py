"""Small source folders, one file of which is damaged. A format is a builder, and its name in `SOURCES`."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from .pictures import patch, save, texture

sys.path.insert(0, str(Path(__file__).parents[1]))
import annotated

CONFIGURATION = "params"  # in place of a format


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


def tool_source(root: Path, format: str, kind: str, files: dict[str, Target]) -> Source:
    """Shapes in the annotation files of a labelling tool.

    Args:
        root: Where to write it.
        format: The tool's.
        kind: Begins the names of what is damaged.
        files: What is, by the rest of its name.
    """
    masks = [annotated.random_mask(seed) for seed in range(6)]
    for mask in masks:
        mask[4:12, 5:20] = 1
    annotated.FORMATS[format](root, masks)
    targets = {f"{kind}-{name}": target for name, target in files.items()}
    return Source(format, tuple(f"p{n:03d}" for n in range(len(masks))), targets)


def labelme_source(root: Path) -> Source:
    """labelme: a JSON file beside each image, one of them with a stamp and with its image within."""
    own = Target("p000.json", "json", ("p000",))
    source = tool_source(root, "labelme", "labelme", {"json": own})
    document = json.loads((root / "p001.json").read_text())
    stamp = annotated.png_text(np.ones((9, 7), dtype=np.uint8))
    document["shapes"].append(
        {"label": "pit", "shape_type": "mask", "points": [[3, 4], [9, 12]], "mask": stamp}
    )
    document["imageData"] = base64.b64encode((root / "p001.png").read_bytes()).decode()
    (root / "p001.json").write_text(json.dumps(document))
    stamped = Target("p001.json", "json", ("p001",))
    return replace(source, targets={**source.targets, "labelme-stamp": stamped})


def coco_source(root: Path) -> Source:
    """COCO: polygons of all images in one file."""
    return tool_source(root, "coco", "coco", {"json": Target("annotations/instances.json", "json")})


def coco_runs_source(root: Path) -> Source:
    """COCO: runs of pixels."""
    source = tool_source(root, "coco", "coco", {"runs": Target("annotations/instances.json", "json")})
    masks = [annotated.random_mask(seed) for seed in range(6)]
    annotated.coco(root, masks, as_runs=True)
    return source


def yolo_source(root: Path) -> Source:
    """YOLO: a text file for each image, and the classes in YAML."""
    label = Target("labels/train/p000.txt", "table", ("p000",))
    return tool_source(root, "yolo", "yolo", {"txt": label, "yaml": Target("data.yaml", "yaml")})


def cvat_source(root: Path) -> Source:
    """CVAT: one XML file."""
    return tool_source(root, "cvat", "cvat", {"xml": Target("annotations.xml", "xml")})


def label_studio_source(root: Path) -> Source:
    """Label Studio: brushes and polygons in one JSON file."""
    return tool_source(root, "label-studio", "label-studio", {"json": Target("export.json", "json")})


def mvtec_source(root: Path) -> Source:
    """MVTec AD: images by kind of defect, their masks in a tree beside them, and good ones."""
    names = []
    for number in range(6):
        kind, name = ("good", "bent", "color")[number % 3], f"m{number}"
        save(root / "test" / kind / f"{name}.png", texture(number))
        if kind != "good":
            save(root / "ground_truth" / kind / f"{name}_mask.png", patch(255))
        save(root / "train" / "good" / f"t{number}.png", texture(100 + number))
        names += [name, f"t{number}"]
    targets = {
        "mvtec-image": Target("train/good/t0.png", "png", ("t0",)),
        "mvtec-mask": Target("ground_truth/bent/m1_mask.png", "png", ("m1",)),
    }
    return Source("mvtec", tuple(names), targets)


def ksdd2_source(root: Path) -> Source:
    """KSDD2: `10.png` and `10_GT.png`."""
    for number in range(6):
        save(root / "train" / f"k{number}.png", texture(number))
        save(root / "train" / f"k{number}_GT.png", patch(255))
    targets = {"ksdd2-mask": Target("train/k0_GT.png", "png", ("k0",))}
    return Source("ksdd2", tuple(f"k{n}" for n in range(6)), targets)


def severstal_source(root: Path) -> Source:
    """Severstal: runs of pixels down the columns, from 1, in a table."""
    lines = ["ImageId,ClassId,EncodedPixels"]
    for number in range(6):
        save(root / "train_images" / f"s{number}.jpg", texture(number))
        lines.append(f"s{number}.jpg,{1 + number % 2},{49 + number} 20 {400 + number} 30")
    (root / "train.csv").write_text("\n".join([*lines, ""]))
    targets = {"severstal-csv": Target("train.csv", "table")}
    return Source("severstal", tuple(f"s{n}" for n in range(6)), targets)


def cvat_masks_source(root: Path) -> Source:
    """CVAT's "segmentation mask": colours that a text file explains."""
    colours = {"background": (0, 0, 0), "scratch": (250, 50, 83), "dent": (51, 221, 255)}
    for number in range(6):
        save(root / "JPEGImages" / f"c{number}.png", texture(number))
        mask = np.zeros((48, 48, 3), dtype=np.uint8)
        mask[10:22, 8:30] = list(colours.values())[1 + number % 2]
        save(root / "SegmentationClass" / f"c{number}.png", mask)
    rows = [f"{name}:{','.join(map(str, colour))}::" for name, colour in colours.items()]
    (root / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *rows, ""]))
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "default.txt").write_text("".join(f"c{n}\n" for n in range(6)))
    targets = {
        "cvat-mask": Target("SegmentationClass/c0.png", "png", ("c0",)),
        "cvat-labelmap": Target("labelmap.txt", "table"),
        "cvat-list": Target("ImageSets/Segmentation/default.txt", "table"),
    }
    return Source("cvat", tuple(f"c{n}" for n in range(6)), targets)


def npy_source(root: Path) -> Source:
    """What labelme2voc wrote: classes as numpy files, beside PNG masks."""
    for number in range(6):
        save(root / "JPEGImages" / f"n{number}.jpg", texture(number))
        save(root / "SegmentationClassPNG" / f"n{number}.png", patch(1 + number % 2))
        (root / "SegmentationClass").mkdir(exist_ok=True)
        np.save(root / "SegmentationClass" / f"n{number}.npy", patch(1 + number % 2).astype(np.int64))
    (root / "class_names.txt").write_text("_background_\nscratch\ndent\n")
    targets = {
        "npy": Target("SegmentationClass/n0.npy", "npy", ("n0",)),
        "npy-png": Target("SegmentationClassPNG/n0.png", "png", ("n0",)),
    }
    return Source("voc", tuple(f"n{n}" for n in range(6)), targets)


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
    (root / "params.yaml").write_text(
        "data:\n  mask_threshold: 127\n  split_seed: 3\nseed: 1\nsearch:\n  lambda_: auto\n"
    )
    return Source(CONFIGURATION, (), {"yaml": Target("params.yaml", "yaml")})


SOURCES: dict[str, Callable[[Path], Source]] = {
    "masks": masks_source,
    "index": index_source,
    "neu": neu_source,
    "mt": mt_source,
    "voc": voc_source,
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
