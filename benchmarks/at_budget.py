"""Networks at a latency budget: what a searched one is compared with."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from autonad.config import SearchConfig
from autonad.data.loader import SegmentationData
from autonad.detector.spec import DetectorSpec
from autonad.errors import SearchError
from autonad.evaluation.inherited import score
from autonad.evaluation.result import Size
from autonad.network import SuperNet
from autonad.network.peak_memory import count_parameters, peak_activations_mib
from autonad.search import Evaluation, evolve
from autonad.search.finalists import Learn, choose, varied
from autonad.search.goals import Goal, Pricing
from autonad.search.nsga2 import Nsga2
from autonad.search.ranking import Ranking
from autonad.search.strata import samples_between
from autonad.space import Architecture, SearchSpace
from autonad.space.architecture import Block, Stage, edge_names
from autonad.training.world import ALONE

BELOW = 0.1  # random networks lie at most this share below the budget
MAX_DRAWS = 200_000
# Channels of the hand-made network's stages and decoder, at width 1, and blocks of each stage.
HAND_WIDTHS, HAND_DECODER, HAND_DEPTHS = (16, 32, 64, 96), 32, (2, 1)
WIDTHS = tuple(step / 8 for step in range(25))

Latency = Callable[[Architecture], float]
"""Predicted milliseconds of a network."""


def budgets_over_range(space: SearchSpace, latency: Latency, shares: Sequence[float]) -> list[float]:
    """Budgets in ms at shares of the logarithmic range from the space's smallest network to its largest."""
    fastest, slowest = latency(space.smallest()), latency(space.largest())
    return [float(f"{fastest * (slowest / fastest) ** share:.3g}") for share in shares]


def random_below(
    space: SearchSpace, latency: Latency, budget_ms: float, count: int, seed: int
) -> list[Architecture]:
    """Uniform samples of the space among those within `BELOW` under the budget.

    Raises:
        SearchError: There are too few.
    """
    low, rng = (1 - BELOW) * budget_ms, np.random.default_rng([seed, 99])
    found = samples_between(space, latency, (low, budget_ms), count=count, draws=MAX_DRAWS, rng=rng)
    if len(found) < count:
        raise SearchError(
            f"{MAX_DRAWS:,} samples hold {len(found)} networks from {low:.3g} to {budget_ms:.3g} ms, {count} "
            "are wanted; choose a budget farther from the ends of the range"
        )
    return found


def hand_made(space: SearchSpace, width: float, depth: int, scale: float) -> Architecture:
    """A plain encoder and decoder of 3×3 convolutions whose channels are all multiplied by `width`.

    It has the strides, operators and pyramid of four sizes that most networks of this kind have; widths,
    ratios and depths are the nearest that the space has, so that it can inherit weights.
    """

    def nearest(choices: Sequence[float], wanted: float) -> float:
        return min(choices, key=lambda choice: abs(choice - wanted))

    stages = []
    for choices, channels in zip(space.stages, HAND_WIDTHS, strict=True):
        block = Block("convolution", nearest(choices.ffn_ratios, 2.0), 3)
        blocks = (block,) * int(nearest(choices.depths, depth))
        stages.append(Stage(int(nearest(choices.widths, width * channels)), blocks))
    return Architecture(
        stages=tuple(stages),
        edges=("conv3x3",) * len(edge_names(len(stages))),
        pools=(1, 2, 3, 6),
        head_width=space.head_width,
        mfam_width=int(nearest(space.mfam_widths, width * HAND_DECODER)),
        scale=scale,
    )


def widest_hand_made(space: SearchSpace, latency: Latency, budget_ms: float) -> Architecture:
    """The hand-made network at the largest width that keeps the budget.

    Where none does, it gets a smaller input, then fewer blocks.

    Raises:
        SearchError: None keeps the budget even so.
    """
    for depth, scale in itertools.product(HAND_DEPTHS, sorted(space.scales, reverse=True)):
        family = [hand_made(space, width, depth, scale) for width in WIDTHS]
        fitting = [one for one in family if latency(one) <= budget_ms]
        if fitting:
            return fitting[-1]
    raise SearchError(f"no hand-made network keeps {budget_ms:.3g} ms; choose a larger budget")


