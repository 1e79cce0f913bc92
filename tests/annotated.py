"""Folders in the formats of labelling tools, written from index masks without the product's own writers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
from PIL import Image

CLASSES = ("pit", "scratch", "stain")
Masks = Sequence[np.ndarray]


def texture(seed: int, height: int, width: int) -> np.ndarray:
    """A picture that resembles no other seed's: uint8 (H, W)."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (9, 9)).astype(np.float32)
    smooth = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(smooth + rng.normal(0, 4, (height, width)), 0, 255).astype(np.uint8)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def random_mask(seed: int, height: int = 40, width: int = 48) -> np.ndarray:
    """Index mask of three classes with rectangles, rings, single pixels, touching and at the border."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(1, 6)):
        top, left = rng.integers(0, height), rng.integers(0, width)
        bottom, right = top + rng.integers(1, 18), left + rng.integers(1, 18)
        mask[top:bottom, left:right] = rng.integers(1, 4)
        if rng.random() < 0.4:  # a hole, in places open to the border
            mask[top + 2 : bottom - 2, left + 2 : right - 2] = 0
    specks = rng.integers(0, (height, width), (rng.integers(0, 8), 2))
    mask[specks[:, 0], specks[:, 1]] = rng.integers(1, 4)
    return mask


def rows_of(mask: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Runs along the rows of a bool mask: row, first column, behind the last column, value 1."""
    runs = []
    for y, line in enumerate(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
        runs += [(y, int(a), int(b), 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return runs


def boxes_of(mask: np.ndarray) -> list[tuple[int, list[tuple[float, float]]]]:
    """Every class as one polygon per run of pixels: class index, corners x, y."""
    return [
        (value, [(a, y), (b, y), (b, y + 1), (a, y + 1)])
        for value in range(1, len(CLASSES) + 1)
        for y, a, b, _ in rows_of(mask == value)
    ]


def images(root: Path, folder: str, masks: Masks) -> list[Path]:
    return [save(root / folder / f"p{n:03d}.png", texture(n, *mask.shape)) for n, mask in enumerate(masks)]


def labelme(root: Path, masks: Masks) -> Path:
    for path, mask in zip(images(root, ".", masks), masks, strict=True):
        shapes = [
            {"label": CLASSES[value - 1], "points": points, "shape_type": "polygon"}
            for value, points in boxes_of(mask)
        ]
        labelme_file(path.with_suffix(".json"), path.name, shapes, mask.shape)
    return root


def labelme_file(
    path: Path, image: str, shapes: list[dict[str, Any]], size: tuple[int, ...] | None, **more: Any
) -> Path:
    document = {"version": "5.5.0", "shapes": shapes, "imagePath": image, "imageData": None, **more}
    if size is not None:
        document |= {"imageHeight": size[0], "imageWidth": size[1]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def counts_of(mask: np.ndarray, order: str) -> list[int]:
    """Alternating counts, zeros first, counted one by one."""
    counts, value = [0], False
    for pixel in mask.ravel(order=order).tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def coco(root: Path, masks: Masks, *, as_runs: bool = False) -> Path:
    document: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 3 * n + 2, "name": name} for n, name in enumerate(CLASSES)],
    }
    for n, (path, mask) in enumerate(zip(images(root, "images", masks), masks, strict=True)):
        entry = {"id": n, "file_name": path.name, "height": mask.shape[0], "width": mask.shape[1]}
        document["images"].append(entry)
        found: list[tuple[int, Any]] = [(value, [np.ravel(p).tolist()]) for value, p in boxes_of(mask)]
        if as_runs:
            found = [
                (value, {"size": list(mask.shape), "counts": counts_of(mask == value, "F")})
                for value in (1, 2, 3)
                if (mask == value).any()
            ]
        for value, segmentation in found:
            number = len(document["annotations"])
            document["annotations"].append(
                {
                    "id": number,
                    "image_id": n,
                    "category_id": 3 * value - 1,
                    "segmentation": segmentation,
                    "iscrowd": 0,
                }
            )
    write_json(root / "annotations" / "instances.json", document)
    return root


def write_json(path: Path, document: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def yolo(root: Path, masks: Masks) -> Path:
    for path, mask in zip(images(root, "images/train", masks), masks, strict=True):
        lines = [
            " ".join([str(value - 1), *(repr(v) for p in points for v in relative(p, mask))])
            for value, points in boxes_of(mask)
        ]
        label = root / "labels/train" / f"{path.stem}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("\n".join(lines))
    (root / "data.yaml").write_text("names:\n" + "".join(f"  {n}: {c}\n" for n, c in enumerate(CLASSES)))
    return root


def relative(point: tuple[float, float], mask: np.ndarray) -> tuple[float, float]:
    return point[0] / mask.shape[1], point[1] / mask.shape[0]


def cvat(root: Path, masks: Masks) -> Path:
    """Even classes as polygons, odd ones as masks."""
    text = [
        "<?xml version='1.0' encoding='utf-8'?>",
        "<annotations><version>1.1</version><meta><task><labels>",
    ]
    text += [f"<label><name>{name}</name><color>#c06060</color></label>" for name in CLASSES]
    text.append("</labels></task></meta>")
    for n, (path, mask) in enumerate(zip(images(root, "images", masks), masks, strict=True)):
        text.append(
            f'<image id="{n}" name={quoteattr(path.name)} width="{mask.shape[1]}" height="{mask.shape[0]}">'
        )
        for value, points in boxes_of(mask):
            if value % 2 == 0:
                listed = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
                text.append(f'<polygon label="{CLASSES[value - 1]}" points="{listed}" z_order="0"></polygon>')
        for value in (1, 3):
            where = np.argwhere(mask == value)
            if len(where):
                (top, left), (bottom, right) = where.min(axis=0), where.max(axis=0) + 1
                runs = ", ".join(map(str, counts_of(mask[top:bottom, left:right] == value, "C")))
                text.append(
                    f'<mask label="{CLASSES[value - 1]}" rle="{runs}" left="{left}" top="{top}" '
                    f'width="{right - left}" height="{bottom - top}" z_order="0"></mask>'
                )
        text.append("</image>")
    (root / "annotations.xml").write_text("\n".join([*text, "</annotations>"]))
    return root


def brush(mask: np.ndarray) -> list[int]:
    """A bool mask as Label Studio packs it: repeated and listed values by turns."""
    values = np.repeat(mask.ravel().astype(int) * 255, 4).tolist()
    bits = f"{len(values):032b}{7:05b}{2:04b}{3:04b}{7:04b}{15:04b}"
    at = 0
    while at < len(values):
        same = 1
        while at + same < len(values) and values[at + same] == values[at] and same < 2**16:
            same += 1
        if same > 4:
            width = next(n for n, bound in enumerate((3, 4, 8, 16)) if same <= 2**bound)
            bits += f"1{width:02b}{same - 1:0{(3, 4, 8, 16)[width]}b}{values[at]:08b}"
        else:
            same = min(4, len(values) - at)
            bits += f"000{same - 1:03b}" + "".join(f"{value:08b}" for value in values[at : at + same])
        at += same
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def label_studio(root: Path, masks: Masks) -> Path:
    """Pits as brush strokes, the others as polygons in percent; images as uploads."""
    tasks = []
    for n, (path, mask) in enumerate(zip(images(root, "images", masks), masks, strict=True)):
        regions: list[dict[str, Any]] = []
        if (mask == 1).any():
            value = {"format": "rle", "rle": brush(mask == 1), "brushlabels": ["pit"]}
            regions.append({"type": "brushlabels", "value": value})
        for index, points in boxes_of(mask):
            if index > 1:
                percent = [[100 * v for v in relative(p, mask)] for p in points]
                value = {"points": percent, "polygonlabels": [CLASSES[index - 1]]}
                regions.append({"type": "polygonlabels", "value": value})
        size = {"original_width": mask.shape[1], "original_height": mask.shape[0], "image_rotation": 0}
        tasks.append(
            {
                "id": n,
                "data": {"image": f"/data/upload/1/{n:08x}-{path.name}"},
                "annotations": [{"result": [size | region for region in regions], "was_cancelled": False}],
            }
        )
    write_json(root / "export.json", tasks)
    return root


def png_text(bitmap: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(bitmap).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()


FORMATS: dict[str, Callable[[Path, Masks], Path]] = {
    "labelme": labelme,
    "coco": coco,
    "yolo": yolo,
    "cvat": cvat,
    "label-studio": label_studio,
}
