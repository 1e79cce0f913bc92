"""Is the searched architecture better than others of its space?

Compares it with the space's smallest, its largest and some random architectures. Each starts from its own
inherited weights and is retrained for the same minutes; all are scored on groups never seen. With --folds K
everything, the supernet included, is repeated for K grouped folds and scored on all images; without, on the
dataset's own split.

Resumable: what is finished in --output is not repeated. Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from folds import k_folds, read_matrices

from autonad import steps
from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.data.dataset import UNLABELLED, Dataset
from autonad.detector.spec import DetectorSpec
from autonad.evaluation.bootstrap import bootstrap_values
from autonad.evaluation.metrics import compute_metrics
from autonad.files import read_json, write_atomic, write_json
from autonad.latency.table import LatencyTable
from autonad.network import AutoNADNet, SuperNet
from autonad.space import Architecture
from autonad.steps.step import seed_everything
from autonad.training.checkpoint import save_weights
from autonad.training.distillation import taught
from autonad.training.folders import load_architecture, load_supernet
from autonad.training.inputs import training_data
from autonad.training.losses import make_criterion
from autonad.training.optimizer import make_optimizer
from autonad.training.paths import TrainingPath, backward


def main() -> None:
    options = arguments()
    config = load_config(options.params, options.set or ())
    everything = run(config, options)
    missing = [
        str(place)
        for places in everything.values()
        for place in places
        if not (place / "metrics.json").is_file()
    ]
    if missing:
        print(
            f"{len(missing)} evaluations are still to be made by another process, the first is {missing[0]}"
        )
        return
    classes = Dataset.open(options.dataset).classes
    rows = summarise(everything, classes, config.evaluate.resamples)
    print(pd.DataFrame(rows["architectures"]).to_string(index=False))
    print(
        json.dumps(
            {"benchmark": "searched", "dataset": options.dataset.name, "minutes": options.minutes, **rows}
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--target", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=0, help="grouped folds; 0: the dataset's own split")
    parser.add_argument(
        "--supernet", type=Path, help="supernet folder to use instead of training one (no folds)"
    )
    parser.add_argument("--initial", type=Path, help="supernet folder that every fold's supernet starts from")
    parser.add_argument("--latency", type=Path, help="latency folder to use instead of profiling")
    parser.add_argument("--search", type=Path, help="search folder to use instead of searching (no folds)")
    parser.add_argument("--minutes", type=float, default=3.0, help="retraining of each architecture")
    parser.add_argument("--randoms", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1, help="retrainings of each architecture")
    parser.add_argument(
        "--only-folds", type=int, nargs="*", help="work on these folds, leaving the others to another process"
    )
    parser.add_argument(
        "--only", nargs="*", help="retrain these architectures, leaving the others to another process"
    )
    parser.add_argument("--params", type=Path)
    parser.add_argument("--set", action="append")
    options = parser.parse_args()
    if options.folds and (options.supernet or options.search):
        parser.error("with --folds every fold needs a supernet and a search of its own")
    return options


def run(config: Config, options: argparse.Namespace) -> dict[str, list[Path]]:
    """Train, search and retrain in every fold; architecture name → its evaluation folder per fold."""
    console = Console(lambda line: print(line, flush=True), progress())
    latency = options.latency or options.output / "latency"
    found: dict[str, list[Path]] = {}
    for fold, dataset in enumerate(folds(options.dataset, options.output, options.folds, config.seed)):
        folder = options.output / f"fold{fold}"
        if options.only_folds is not None and fold not in options.only_folds:
            for name in names(options.randoms):
                found.setdefault(name, []).extend(
                    place / "evaluation" for place in places(folder, name, options.seeds)
                )
            continue
        supernet, search = options.supernet or folder / "supernet", options.search or folder / "search"
        if not (supernet / "supernet.json").is_file():
            steps.train_supernet(
                Context(config, console=console),
                dataset=dataset,
                output=supernet,
                initial=options.initial,
                resume=True,
            )
        if not (latency / "table.parquet").is_file():
            num_classes = Dataset.open(dataset).num_classes
            steps.profile_latency(
                Context(config, console=console),
                target=options.target,
                output=latency,
                num_classes=num_classes,
            )
        if not (search / "search.json").is_file():
            steps.search(
                Context(config, console=console),
                dataset=dataset,
                supernet=supernet,
                latency=latency,
                output=search,
                resume=True,
            )
        net, spec, _ = load_supernet(supernet)
        for name, architecture in candidates(net, search, options.randoms, config.seed).items():
            epochs: int | None = None
            for number, place in enumerate(places(folder, name, options.seeds)):
                found.setdefault(name, []).append(place / "evaluation")
                done = (place / "evaluation" / "metrics.json").is_file()
                if done or (options.only is not None and name not in options.only):
                    continue
                print(f"fold {fold}, {name}, seed {config.seed + number}: {architecture.key}", flush=True)
                inherit(net, spec, architecture, place)
                epochs = epochs or epochs_for(config, dataset, architecture, spec, options.minutes)
                settings = config.model_copy(
                    update={
                        "seed": config.seed + number,
                        "retrain": config.retrain.model_copy(
                            update={"epochs": epochs, "validate_every": max(1, epochs // 8)}
                        ),
                    }
                )
                started = time.monotonic()
                steps.retrain(
                    Context(settings, console=console), dataset=dataset, search=place, output=place / "model"
                )
                seconds = time.monotonic() - started
                table = LatencyTable.load(latency / "table.parquet")
                parameters = AutoNADNet(architecture, spec.num_classes).num_parameters
                write_json(
                    place / "figures.json",
                    {
                        "key": architecture.key,
                        "parameters": parameters,
                        "epochs": epochs,
                        "seconds": seconds,
                        "predicted_ms": table.predict(architecture),
                    },
                )
                steps.evaluate(
                    Context(config), dataset=dataset, model=place / "model", output=place / "evaluation"
                )
    return found


def progress() -> Any:
    """Plain lines, at most one in twenty seconds."""
    last = 0.0

    def advance(done: int, total: int, text: str) -> None:
        nonlocal last
        if time.monotonic() - last > 20 or done >= total:
            last = time.monotonic()
            print(f"   {done}/{total}  {text}", flush=True)

    return advance


def folds(dataset: Path, output: Path, count: int, seed: int) -> list[Path]:
    """The dataset itself, or copies of its manifest with another split; the files are linked."""
    if not count:
        return [dataset]
    manifest = Dataset.open(dataset).manifest
    manifest = manifest[manifest["split"] != UNLABELLED].reset_index(drop=True)
    paths = []
    for fold, (train, val, test) in enumerate(k_folds(manifest, count, seed)):
        path = output / f"fold{fold}" / "dataset"
        if not (path / "manifest.parquet").is_file():
            path.mkdir(parents=True, exist_ok=True)
            for name in ("images", "masks", "classes.json"):
                if not (path / name).exists():
                    (path / name).symlink_to((dataset / name).resolve())
            table = manifest.copy()
            for split, rows in (("train", train), ("val", val), ("test", test)):
                table.iloc[rows, table.columns.get_loc("split")] = split  # type: ignore[index]
            write_atomic(
                path / "manifest.parquet", lambda file, table=table: table.to_parquet(file, index=False)
            )
        paths.append(path)
    return paths


def names(randoms: int) -> list[str]:
    return ["searched", "smallest", "largest", *(f"random{i + 1}" for i in range(randoms))]


def places(folder: Path, name: str, seeds: int) -> list[Path]:
    """A folder per retraining of an architecture; the first has its name alone."""
    return [folder / name, *(folder / f"{name}-seed{number}" for number in range(1, seeds))]


def candidates(net: SuperNet, search: Path, randoms: int, seed: int) -> dict[str, Architecture]:
    rng = np.random.default_rng([seed, 99])
    searched = load_architecture(search / "architecture.json")
    drawn = [net.space.sample(rng) for _ in range(randoms)]
    return dict(
        zip(names(randoms), (searched, net.space.smallest(), net.space.largest(), *drawn), strict=True)
    )


def inherit(net: SuperNet, spec: DetectorSpec, architecture: Architecture, folder: Path) -> None:
    """What `retrain` reads of a search folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "architecture.json").write_text(architecture.to_json())
    save_weights(folder / "inherited.safetensors", net.extract(architecture).state_dict())
    write_json(folder / "search.json", {"spec": spec.to_dict()})


