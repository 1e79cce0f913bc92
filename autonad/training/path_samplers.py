"""Which paths of the supernet a step trains, and which of them have a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autonad.config import SupernetConfig
from autonad.space import Architecture, SearchSpace


@dataclass(frozen=True)
class SampledPath:
    """An architecture that a step trains.

    Attributes:
        architecture: The path.
        taught: Whether it learns from the step's first path too.
    """

    architecture: Architecture
    taught: bool = False


# Paths of a step. They depend on its number and the steps of the whole run alone, so that a resumed run, and
# every process of several, draws the same.
PathSampler = Callable[[int, float], list[SampledPath]]


def make_sampler(space: SearchSpace, settings: SupernetConfig, seed: int) -> PathSampler:
    """The sampler that the settings name.

    Args:
        space: What to draw from.
        settings: `sampler` and what belongs to it.
        seed: Seed of the run.

    Returns:
        A function of the steps done before this one and those of the whole run.
    """

    def sample(step: int, total: float) -> list[SampledPath]:
        growth_steps = settings.growth * total
        if settings.sampler == "sandwich" and step >= growth_steps:
            return sandwich(space, seed, step, settings.sandwich_paths)
        return [SampledPath(sample_path(space, seed, step, growth_steps))]

    return sample


def sample_path(space: SearchSpace, seed: int, step: int, growth_steps: float = 0.0) -> Architecture:
    """The path of one step (single path, uniform sampling: Guo et al. 2019), after a time of growth.

    Uniform paths of a large space hardly repeat, so that at first each undoes what the last one did; where
    defects are rare the supernet then learns to predict none (docs/decisions/0014). During the first
    `growth_steps` a gene is drawn only with a probability that rises from 0 to 1, and is the smallest
    architecture's otherwise: one network learns to see defects, and the space grows around it.

    Args:
        space: What to draw from.
        seed: Seed of the run.
        step: Steps done before this one.
        growth_steps: Steps until all paths are equally likely; 0 begins there.
    """
    rng = np.random.default_rng([seed, step, 1])
    drawn = space.sample(rng)
    if step >= growth_steps:
        return drawn
    return space.crossover(drawn, space.smallest(), rng, share=step / growth_steps)


def sandwich(space: SearchSpace, seed: int, step: int, randoms: int) -> list[SampledPath]:
    """The largest path, which learns from labels; the smallest and random ones, which it teaches.

    The sandwich rule with in-place distillation (Yu and Huang 2019; BigNAS: Yu et al. 2020).

    Args:
        space: What to draw from.
        seed: Seed of the run.
        step: Steps done before this one.
        randoms: Random paths beside the two extremes.
    """
    rng = np.random.default_rng([seed, step, 1])
    taught = [space.smallest(), *(space.sample(rng) for _ in range(randoms))]
    return [
        SampledPath(space.largest()),
        *(SampledPath(architecture, taught=True) for architecture in taught),
    ]


def fixed_panel(space: SearchSpace, size: int, seed: int) -> list[Architecture]:
    """Architectures whose inherited mIoU is followed during training: the two extremes and random ones."""
    rng = np.random.default_rng([seed, 2])
    drawn = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(size))]
    return drawn[: max(1, size)]
