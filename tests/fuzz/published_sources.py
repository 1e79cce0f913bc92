"""Sources in layouts of published sets, and as tools export masks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .pictures import patch, save, texture
from .source import Source, Target


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


def supervisely_source(root: Path) -> Source:
    """Supervisely: machine masks, whose values a JSON file explains."""
    for number in range(6):
        save(root / "lot" / "img" / f"u{number}.jpg", texture(number))
        save(root / "lot" / "masks_machine" / f"u{number}.jpg.png", patch(1 + number % 2))
    classes = {"scratch": [1, 1, 1], "dent": [2, 2, 2]}
    (root / "obj_class_to_machine_color.json").write_text(json.dumps(classes))
    targets = {
        "supervisely-mask": Target("lot/masks_machine/u0.jpg.png", "png", ("u0",)),
        "supervisely-json": Target("obj_class_to_machine_color.json", "json"),
    }
    return Source("supervisely", tuple(f"u{n}" for n in range(6)), targets)