def epochs_for(
    config: Config, dataset: Path, architecture: Architecture, spec: DetectorSpec, minutes: float
) -> int:
    """Epochs of retraining that fit the minutes, validation counted as a tenth.

    The fastest of some steps counts, in processor time where that is shorter (one thread), so that what else
    the machine does has little influence.
    """
    seed_everything(config.seed, config.threads)
    settings = config.retrain.resolved()
    data = training_data(Dataset.open(dataset), spec, settings, 0)
    network = AutoNADNet(architecture, spec.num_classes)
    optimizer = make_optimizer(network, settings)
    criterion = make_criterion(cross_entropy=settings.cross_entropy, dice=settings.dice)
    loss_of = taught(criterion, share=0, temperature=1)
    durations = []
    for step in range(12):
        started, busy = time.monotonic(), time.process_time()
        start = step * settings.batch_size
        indices = [i % len(data.images) for i in range(start, start + settings.batch_size)]
        images, labels = (torch.from_numpy(part) for part in data.images.batch(indices, 0))
        optimizer.zero_grad()
        backward([TrainingPath(network)], images, labels, loss_of, settings.precision)
        optimizer.step()
        durations.append(min(time.monotonic() - started, time.process_time() - busy))
    shown = len(data.images) if data.repeats is None else float(data.repeats.sum())
    epoch_seconds = min(durations) * shown / settings.batch_size
    return max(1, int(0.9 * 60 * minutes / epoch_seconds))


