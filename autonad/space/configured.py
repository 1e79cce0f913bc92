"""The search space that params.yaml asks for, for images of a size."""

from __future__ import annotations

from dataclasses import replace

from autonad.config.design_sections import SpaceConfig
from autonad.errors import ConfigError
from autonad.space.architecture import MIN_SIDE
from autonad.space.search_space import SearchSpace


def configured_space(config: SpaceConfig, input_size: tuple[int, int]) -> SearchSpace:
    """The preset, with the operators and input scales that are wanted.

    A scale at which a network would see less than `MIN_SIDE` pixels is left out, unless it was asked for.

    Args:
        config: Section `space`.
        input_size: (height, width), pixels.

    Raises:
        ConfigError: No such preset, operators or scales that it lacks, or a scale that leaves too little.
    """
    space = SearchSpace.preset(config.preset, config.operators)
    if config.scales is not None:
        unknown = [scale for scale in config.scales if scale not in space.scales]
        if unknown:
            raise ConfigError(
                f"space.scales holds {', '.join(f'{scale:g}' for scale in unknown)}; the preset "
                f"{config.preset!r} has {', '.join(f'{scale:g}' for scale in space.scales)}"
            )
    fitting = tuple(scale for scale in space.scales if round(min(input_size) * scale) >= MIN_SIDE)
    scales = fitting if config.scales is None else config.scales
    small = [scale for scale in scales if scale not in fitting]
    if small or not scales:
        worst, side = min(small, default=max(space.scales)), min(input_size)
        raise ConfigError(
            f"the input scale {worst:g} leaves {side * worst:g} of {side} pixels, and a network needs "
            f"{MIN_SIDE}; leave it out of space.scales, or raise input.height and input.width"
        )
    return replace(space, scales=tuple(sorted(set(scales))))
