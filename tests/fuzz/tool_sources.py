"""Sources in the formats of labelling tools."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from .source import Source, Target

sys.path.insert(0, str(Path(__file__).parents[1]))
import annotated


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
