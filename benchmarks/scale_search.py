"""One search of made-up networks, 100 in each generation, with its journal; see `scale.py`.

Nothing is evaluated but a formula, so that what is measured is the search itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

from autonad.config import SearchConfig
from autonad.search import Evaluation, Nsga2, evolve
from autonad.search.goals import Goal
from autonad.search.progress import generation_metrics
from autonad.storage.journal import Journal
from benchmarks.landscape import SPACE, Landscape
from benchmarks.search_goals import pricing


def main() -> None:
    generations, path = int(sys.argv[1]), Path(sys.argv[2])
    land = Landscape(0)
    settings = SearchConfig(population=100, generations=generations)
    goals = [Goal(0, budget) for budget in (1.2, 3.0, 8.0)]
    search = Nsga2(SPACE, settings=settings, goals=goals, pricing=pricing(land), seed=0)
    journal = Journal(path)
    journal.begin({})
    evolve(
        search,
        lambda one: Evaluation(one, land.miou(one), land.latency_ms(one)),
        keep=journal.append,
        finished=lambda: print(generation_metrics(search), flush=True),
    )


if __name__ == "__main__":
    main()
