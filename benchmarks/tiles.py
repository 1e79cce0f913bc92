"""Large images: what tiles change, and what they cost.

    python benchmarks/tiles.py --part same --folder runs/tiles
    python benchmarks/tiles.py --part small --folder runs/tiles
    python benchmarks/tiles.py --part memory --folder runs/tiles

`same`: a network learns tiles of 160 pixels of images of 384, and is evaluated on whole images and on tiles
at the same scale; then with twice the overlap. `small`: images of 768 × 1024 with defects of a few pixels,
learnt squashed to the input and in the tiles that `input.tile: auto` chooses, in as many steps. `memory`:
the evaluation of one image of 4096 × 3000, whose peak is that of the whole process. Figures are of the test
split, at the images' own size.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonad.config import RetrainConfig
from autonad.config.sections import InputConfig
from autonad.data.dataset import Dataset
from autonad.data.split import split_by_group
from autonad.data.synthetic.defects import draw_defect
from autonad.data.synthetic.generator import Appearance, synthesize
from autonad.data.synthetic.textures import surface
from autonad.data.tile_choice import describe_tiling
from autonad.data.writer import DatasetWriter
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Tiling
from autonad.evaluation.image_level import summarise_images
from autonad.evaluation.inherited import score
from autonad.evaluation.metrics import compute_metrics
from autonad.evaluation.predict import evaluate_network, predict_one
from autonad.network import AutoNADNet
from autonad.space import SearchSpace
from autonad.training.checkpoint import Checkpoints
from autonad.training.inputs import detector_spec, evaluation_data, training_data
from autonad.training.loop import Task, train
from autonad.training.paths import TrainingPath
from autonad.training.world import ALONE

CLASSES = ("background", "crack", "blowhole")
DEFECT_SCALE = 64  # pixels; a crack is then 1.4 to 2.3 pixels thick


def small_defects(
    folder: Path, parts: int, native: tuple[int, int], fractions: tuple[float, float, float]
) -> Dataset:
    """Large surfaces with a few small defects each, one image per part."""
    with DatasetWriter(folder, classes=CLASSES, replace=True) as writer:
        for part in range(parts):
            rng = np.random.default_rng([7, part])
            piece, labels = surface("steel", rng, native, grain=0.7), np.zeros(native, np.uint8)
            inside = (50, 50, native[0] - 50, native[1] - 50)
            for number in range(int(rng.integers(3, 7))):
                kind = CLASSES[1 + (part + number) % 2]
                piece, drawn = draw_defect(kind, piece, rng, inside=inside, scale=DEFECT_SCALE, contrast=1.5)
                labels[drawn] = CLASSES.index(kind)
            noisy = piece + 0.015 * rng.standard_normal(piece.shape, dtype=np.float32)
            image = np.clip(noisy * 255, 0, 255).astype(np.uint8)
            writer.add(image, labels, name=f"p{part:03d}", group=f"p{part:03d}")
        about = {"format": "synthetic", "faults": []}
        writer.finish(lambda rows: split_by_group(rows, fractions, 0), about=about)
    return Dataset.open(folder)


def trained(dataset: Dataset, spec: DetectorSpec, folder: Path, steps: int) -> tuple[AutoNADNet, float]:
    """The smallest network of the space `small`, after about so many steps, and their seconds."""
    torch.manual_seed(0)
    network = AutoNADNet(SearchSpace.preset("small").smallest(), spec.num_classes)
    settings = RetrainConfig(augmentation="light", class_balance=0.5)
    data = training_data(dataset, spec, settings, 0)
    epochs = max(1, round(steps * settings.batch_size / len(data.images)))
    settings = settings.model_copy(update={"epochs": epochs, "validate_every": max(1, epochs // 3)})
    validation = evaluation_data(dataset, spec, "val")

    def validate(module: torch.nn.Module) -> dict[str, float]:
        return {"val/miou": score(module, validation, classes=spec.classes, world=ALONE).miou}

    path = [TrainingPath(network)]
    task = Task(
        module=network, data=data, config=settings, seed=0, paths=lambda step: path, validate=validate
    )
    started = time.monotonic()
    train(task, Checkpoints(folder, {}), resume=False, log=lambda row, epoch: print(epoch, row, flush=True))
    return network.eval(), time.monotonic() - started


def forward_of(network: AutoNADNet) -> Any:
    """Images to logits, without gradients."""

    @torch.inference_mode()
    def forward(images: np.ndarray) -> torch.Tensor:
        return network(torch.from_numpy(images))

    return forward


def figures(network: AutoNADNet, dataset: Dataset, spec: DetectorSpec, split: str = "test") -> dict[str, Any]:
    """Of a split at native size: mIoU, IoU of each class, and images whose defects were missed."""
    data = evaluation_data(dataset, spec, split)
    started = time.monotonic()
    result = evaluate_network(forward_of(network), data, dataset, batch_size=8, num_classes=spec.num_classes)
    metrics = compute_metrics(result.native_matrices.sum(0), spec.classes)
    return {
        "input": list(spec.size),
        "tiles": describe_tiling(spec.tiles),
        "miou": metrics.miou,
        "classes": {entry.name: entry.iou for entry in metrics.classes},
        "misses": summarise_images(result.verdicts, spec.classes)["misses"],
        "seconds": time.monotonic() - started,
    }


def changed_pixels(
    network: AutoNADNet, dataset: Dataset, one: DetectorSpec, other: DetectorSpec
) -> list[float]:
    """Share of the pixels of each test image whose class differs."""
    datas = [evaluation_data(dataset, spec, "test") for spec in (one, other)]
    forward, shares = forward_of(network), []
    for image in range(len(datas[0].rows)):
        first, second = (predict_one(forward, data, image, one.num_classes) for data in datas)
        shares.append(float((first != second).mean()))
    return shares


def same(folder: Path, steps: int) -> dict[str, Any]:
    """Whole images and tiles at one scale."""
    dataset = synthesize(
        folder / "same",
        num_images=120,
        size=(384, 384),
        materials=("steel",),
        classes=CLASSES[1:],
        appearance=Appearance(contrast=1.5, size=0.4),
        seed=3,
    )
    spec = detector_spec(dataset, InputConfig(height=160, width=160, tile=160))
    network, seconds = trained(dataset, spec, folder / "same-training", steps)
    specs = {
        "whole": replace(spec, height=384, width=384, tiles=None),
        "tiles": spec,
        "twice the overlap": replace(spec, tiles=Tiling(160, 160, 80)),
    }
    found = {name: figures(network, dataset, one) for name, one in specs.items()}
    shares = changed_pixels(network, dataset, spec, specs["twice the overlap"])
    return {**found, "seconds": seconds, "changed_mean": np.mean(shares), "changed_worst": max(shares)}


def small(folder: Path, steps: int) -> dict[str, Any]:
    """Few-pixel defects, squashed and in tiles."""
    dataset = small_defects(folder / "small", 80, (768, 1024), (0.6, 0.15, 0.25))
    found: dict[str, Any] = {}
    for tile in ("none", "auto"):
        reasons: list[str] = []
        spec = detector_spec(dataset, InputConfig(height=128, width=128, tile=tile), reasons.append)
        network, seconds = trained(dataset, spec, folder / f"small-{tile}", steps)
        found[tile] = {**figures(network, dataset, spec), "why": reasons, "training_seconds": seconds}
    return found


def memory(folder: Path, steps: int) -> dict[str, Any]:
    """One image of 4096 × 3000 in tiles of 512; the network is not trained."""
    del steps
    dataset = small_defects(folder / "memory", 1, (3000, 4096), (1, 0, 0))
    config = InputConfig(height=512, width=512, tile=512)
    spec = detector_spec(dataset, config)
    network = AutoNADNet(SearchSpace.preset("small").smallest(), spec.num_classes).eval()
    found = figures(network, dataset, spec, "train")
    # Linux gives KiB; generating the image is in the peak as well.
    return {**found, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("same", "small", "memory"), required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/tiles"))
    parser.add_argument("--steps", type=int, default=400, help="of each training, about")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = {"same": same, "small": small, "memory": memory}
    found = parts[options.part](options.folder, options.steps)
    for name, row in found.items():
        if isinstance(row, dict) and "miou" in row:
            misses = row["misses"]
            print(f"{name:<20}{100 * row['miou']:7.2f} % mIoU, {misses['count']} of {misses['of']} missed")
    facts = {"part": options.part, "steps": options.steps, "load": os.getloadavg()[0]}
    print(json.dumps({**facts, **found}, default=float))


if __name__ == "__main__":
    main()