class Inherited:
    """Inherited mIoU on the validation split; each architecture is evaluated once, also after a kill.

    Args:
        net: The supernet, in evaluation mode.
        validation: The split that judges.
        spec: Classes and input.
        latency: Predicts latencies.
        path: File that remembers, a JSON line per architecture.
        size: At which size pixels are counted.
    """

    def __init__(
        self,
        net: SuperNet,
        validation: SegmentationData,
        spec: DetectorSpec,
        latency: Latency,
        path: Path,
        *,
        size: Size = "input",
    ) -> None:
        self.net, self.validation, self.spec, self.latency, self.path = net, validation, spec, latency, path
        self.size = size
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
        self._known: dict[str, float] = {row["key"]: row["miou"] for row in rows}

    def __call__(self, architecture: Architecture) -> Evaluation:
        """Evaluate, or remember."""
        key = architecture.key
        if key not in self._known:
            forward = partial(self.net, architecture=architecture)
            found = score(forward, self.validation, classes=self.spec.classes, world=ALONE, size=self.size)
            miou = found.miou
            with self.path.open("a") as file:
                file.write(json.dumps({"key": key, "miou": miou}) + "\n")
            self._known[key] = miou
        return Evaluation(architecture, self._known[key], self.latency(architecture))


def searched(
    evaluate: Inherited, settings: SearchConfig, budgets_ms: Sequence[float], seed: int, learn: Learn
) -> tuple[list[Architecture], int]:
    """The search's winner for every budget, from one set of evaluations; and how many these were."""
    spec = evaluate.spec
    pricing = Pricing(
        (evaluate.latency,),
        lambda one: count_parameters(one, spec.num_classes),
        lambda one: peak_activations_mib(one, spec.num_classes, spec.size),
    )
    goals = [Goal(0, budget) for budget in budgets_ms]
    search = Nsga2(evaluate.net.space, settings=settings, goals=goals, pricing=pricing, seed=seed)
    evolve(search, evaluate, keep=lambda entry: None, finished=lambda: None)
    return [
        _best_learner(search.finalists(None, goal), search.ranking(goal), settings, learn) for goal in goals
    ], len(search.table())


def random_search(
    evaluate: Inherited,
    settings: SearchConfig,
    budgets_ms: Sequence[float],
    evaluations: int,
    seed: int,
    learn: Learn,
) -> list[Architecture]:
    """The best of as many random networks for every budget, whose finalists learn as the search's do.

    Networks are uniform samples that keep a budget, budgets in turn.
    """
    rng, found = np.random.default_rng([seed, 98]), []
    for number in range(evaluations):
        budget = budgets_ms[number % len(budgets_ms)]
        drawn = next(
            (
                one
                for one in (evaluate.net.space.sample(rng) for _ in range(MAX_DRAWS))
                if evaluate.latency(one) <= budget
            ),
            None,
        )
        if drawn is None:
            raise SearchError(
                f"{MAX_DRAWS:,} samples hold no network of {budget:.3g} ms; choose a larger budget"
            )
        found.append(evaluate(drawn))
    rankings = [Ranking(0.0, budget) for budget in budgets_ms]
    return [_best_learner(ranking.sort(found), ranking, settings, learn) for ranking in rankings]


def _best_learner(
    ranked: Sequence[Evaluation], ranking: Ranking, settings: SearchConfig, learn: Learn
) -> Architecture:
    """As `autonad search` chooses where it cannot measure."""
    order = varied(ranked, settings.finalists, ranking)
    winner, _ = choose(order, None, ranking, count=settings.finalists, learn=learn)
    return winner.architecture
