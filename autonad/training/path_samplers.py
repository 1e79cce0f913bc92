"""Which paths of the supernet a step trains, and which of them have a teacher."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autonad.config import SupernetConfig
from autonad.space import Architecture, SearchSpace
from autonad.space.fair import FairTurns


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
    """The sampler that the settings name, after a time of growth.

    - uniform: one random path per step (single path, uniform sampling: Guo et al. 2019);
    - fair: one path per step, in which every choice of every gene takes its turn (`FairTurns`);
    - sandwich: every so many steps the largest path learns from the labels and teaches the smallest and
      random ones (Yu and Huang 2019; BigNAS: Yu et al. 2020); a random path in the steps between.

    Args:
        space: What to draw from.
        settings: `sampler` and what belongs to it.
        seed: Seed of the run.

    Returns:
        A function of the steps done before this one and those of the whole run.
    """
    fair = FairTurns(space, seed) if settings.sampler == "fair" else None

    def sample(step: int, total: float) -> list[SampledPath]:
        rng, growth_steps = np.random.default_rng([seed, step, 1]), settings.growth * total
        drawn = space.sample(rng) if fair is None else fair.architecture(step)
        if step < growth_steps:
            return [SampledPath(grown(space, drawn, step / growth_steps, rng))]
        if settings.sampler != "sandwich" or step % settings.sandwich_every:
            return [SampledPath(drawn)]
        taught = [space.smallest(), drawn, *(space.sample(rng) for _ in range(settings.sandwich_paths - 1))]
        return [SampledPath(space.largest()), *(SampledPath(path, taught=True) for path in taught)]

    return sample


def grown(space: SearchSpace, drawn: Architecture, share: float, rng: np.random.Generator) -> Architecture:
    """A path of the time of growth: a gene is the drawn one's with a probability, else the smallest one's.

    Uniform paths of a large space hardly repeat, so that at first each undoes what the last one did; where
    defects are rare the supernet then learns to predict none (docs/decisions/0014). So one network learns to
    see defects first, and the space grows around it.

    Args:
        space: What both belong to.
        drawn: A path of the whole space.
        share: The probability, which rises from 0 to 1.
        rng: Source of randomness.
    """
    return space.crossover(drawn, space.smallest(), rng, share=share)


def fixed_panel(space: SearchSpace, size: int, seed: int) -> list[Architecture]:
    """Architectures whose inherited mIoU is followed during training: the two extremes and random ones."""
    rng = np.random.default_rng([seed, 2])
    drawn = [space.smallest(), space.largest(), *(space.sample(rng) for _ in range(size))]
    return drawn[: max(1, size)]
