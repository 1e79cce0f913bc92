"""Large images from training to the line: tiles in every step, through the command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
from commands import SETTINGS, Autonad
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.deploy.shipped import ShippedNetwork
from autonad.detector.tiles import Tiling
from autonad.space import SearchSpace

TILED = SETTINGS.replace("image_side: 48", "image_side: 96").replace(
    "input: {height: 48, width: 48}", "input: {height: 48, width: 48, tile: 48}"
)


def test_tiles_go_from_training_to_the_line(autonad: Autonad, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(TILED)
    (tmp_path / "search").mkdir()
    architecture = SearchSpace.preset("tiny").smallest()
    (tmp_path / "search" / "architecture.json").write_text(architecture.to_json())

    autonad("synthesize", "--output", "dataset", cwd=tmp_path)
    scratch = ("--set", "retrain.weights=scratch", "--set", "export.int8=false")
    autonad(
        "retrain", "--dataset", "dataset", "--search", "search", "--output", "model", *scratch, cwd=tmp_path
    )
    autonad("evaluate", "--dataset", "dataset", "--model", "model", "--output", "evaluation", cwd=tmp_path)
    autonad(
        *("export", "--model", "model", "--dataset", "dataset", "--evaluation", "evaluation"),
        *("--output", "export", *scratch),
        cwd=tmp_path,
    )

    spec = ShippedNetwork.open(tmp_path / "export" / "model.onnx").spec
    assert spec.tiles == Tiling(48, 48, 16, 8)
    assert "tiles of 48 × 48 pixels" in (tmp_path / "export" / "MODEL_CARD.md").read_text()
    report = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    pixels = len(Dataset.open(tmp_path / "dataset").split("test")) * 96 * 96
    assert np.sum(report["native"]["confusion"]) == np.sum(report["input"]["confusion"]) == pixels

    images = tmp_path / "dataset" / "images"
    autonad(
        *("detect", "--model", "export/model.onnx", "--source", images, "--output", "found"), cwd=tmp_path
    )

    with (tmp_path / "found" / "verdicts.csv").open() as file:
        verdicts = list(csv.DictReader(file))
    assert len(verdicts) == len(list(images.iterdir()))
    for path in (tmp_path / "found").rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (96, 96)
