"""Does a teacher help in retraining, in equal processor minutes?

Retrains architectures of a supernet, stratified by cost, from their inherited weights: plainly, and with the
supernet's largest path as their teacher, for so many minutes of processor time of one thread each, teacher's
forward passes included. Scored on the test split at input size.

Resumable: each run that is finished is one line of --output, and is not repeated. Prints a table, and the
mean difference with its standard error over architectures and seeds.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from autonad.config import Config, load_config
from autonad.data.dataset import Dataset
from autonad.detector.spec import DetectorSpec
from autonad.evaluation.inherited import score
from autonad.network import SuperNet
from autonad.space import Architecture
from autonad.steps.step import seed_everything
from autonad.training.folders import load_supernet
from autonad.training.inputs import check_classes, evaluation_data
from autonad.training.teacher import load_teacher
from autonad.training.world import ALONE
from benchmarks.equal_minutes import retraining, train_within
from benchmarks.supernet_training import panel


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    config, source = load_config(options.params, options.set or ()), Dataset.open(options.dataset)
    net, spec, _ = load_supernet(options.supernet)
    check_classes(source, spec, "the supernet")
    middle = panel(net, spec)[1:-1]
    places = [(2 * index + 1) * len(middle) // (2 * options.count) for index in range(options.count)]
    for seed in range(options.seeds):
        for architecture, _ in (middle[place] for place in places):
            for teacher in ("none", "supernet-largest"):
                what = {"key": architecture.key, "seed": seed, "teacher": teacher, "minutes": options.minutes}
                if not any(what.items() <= row.items() for row in rows(options.output)):
                    found = what | run(options, config, source, net, spec, architecture, seed, teacher)
                    with options.output.open("a") as handle:
                        handle.write(json.dumps(found) + "\n")
    report([row for row in rows(options.output) if row["minutes"] == options.minutes])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--supernet", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True, help="file of one JSON line per run; it grows")
    parser.add_argument("--minutes", type=float, default=2.0, help="processor time of each retraining")
    parser.add_argument("--count", type=int, default=3, help="architectures")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--params", type=Path)
    parser.add_argument("--set", action="append")
    return parser.parse_args()


def rows(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.read_text().splitlines()] if output.is_file() else []


def run(
    options: argparse.Namespace,
    config: Config,
    source: Dataset,
    net: SuperNet,
    spec: DetectorSpec,
    architecture: Architecture,
    seed: int,
    teacher: str,
) -> dict[str, Any]:
    """Retrain once and score."""
    seed_everything(seed, 1)
    settings = config.retrain.resolved().model_copy(update={"teacher": teacher})
    told_by = load_teacher(settings, options.supernet, spec)
    network = net.extract(architecture)
    with tempfile.TemporaryDirectory(dir=options.output.parent) as folder:
        progress = train_within(
            options.minutes,
            partial(retraining, network, source, spec, config, seed, teacher=told_by),
            settings,
            Path(folder) / "training",
            [architecture.key, seed, teacher],
        )
    test = evaluation_data(source, spec, "test")
    metrics = score(network.eval(), test, classes=spec.classes, world=ALONE)
    return {"epochs": progress.epoch, "parameters": network.num_parameters, "miou": metrics.miou}


def report(found: list[dict[str, Any]]) -> None:
    """MIoU in percent, and what the teacher adds."""
    table = pd.DataFrame(found)
    table["miou"] *= 100
    wide = table.pivot_table(index=["parameters", "seed"], columns="teacher", values="miou").dropna()
    print(wide.groupby("parameters").mean().round(1).to_string())
    gain = wide["supernet-largest"] - wide["none"]
    print(f"the teacher adds {gain.mean():+.2f} ± {gain.sem():.2f} points over {len(gain)} pairs")


if __name__ == "__main__":
    main()
