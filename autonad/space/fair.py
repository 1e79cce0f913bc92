"""Architectures in which every choice of every gene takes its turn (FairNAS: Chu et al. 2021)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from operator import lt

import numpy as np

from autonad.space.architecture import Architecture, Block, EdgeOperator, Stage, edge_names
from autonad.space.choices import T
from autonad.space.search_space import SearchSpace


class FairTurns:
    """An endless row of architectures; number n depends on the seed and n alone.

    A gene of n choices runs through all of them, in an order of its own, each n times that it is there; what
    only some architectures have (a block of a deep stage, a kernel of a convolution) counts those alone. So
    at any moment two choices of a gene differ by one turn at most.

    Args:
        space: What the choices are of.
        seed: Decides the orders.
    """

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self.space, self.seed = space, seed

    def architecture(self, number: int) -> Architecture:
        """Architecture `number`, from 0."""
        space, counts = self.space, self.space.stage_counts
        count = self._turn("stages", counts, number)
        return Architecture(
            stages=tuple(
                self._stage(index, self._times("stages", counts, number, partial(lt, index)))
                for index in range(count)
            ),
            edges=tuple(self._edge(name, number) for name in edge_names(count)),
            pools=tuple(
                self._turn(f"pool{index}", sides, number) for index, sides in enumerate(space.pool_sizes)
            ),
            head_width=space.head_width,
            mfam_width=self._turn("mfam_width", space.mfam_widths, number),
            scale=self._turn("scale", space.scales, number),
            stem_stride=self._turn("stem_stride", space.stem_strides, number),
        )

    def _edge(self, name: str, number: int) -> EdgeOperator:
        """An edge of architecture `number`."""
        counts = self.space.stage_counts
        shown = self._times("stages", counts, number, lambda count: name in edge_names(count))
        return self._turn(name, self.space.edge_operators, shown)

    def _stage(self, index: int, number: int) -> Stage:
        """A stage for the time `number` that it is there."""
        choices, place = self.space.stages[index], f"stage{index}"
        depth = self._turn(f"{place}.depth", choices.depths, number)
        blocks = []
        for position in range(depth):
            shown = self._times(f"{place}.depth", choices.depths, number, partial(lt, position))
            blocks.append(self._block(f"{place}.{position}", choices.ffn_ratios, shown))
        return Stage(self._turn(f"{place}.width", choices.widths, number), tuple(blocks))

    def _block(self, place: str, ffn_ratios: Sequence[float], number: int) -> Block:
        """A block for the time `number` that it is there."""
        operators, kernel = self.space.operators, None
        operator = self._turn(f"{place}.operator", operators, number)
        if operator == "convolution":
            times = self._times(f"{place}.operator", operators, number, lambda name: name == "convolution")
            kernel = self._turn(f"{place}.kernel", self.space.kernels, times)
        return Block(operator, self._turn(f"{place}.ffn_ratio", ffn_ratios, number), kernel)

    def _turn(self, place: str, choices: Sequence[T], number: int) -> T:
        """Whose turn it is at a place that was there `number` times before."""
        cycle, position = divmod(number, len(choices))
        return choices[_order(self.seed, place, cycle, len(choices))[position]]

    def _times(self, place: str, choices: Sequence[T], number: int, holds: Callable[[T], bool]) -> int:
        """How many of the first `number` turns of a place are such."""
        cycles, rest = divmod(number, len(choices))
        begun = [self._turn(place, choices, number - 1 - back) for back in range(rest)]
        return cycles * sum(map(holds, choices)) + sum(map(holds, begun))


@lru_cache(maxsize=4096)
def _order(seed: int, place: str, cycle: int, length: int) -> tuple[int, ...]:
    """The order of a place's choices in one cycle."""
    rng = np.random.default_rng([seed, zlib.crc32(place.encode()), cycle, 4])
    return tuple(rng.permutation(length).tolist())
