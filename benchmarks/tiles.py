"""Large images: what tiles change, and what they cost.

    python -m benchmarks.tiles --part same --folder runs/tiles
    python -m benchmarks.tiles --part small --folder runs/tiles
    python -m benchmarks.tiles --part memory --folder runs/tiles
    python -m benchmarks.tiles --part batch

`same`: a network learns tiles of 128 pixels of images of 384, another one images of 128. Both are evaluated
on whole images, on their nine pieces and on tiles at the same scale, with twice the overlap, and with tiles
that begin anywhere; a training goes on where it was cut off. `small`: images of 768 × 1024 with defects of a
few pixels, learnt squashed to the input and in the tiles that `input.tile: auto` chooses, in as many steps.
`memory`: the evaluation of one image of 4096 × 3000, whose peak is that of the whole process. `batch`:
processor time of a tile where ONNX Runtime takes several at once. Figures are of the test split, at the
images' own size.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
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
from autonad.evaluation.metrics import compute_metrics, confusion
from autonad.evaluation.paired import paired_difference
from autonad.evaluation.predict import evaluate_network, predict_one
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx
from autonad.space import SearchSpace
from autonad.training.checkpoint import Checkpoints
from autonad.training.inputs import detector_spec, evaluation_data, training_data
from autonad.training.loop import Task, train
from autonad.training.paths import TrainingPath
from autonad.training.world import ALONE

CLASSES = ("background", "crack", "blowhole")
DEFECT_SCALE = 64  # pixels; a crack is then 1.4 to 2.3 pixels thick


@dataclass(frozen=True)
class Seen:
    """What a network makes of a split: classes (N, h, w), confusion matrices (N, C, C)."""

    masks: np.ndarray
    matrices: np.ndarray


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


def trained(
    dataset: Dataset, spec: DetectorSpec, folder: Path, steps: int, class_balance: float = 0.5
) -> tuple[AutoNADNet, float]:
    """The smallest network of the space `small`, after about so many steps, and their seconds."""
    torch.manual_seed(0)
    network = AutoNADNet(SearchSpace.preset("small").smallest(), spec.num_classes)
    settings = RetrainConfig(augmentation="light", class_balance=class_balance)
    data = training_data(dataset, spec, settings, 0)
    epochs = max(1, round(steps * settings.batch_size / len(data.images)))
    settings = settings.model_copy(update={"epochs": epochs, "validate_every": max(1, epochs // 5)})
    validation = evaluation_data(dataset, spec, "val")

    def validate(module: torch.nn.Module) -> dict[str, float]:
        return {"val/miou": score(module, validation, classes=spec.classes, world=ALONE).miou}

    path = [TrainingPath(network)]
    task = Task(
        module=network, data=data, config=settings, seed=0, paths=lambda step: path, validate=validate
    )
    started = time.monotonic()
    train(
        task,
        Checkpoints(folder, {"steps": steps}),
        resume=True,
        log=lambda row, epoch: print(epoch, row, flush=True),
    )
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


def pieces(folder: Path, dataset: Dataset, side: int) -> Dataset:
    """The images of a dataset, cut into squares that share nothing; the splits stay."""
    splits: list[str] = []
    with DatasetWriter(folder, classes=CLASSES, replace=True) as writer:
        for row in dataset.manifest.itertuples():
            image, mask = dataset.read_image(row), dataset.read_mask(row)
            for top in range(0, image.shape[0], side):
                for left in range(0, image.shape[1], side):
                    part = np.s_[top : top + side, left : left + side]
                    name = f"{Path(str(row.image)).stem}_{top}_{left}"
                    writer.add(image[part].copy(), mask[part].copy(), name=name, group=str(row.group))
                    splits.append(str(row.split))
        writer.finish(lambda rows: pd.Series(splits), about={"format": "synthetic", "faults": []})
    return Dataset.open(folder)


def seen_as(network: AutoNADNet, dataset: Dataset, spec: DetectorSpec) -> Seen:
    """Classes of every test image, and their confusion matrices."""
    data, forward = evaluation_data(dataset, spec, "test"), forward_of(network)
    masks = [predict_one(forward, data, image, spec.num_classes) for image in range(len(data.rows))]
    truths = [dataset.read_mask(row) for row in data.rows.itertuples()]
    matrices = [confusion(truth, mask, spec.num_classes) for truth, mask in zip(truths, masks, strict=True)]
    return Seen(np.stack(masks), np.stack(matrices))


def same(folder: Path, steps: int) -> dict[str, Any]:
    """Whole images and tiles at one scale, of networks that learnt tiles, and images as large as a tile."""
    surfaces = synthesize(
        folder / "same",
        num_images=300,
        size=(384, 384),
        materials=("steel",),
        classes=CLASSES[1:],
        appearance=Appearance(contrast=1.5, size=0.4),
        seed=3,
        fractions=(0.5, 0.1, 0.4),
    )
    groups, found = list(surfaces.split("test")["group"]), dict[str, Any]()
    for learnt in ("tiles", "pieces"):
        dataset = surfaces if learnt == "tiles" else pieces(folder / "pieces", surfaces, 128)
        config = InputConfig(height=128, width=128, tile=128 if learnt == "tiles" else "none")
        spec = detector_spec(dataset, config)
        network, seconds = trained(dataset, spec, folder / f"same-{learnt}", steps, class_balance=0.25)
        specs = {
            "whole": replace(spec, height=384, width=384, tiles=None),
            "pieces": replace(spec, tiles=Tiling(128, 128, 0)),
            "tiles": replace(spec, tiles=Tiling(128, 128, 32, 32)),
            "twice the overlap": replace(spec, tiles=Tiling(128, 128, 64, 32)),
            "off the grid": replace(spec, tiles=Tiling(128, 128, 32)),
        }
        seen = {name: seen_as(network, surfaces, one) for name, one in specs.items()}
        for name, other in seen.items():
            share = (other.masks != seen["tiles"].masks).mean(axis=(1, 2))
            gain = paired_difference(seen["tiles"].matrices, other.matrices, groups)
            found[f"{learnt}: {name}"] = {
                "miou": compute_metrics(other.matrices.sum(0), CLASSES).miou,
                "changed_mean": share.mean(),
                "changed_worst": share.max(),
                "tiles_gain": None if gain is None else gain.to_dict(),
            }
        found[f"{learnt}: seconds"] = seconds
    return found


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


def batch(folder: Path, steps: int) -> dict[str, Any]:
    """Processor milliseconds of a tile in ONNX Runtime, by tiles per call; the network is not trained."""
    del folder, steps
    found = {}
    for side, count in ((128, 32), (256, 16), (512, 8)):
        network = AutoNADNet(SearchSpace.preset("small").smallest(), len(CLASSES)).eval()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        content = module_to_onnx(network, (1, 3, side, side), dynamic_batch=True)
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        images = np.random.default_rng(0).normal(size=(count, 3, side, side)).astype(np.float32)
        times: dict[int, list[float]] = {1: [], 2: [], 4: [], 8: []}
        for _ in range(5):
            for size, taken in times.items():
                started = time.process_time()
                for first in range(0, count, size):
                    session.run(None, {"image": images[first : first + size]})
                taken.append(1000 * (time.process_time() - started) / count)
        found[f"tiles of {side}"] = {size: min(taken) for size, taken in times.items()}
    return found


def main() -> None:
    """Print a table and one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("same", "small", "memory", "batch"), required=True)
    parser.add_argument("--folder", type=Path, default=Path("runs/tiles"))
    parser.add_argument("--steps", type=int, default=400, help="of each training, about")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    parts = {"same": same, "small": small, "memory": memory, "batch": batch}
    found = parts[options.part](options.folder, options.steps)
    for name, row in found.items():
        if isinstance(row, dict) and "miou" in row:
            beside = {key: value for key, value in row.items() if key in ("misses", "changed_mean")}
            print(f"{name:<28}{100 * row['miou']:7.2f} % mIoU {beside}")
    facts = {"part": options.part, "steps": options.steps, "load": os.getloadavg()[0]}
    print(json.dumps({**facts, **found}, default=float))


if __name__ == "__main__":
    main()
