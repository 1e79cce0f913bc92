"""What a search finds per evaluation, on made-up landscapes where the truth is known.

Compares, at three budgets: random networks within the budget, Algorithm 1, NSGA-II for each budget alone, and
one NSGA-II for three budgets and two devices. Prints a table of true mIoU, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
from functools import cache

import numpy as np

from autonad.config import SearchConfig
from autonad.search import AskTell, Evaluation, Evolution, Nsga2
from autonad.search.constrained import Constrained
from autonad.search.goals import Goal, Limits, Pricing
from autonad.space import Architecture
from benchmarks.landscape import SPACE, Landscape


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=8, help="landscapes")
    parser.add_argument("--budgets", type=float, nargs="+", default=[1.2, 3.0, 8.0], help="ms")
    options = parser.parse_args()
    budgets = tuple(options.budgets)
    found = {
        name: np.array([compare(Landscape(seed), budgets, seed) for seed in range(options.seeds)])
        for name, compare in METHODS.items()
    }
    print(f"{'true mIoU, %':<24}" + "".join(f"{budget:>9g} ms" for budget in budgets))
    for name, mious in found.items():
        print(f"{name:<24}" + "".join(f"{100 * miou:>12.2f}" for miou in np.nanmean(mious, axis=0)))
    print(json.dumps({name: np.nanmean(mious, axis=0).round(5).tolist() for name, mious in found.items()}))


def chance(land: Landscape, budgets: tuple[float, ...], seed: int) -> list[float]:
    """The best of as many random networks within each budget as a search evaluates."""
    settings, rng = SearchConfig(), np.random.default_rng(seed)
    constrained = Constrained(SPACE, pricing(land), Limits(), rng)
    best = []
    for budget in budgets:
        goal = Goal(0, budget)
        drawn = [
            constrained.draw(lambda: SPACE.sample(rng), goal)
            for _ in range(settings.population * settings.generations)
        ]
        best.append(land.true_miou(max(drawn, key=land.miou)))
    return best


def algorithm1(land: Landscape, budgets: tuple[float, ...], seed: int) -> list[float]:
    """Algorithm 1 once per budget; NaN where it found nothing within."""
    best = []
    for budget in budgets:
        settings = SearchConfig(algorithm="algorithm1", latency_budget_ms=budget)
        found = driven(Evolution(SPACE, settings=settings, seed=seed), land).best
        best.append(land.true_miou(found.architecture) if found.latency_ms <= budget else float("nan"))
    return best


def alone(land: Landscape, budgets: tuple[float, ...], seed: int) -> list[float]:
    """NSGA-II once per budget."""
    return [together(land, (budget,), seed, devices=1)[0] for budget in budgets]


def together(land: Landscape, budgets: tuple[float, ...], seed: int, devices: int = 2) -> list[float]:
    """One NSGA-II for all budgets and devices; what it found for the first device."""
    goals = [Goal(device, budget) for device in range(devices) for budget in budgets]
    search = Nsga2(SPACE, settings=SearchConfig(), goals=goals, pricing=pricing(land), seed=seed)
    driven(search, land)
    return [land.true_miou(search.finalists(1, goal)[0].architecture) for goal in goals[: len(budgets)]]


def driven(search: AskTell, land: Landscape) -> AskTell:
    """A search, run to its end."""
    while not search.done:
        search.tell([Evaluation(one, land.miou(one), land.latency_ms(one)) for one in search.ask()])
    return search


def pricing(land: Landscape) -> Pricing:
    """Latencies on both devices; sizes are not limited here."""

    def slower(architecture: Architecture) -> float:
        return land.latency_ms(architecture, device=1)

    return Pricing((cache(land.latency_ms), cache(slower)), lambda _: 0, lambda _: 0.0)


METHODS = {
    "chance": chance,
    "Algorithm 1": algorithm1,
    "NSGA-II, a budget": alone,
    "NSGA-II, six goals": together,
}

if __name__ == "__main__":
    main()
