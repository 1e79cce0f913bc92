"""Does the search pick what the data needs? Three problems, a winner of each, all retrained on all.

    python -m benchmarks.search_fits_data --target targets/line.json --output runs/fits

For every generated problem (see `benchmarks.problems`) a supernet is trained, and searched at one latency.
Each winner is then retrained on every problem for equal processor minutes, from the weights that it inherits
from that problem's supernet, and scored on its 2,000 test images. Printed are the genes in which winners
differ, and on every problem by how much its own winner is ahead of the others, with intervals that resample
images and seeds in pairs.

Resumable: whatever lies finished in --output is not repeated, and --seeds may grow; other options need
another folder.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonad.files import read_json, write_json
from autonad.space import Architecture
from autonad.training.inputs import evaluation_data
from benchmarks.at_budget import Inherited, Latency, budgets_over_range, searched
from benchmarks.begun import go_on
from benchmarks.equal_minutes import trained_supernet
from benchmarks.paired_intervals import Score, points
from benchmarks.problems import PROBLEMS, generate
from benchmarks.retrained import Place, Runs
from benchmarks.search_pays import configured, latency_of

# Generated images need no colour, blur or zoom to vary, and blur would take hairlines away.
AUGMENTATION = ("train_supernet.augmentation=light", "retrain.augmentation=light")


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    options.set = [*AUGMENTATION, *(options.set or ())]
    options.dataset = options.output / "datasets" / next(iter(PROBLEMS))
    config = configured(options)
    go_on(
        options.output,
        config,
        options.latency,
        share=options.share,
        supernet_minutes=options.supernet_minutes,
    )
    datasets = {name: generate(name, options.output / "datasets" / name) for name in PROBLEMS}
    latency = latency_of(options, config)
    places, winners = {}, {}
    for name, dataset in datasets.items():
        folder = options.output / name
        folder.mkdir(parents=True, exist_ok=True)
        net, spec = trained_supernet(dataset, config, options.supernet_minutes, folder / "supernet")
        places[name] = Place(name, dataset, net, spec, config)
        winners[name] = winner(places[name], latency, options.share, folder)
    runs = Runs(options.output, options.minutes)
    rows = [row for name in PROBLEMS for row in compared(runs, places[name], winners, name, options.seeds)]
    print(genes(winners, latency))
    print(table(rows))
    print(json.dumps({"benchmark": "search_fits_data", "minutes": options.minutes, "rows": rows}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--target", type=Path, help="target file of this machine, to be profiled first")
    given.add_argument("--latency", type=Path, help="latency folder to use instead")
    # Below the middle no network of `edge` keeps full resolution beyond its stem, which hairlines need.
    parser.add_argument("--share", type=float, default=0.5, help="of the latency's logarithmic range")
    parser.add_argument("--seeds", type=int, default=3, help="retrainings of each winner on each problem")
    parser.add_argument("--minutes", type=float, default=4.0, help="processor time of each retraining")
    parser.add_argument("--supernet-minutes", type=float, default=15.0, help="the same of each supernet")
    parser.add_argument("--params", type=Path)
    parser.add_argument("--set", action="append")
    return parser.parse_args()


def winner(place: Place, latency: Latency, share: float, folder: Path) -> Architecture:
    """What the search returns for a problem; kept in the folder."""
    kept = folder / "winner.json"
    if not kept.is_file():
        validation = evaluation_data(place.dataset, place.spec, "val")
        size = place.config.search.score_at
        evaluate = Inherited(
            place.net, validation, place.spec, latency, folder / "evaluated.jsonl", size=size
        )
        budgets = budgets_over_range(place.net.space, latency, [share])
        learn = place.learn(folder / "learning")
        found, _ = searched(evaluate, place.config.search, budgets, place.config.seed, learn)
        write_json(kept, found[0].to_dict())
    return Architecture.from_dict(read_json(kept, "the winner"))


def compared(
    runs: Runs, place: Place, winners: dict[str, Architecture], own: str, seeds: int
) -> list[dict[str, Any]]:
    """On one problem: its own winner's score, and its lead over each of the others."""
    scores = {}
    for name, network in winners.items():
        matrices = [runs.matrices(place, network, "inherited", seed) for seed in range(seeds)]
        scores[name] = Score.of([np.stack(matrices)], [place.groups])
    return [
        {
            "problem": own,
            "own": 100 * scores[own].value,
            "other": name,
            "others": 100 * scores[name].value,
            "lead": scores[own].minus(scores[name]),
        }
        for name in winners
        if name != own
    ]


def genes(winners: dict[str, Architecture], latency: Latency) -> str:
    """Markdown of what decides scale, context and cost, a row per winner."""
    head = [
        "winner of",
        "ms",
        "scale",
        "stem stride",
        "widths",
        "blocks",
        "operators",
        "decoder",
        "edges",
        "pools",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for name, network in winners.items():
        operators = Counter(block.operator for stage in network.stages for block in stage.blocks)
        cells = [
            name,
            f"{latency(network):.2f}",
            f"{network.scale:g}",
            str(network.stem_stride),
            ", ".join(str(stage.width) for stage in network.stages),
            ", ".join(str(len(stage.blocks)) for stage in network.stages),
            counted(operators),
            str(network.mfam_width),
            counted(Counter(network.edges)),
            ", ".join(map(str, network.pools)),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def counted(found: Counter[Any]) -> str:
    return ", ".join(f"{count} {name}" for name, count in found.most_common())


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown for docs/results.md."""
    lines = [
        "| problem | its winner, % | minus winner of | difference, points |",
        "| --- | --- | --- | --- |",
    ]
    for row in rows:
        lines.append(f"| {row['problem']} | {row['own']:.1f} | {row['other']} | {points(row['lead'])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
