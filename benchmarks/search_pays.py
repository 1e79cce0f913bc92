"""Does the search pay? The searched network against others of its latency, at three budgets.

    python -m benchmarks.search_pays --dataset data/neu --target targets/line.json --output runs/pays

Per grouped split a supernet is trained, and the search finds a network for every budget, which lies at a
share of the logarithmic range from the space's smallest network to its largest. Beside it stand random
networks at most a tenth below the budget, the best of as many random evaluations, and a plain network made
by hand, as wide as the budget allows. All are retrained for equal processor minutes of one thread, from
inherited weights and from random ones, and scored at native size on test images never seen. Intervals
resample whole groups and seeds, in pairs.

Resumable: whatever lies finished in --output is not repeated, and --splits, --seeds and --starts may grow;
other options need another folder. Prints a table in markdown and one JSON line; `runs.jsonl` in the folder
has a line per retraining. --quick decides in about half an hour of one core.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autonad import steps
from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.data.dataset import Dataset
from autonad.files import read_json, write_json
from autonad.latency.table import LatencyTable
from autonad.space import Architecture
from autonad.training.inputs import evaluation_data
from benchmarks.at_budget import (
    Inherited,
    Latency,
    budgets_over_range,
    random_below,
    random_search,
    searched,
    widest_hand_made,
)
from benchmarks.begun import go_on
from benchmarks.equal_minutes import trained_supernet
from benchmarks.inherited_ranking import ranking, sentence
from benchmarks.paired_intervals import Score, points
from benchmarks.retrained import Place, Runs, Start, native_matrices
from benchmarks.split_seeds import split_datasets

SHARES = (0.1, 0.35, 0.7)
# At most so much of everything, for --quick; weights are then inherited alone.
QUICK = {"splits": 1, "seeds": 1, "randoms": 3, "minutes": 0.6, "supernet_minutes": 8.0}
QUICK_SEARCH = ("search.population=12", "search.generations=5")


@dataclass(frozen=True)
class Contenders:
    """The networks of one split.

    Attributes:
        place: Where they are retrained.
        networks: For every budget: name → architecture; the random ones are `random1`, `random2` and so on.
        evaluations: Of the search, for all budgets together.
    """

    place: Place
    networks: list[dict[str, Architecture]]
    evaluations: int


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    config = configured(options)
    go_on(
        options.output,
        config,
        options.latency,
        dataset=Dataset.open(options.dataset).fingerprint,
        randoms=options.randoms,
        supernet_minutes=options.supernet_minutes,
    )
    latency = latency_of(options, config)
    found = [
        contenders(name, folder, latency, options, config)
        for name, folder in split_datasets(
            options.dataset, options.output / "datasets", options.splits
        ).items()
    ]
    runs = Runs(options.output, options.minutes)
    budgets = budgets_over_range(found[0].place.net.space, latency, SHARES)
    rows = [
        compared(runs, found, index, budget, start, options.seeds)
        for start in options.starts
        for index, budget in enumerate(budgets)
    ]
    steepness = [inherited_lead(found, index) for index in range(len(budgets))]
    print(table(rows))
    print("inherited, above the smallest network: " + "; ".join(map(points, steepness)))
    rankings = [
        ranking(runs, one.place, one.networks, start, options.seeds)
        for start in options.starts
        for one in found
    ]
    for one in rankings:
        print(sentence(one))
    facts: dict[str, Any] = {
        "benchmark": "search_pays",
        "dataset": options.dataset.name,
        "minutes": options.minutes,
    }
    facts |= {"inherited_leads": steepness, "rankings": rankings}
    print(json.dumps({**facts, "evaluations": [one.evaluations for one in found], "rows": rows}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--target", type=Path, help="target file of this machine, to be profiled first")
    given.add_argument("--latency", type=Path, help="latency folder to use instead")
    parser.add_argument("--splits", type=int, default=3, help="split seeds; 0: the dataset's own split")
    parser.add_argument("--seeds", type=int, default=3, help="retrainings of each network")
    parser.add_argument("--randoms", type=int, default=8, help="random networks per budget")
    parser.add_argument("--minutes", type=float, default=4.0, help="processor time of each retraining")
    parser.add_argument("--supernet-minutes", type=float, default=25.0, help="the same of each supernet")
    parser.add_argument(
        "--starts", nargs="*", choices=("inherited", "scratch"), default=["inherited", "scratch"]
    )
    parser.add_argument("--quick", action="store_true", help=f"at most {QUICK}, inherited weights")
    parser.add_argument("--params", type=Path)
    parser.add_argument("--set", action="append")
    options = parser.parse_args()
    if options.quick:
        for name, most in QUICK.items():
            setattr(options, name, min(most, getattr(options, name)))
        options.starts = ["inherited"]
    return options


def configured(options: argparse.Namespace) -> Config:
    """The configuration: one thread, and a smaller search with --quick."""
    quick = QUICK_SEARCH if getattr(options, "quick", False) else ()
    return load_config(options.params, ["space.preset=edge", "threads=1", *quick, *(options.set or ())])


def latency_of(options: argparse.Namespace, config: Config) -> Latency:
    """Predictions of the latency folder that is given, or that is measured first."""
    folder = options.latency or options.output / "latency"
    if not (folder / "table.parquet").is_file():
        classes = Dataset.open(options.dataset).num_classes
        steps.profile_latency(Context(config), target=options.target, output=folder, num_classes=classes)
    return LatencyTable.load(folder / "table.parquet").predict


def contenders(
    name: str, folder: Path, latency: Latency, options: argparse.Namespace, config: Config
) -> Contenders:
    """Train the supernet of a split, search, and draw the others."""
    dataset, output = Dataset.open(folder), options.output / name
    output.mkdir(parents=True, exist_ok=True)
    net, spec = trained_supernet(dataset, config, options.supernet_minutes, output / "supernet")
    place, kept = Place(name, dataset, net, spec, config), output / "contenders.json"
    if not kept.is_file():
        budgets = budgets_over_range(net.space, latency, SHARES)
        validation = evaluation_data(dataset, spec, "val")
        evaluate = Inherited(
            net, validation, spec, latency, output / "evaluated.jsonl", size=config.search.score_at
        )
        learn = place.learn(output / "learning")
        winners, evaluations = searched(evaluate, config.search, budgets, config.seed, learn)
        lucky = random_search(evaluate, config.search, budgets, evaluations, config.seed, learn)
        drawn = [
            {
                "searched": winner,
                "random search": best,
                "hand-made": widest_hand_made(net.space, latency, budget),
                **numbered(random_below(net.space, latency, budget, options.randoms, config.seed)),
            }
            for budget, winner, best in zip(budgets, winners, lucky, strict=True)
        ]
        networks = [{one: network.to_dict() for one, network in each.items()} for each in drawn]
        write_json(kept, {"evaluations": evaluations, "budgets_ms": budgets, "networks": networks})
    data = read_json(kept, "the contenders")
    read = [
        {one: Architecture.from_dict(network) for one, network in each.items()} for each in data["networks"]
    ]
    return Contenders(place, read, data["evaluations"])


def numbered(networks: Sequence[Architecture]) -> dict[str, Architecture]:
    return {f"random{number}": network for number, network in enumerate(networks, 1)}


def compared(
    runs: Runs, found: Sequence[Contenders], index: int, budget_ms: float, start: Start, seeds: int
) -> dict[str, Any]:
    """Retrain all networks of a budget and compare the searched one with the others."""
    names = list(found[0].networks[index])
    groups = [one.place.groups for one in found]
    scores = {}
    for name in names:
        matrices = [
            np.stack(
                [runs.matrices(one.place, one.networks[index][name], start, seed) for seed in range(seeds)]
            )
            for one in found
        ]
        scores[name] = Score.of(matrices, groups)
    random = Score.mean([score for name, score in scores.items() if name.removeprefix("random").isdigit()])
    others = {"random": random, "random search": scores["random search"], "hand-made": scores["hand-made"]}
    return {
        "start": start,
        "budget_ms": budget_ms,
        "searched": 100 * scores["searched"].value,
        **{name: 100 * score.value for name, score in others.items()},
        "gains": {name: scores["searched"].minus(score) for name, score in others.items()},
    }


def inherited_lead(found: Sequence[Contenders], index: int) -> tuple[float, float, float]:
    """Lead of the searched network over the smallest with inherited weights, points of test mIoU."""
    groups, scores = [one.place.groups for one in found], []
    for choose in (lambda one: one.networks[index]["searched"], lambda one: one.place.net.space.smallest()):
        networks = [one.place.net.extract(choose(one)) for one in found]
        pairs = zip(networks, found, strict=True)
        matrices = [native_matrices(network, one.place)[None] for network, one in pairs]
        scores.append(Score.of(matrices, groups))
    return scores[0].minus(scores[1])


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown for docs/results.md."""
    head = [
        "weights",
        "budget, ms",
        "searched, %",
        "minus mean of random",
        "minus random search",
        "minus hand-made",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        gains = [points(row["gains"][name]) for name in ("random", "random search", "hand-made")]
        cells = [row["start"], f"{row['budget_ms']:g}", f"{row['searched']:.1f}", *gains]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
