"""Images of 12 bits from import to the line: what the camera wrote is judged as what the dataset holds."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from commands import SETTINGS, Autonad
from PIL import Image

from autonad.detector.session import OnnxNetwork
from autonad.space import SearchSpace

SCRATCH = ("--set", "retrain.weights=scratch", "--set", "export.int8=false")


def test_deep_images_are_read_on_the_line_as_in_the_dataset(autonad: Autonad, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(SETTINGS)
    (tmp_path / "search").mkdir()
    architecture = SearchSpace.preset("tiny").smallest()
    (tmp_path / "search" / "architecture.json").write_text(architecture.to_json())
    autonad("synthesize", "--output", "made", cwd=tmp_path)
    for place in ("images", "masks"):
        (tmp_path / "camera" / place).mkdir(parents=True)
    for path in (tmp_path / "made" / "images").iterdir():
        grey = np.asarray(Image.open(path).convert("L"), dtype=np.float64)
        deep = np.round(grey / 255 * 4095).astype(np.uint16)
        Image.fromarray(deep).save(tmp_path / "camera" / "images" / f"{path.stem}.png")
        mask = (np.asarray(Image.open(tmp_path / "made" / "masks" / f"{path.stem}.png")) == 1).astype(
            np.uint8
        )
        Image.fromarray(mask * 255).save(tmp_path / "camera" / "masks" / f"{path.stem}.png")

    autonad("import-data", "--format", "masks", "--source", "camera", "--output", "dataset", cwd=tmp_path)
    autonad(
        "retrain", "--dataset", "dataset", "--search", "search", "--output", "model", *SCRATCH, cwd=tmp_path
    )
    autonad("evaluate", "--dataset", "dataset", "--model", "model", "--output", "evaluation", cwd=tmp_path)
    autonad(
        *("export", "--model", "model", "--dataset", "dataset", "--evaluation", "evaluation"),
        *("--output", "export", *SCRATCH),
        cwd=tmp_path,
    )

    reading = OnnxNetwork.open(tmp_path / "export" / "model.onnx").spec.reading
    assert reading is not None
    assert tuple(reading["integers"]) == (0, 4095)
    verdicts = []
    for source in ("camera/images", "dataset/images"):
        output = source.partition("/")[0] + "-found"
        autonad(
            *("detect", "--model", "export/model.onnx", "--source", source, "--output", output), cwd=tmp_path
        )
        with (tmp_path / output / "verdicts.csv").open() as file:
            verdicts.append({row["image"]: row["verdict"] for row in csv.DictReader(file)})
        for mask in (tmp_path / output / "masks").iterdir():
            np.testing.assert_array_equal(
                np.asarray(Image.open(mask)),
                np.asarray(Image.open(tmp_path / "camera-found/masks" / mask.name)),
            )
    assert verdicts[0] == verdicts[1]
