"""Do the networks that a search returned keep their budgets when they are measured again?

    python -m benchmarks.measured_again --search runs/search --target targets/line.json

Measures every network that the search returned for one of the targets, several times in turn, and prints its
median beside the budget, the prediction and what the search measured. Latency does not depend on weights, so
that the architecture is enough. Nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import numpy as np

from autonad.files import read_json
from autonad.latency.measure import network_run, quiet, time_calls
from autonad.latency.target import Target
from autonad.network import AutoNADNet
from autonad.training.folders import load_architecture, load_search_spec

TOLERANCE = 0.03  # above the budget


def main() -> None:
    options = arguments()
    targets = {target.name: target for target in map(Target.load, options.target)}
    search = read_json(options.search / "search.json", "the search")
    rows = [one for one in search["variants"] if one["target"] in targets]
    networks = [options.search / one["folder"] / "architecture.json" for one in rows]
    spec = load_search_spec(options.search)
    runs = []
    for row, path in zip(rows, networks, strict=True):
        network = AutoNADNet(load_architecture(path), spec.num_classes).eval()
        runs.append(network_run(network, targets[row["target"]], (1, 3, *spec.size)))
    visits: list[list[float]] = [[] for _ in rows]
    for _ in range(options.visits):
        for row, run, found in zip(rows, runs, visits, strict=True):
            with quiet(targets[row["target"]]):
                found.append(float(np.median(time_calls(run, warmup=10, repeats=options.repeats))))
    print("| network for | budget, ms | predicted | measured by the search | measured again | above budget |")
    print("|" + " --- |" * 6)
    kept = 0
    for row, found in zip(rows, visits, strict=True):
        again, budget = float(np.median(found)), row["latency_budget_ms"]
        above = again / budget - 1
        kept += above <= TOLERANCE
        figures = (budget, row["predicted_ms"], row["measured_ms"], again)
        cells = [row["name"], *("" if ms is None else f"{ms:.3g}" for ms in figures), f"{100 * above:+.1f} %"]
        print("| " + " | ".join(cells) + " |")
    print(
        json.dumps(
            {
                "benchmark": "measured_again",
                "kept": kept,
                "of": len(rows),
                "visits_ms": visits,
                "load": os.getloadavg()[0],
            }
        )
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--search", type=Path, required=True, help="search folder with a budget for each")
    parser.add_argument("--target", type=Path, required=True, action="append", help="target file; repeatable")
    parser.add_argument("--visits", type=int, default=7, help="times that each network is measured")
    parser.add_argument("--repeats", type=int, default=50, help="timed calls of each")
    return parser.parse_args()


if __name__ == "__main__":
    main()