def summarise(found: dict[str, list[Path]], classes: tuple[str, ...], resamples: int) -> dict[str, Any]:
    """Figures over all folds, and how much better the searched one is than the mean of the others."""
    values, rows, matrices, groups = {}, [], {}, []
    for name, evaluations in found.items():
        files = [place / "per_image.parquet" for place in evaluations]
        matrices[name] = np.concatenate([read_matrices(file, len(classes)) for file in files])
        groups = [group for file in files for group in pd.read_parquet(file)["group"]]
        figures = [read_json(place.parent / "figures.json", "the figures") for place in evaluations]
        metrics = compute_metrics(matrices[name].sum(0), classes)
        values[name] = bootstrap_values(matrices[name], groups, resamples=resamples)
        low, high = np.nanquantile(values[name], [0.025, 0.975])
        rows.append(
            {
                "architecture": name,
                "parameters": int(np.mean([f["parameters"] for f in figures])),
                "predicted_ms": round(float(np.mean([f["predicted_ms"] for f in figures])), 2),
                "seconds": round(float(np.mean([f["seconds"] for f in figures]))),
                "miou": round(metrics.miou, 4),
                "low": round(float(low), 4),
                "high": round(float(high), 4),
                "mf1": round(metrics.mf1, 4),
                **{f"iou/{c.name}": None if c.iou is None else round(c.iou, 3) for c in metrics.classes},
            }
        )
    others = [name for name in values if name != "searched"]
    difference = values["searched"] - np.mean([values[name] for name in others], axis=0)
    whole = {row["architecture"]: row["miou"] for row in rows}
    low, high = np.nanquantile(difference, [0.025, 0.975])
    return {
        "architectures": rows,
        "difference": round(whole["searched"] - float(np.mean([whole[name] for name in others])), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "groups": len(set(groups)),
        "scored": len(groups),
    }


if __name__ == "__main__":
    main()
