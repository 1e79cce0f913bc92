"""Which sampler trains the better supernet in equal processor minutes?

Trains a supernet per sampler and seed for as many epochs as so many minutes of processor time of one thread
hold, then scores architectures from the whole range of FLOPs on the validation split with inherited weights.
Judging takes none of the minutes.

A sampler is written as NAME or NAME:key=value,key=value with keys of section `train_supernet`, for example
sandwich:growth=0,teacher_share=0.5.

Resumable: each run that is finished is one line of --output, and is not repeated; several processes may
share it, each with its seeds. Prints a table of the runs that are there.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from autonad.config import Config, load_config
from autonad.data.dataset import Dataset
from autonad.data.loader import SegmentationData
from autonad.detector.spec import DetectorSpec
from autonad.evaluation.inherited import score
from autonad.network import SuperNet
from autonad.network.flops import architecture_flops
from autonad.search.strata import Placed, stratified
from autonad.space import Architecture
from autonad.training.folders import load_supernet
from autonad.training.inputs import evaluation_data
from autonad.training.world import ALONE
from benchmarks.equal_minutes import trained_supernet

PANEL = 14  # architectures that are scored, the two extremes among them


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    for seed in options.seeds:
        for sampler in options.samplers:
            if not any(row["sampler"] == sampler and row["seed"] == seed for row in mine(options)):
                row = run(options, sampler, seed)
                with options.output.open("a") as handle:
                    handle.write(json.dumps(row) + "\n")
    report(mine(options))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="file of one JSON line per run; it grows")
    parser.add_argument("--minutes", type=float, default=3.0, help="processor time of each training")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--samplers", nargs="*", default=["uniform", "fair", "sandwich"])
    parser.add_argument("--params", type=Path)
    parser.add_argument("--set", action="append")
    return parser.parse_args()


def mine(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Finished runs of the same dataset, space, input and minutes."""
    lines = options.output.read_text().splitlines() if options.output.is_file() else []
    config = load_config(options.params, options.set or ())
    same = {
        "dataset": options.dataset.name,
        "preset": config.space.preset,
        "input": list(config.input.size),
        "minutes": options.minutes,
    }
    rows = [json.loads(line) for line in lines]
    return [row for row in rows if all(row[name] == value for name, value in same.items())]


def settings_of(options: argparse.Namespace, sampler: str) -> Config:
    """The configuration with a sampler and its settings."""
    name, _, keys = sampler.partition(":")
    pairs = [f"train_supernet.{pair}" for pair in keys.split(",") if pair]
    return load_config(options.params, [*(options.set or ()), f"train_supernet.sampler={name}", *pairs])


def run(options: argparse.Namespace, sampler: str, seed: int) -> dict[str, Any]:
    """Train and judge one supernet."""
    config = settings_of(options, sampler).model_copy(update={"seed": seed})
    source = Dataset.open(options.dataset)
    with tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
        supernet, spec = trained_supernet(source, config, options.minutes, Path(folder))
        epochs = load_supernet(Path(folder))[2]["epochs"]
    judged = judge(supernet, evaluation_data(source, spec, "val"), spec)
    mious = [row["miou"] for row in judged]
    return {
        "sampler": sampler,
        "seed": seed,
        "dataset": options.dataset.name,
        "preset": config.space.preset,
        "input": list(config.input.size),
        "minutes": options.minutes,
        "epochs": epochs,
        "mean": float(np.mean(mious)),
        "top": float(np.mean(sorted(mious)[-math.ceil(len(mious) / 4) :])),
        "smallest": mious[0],
        "largest": mious[-1],
        "judged": judged,
    }


def judge(net: SuperNet, validation: SegmentationData, spec: DetectorSpec) -> list[dict[str, Any]]:
    """Inherited mIoU of the panel."""
    return [
        {
            "key": architecture.key,
            "megaflops": round(flops / 1e6),
            "miou": score(
                partial(net, architecture=architecture), validation, classes=spec.classes, world=ALONE
            ).miou,
        }
        for architecture, flops in panel(net, spec)
    ]


def panel(net: SuperNet, spec: DetectorSpec) -> list[Placed]:
    """Architectures from the whole range of FLOPs; the first and the last are the space's extremes."""

    def flops(architecture: Architecture) -> float:
        return architecture_flops(architecture, net.num_classes, spec.size)

    return stratified(net.space, flops, count=PANEL, sample=5 * PANEL, seed=99)


def report(rows: list[dict[str, Any]]) -> None:
    """Means over seeds, in percent, with their spread."""
    table = pd.DataFrame(rows)
    if table.empty:
        return
    figures = ["mean", "top", "smallest", "largest"]
    table[figures] *= 100
    means = table.groupby("sampler")[[*figures, "epochs"]].mean()
    means["spread"] = table.groupby("sampler")["mean"].std()
    means["seeds"] = table.groupby("sampler").size()
    print(means.sort_values("mean", ascending=False).round(1).to_string())


if __name__ == "__main__":
    main()
