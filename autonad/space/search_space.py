"""A search space that is drawn from: sampling, mutation and crossover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonad.space.architecture import EDGES, Architecture, Block, EdgeOperator, Stage
from autonad.space.choices import UNIFORM, Mixer, SamplingPrior, T, draw
from autonad.space.description import SpaceDescription


@dataclass(frozen=True)
class SearchSpace(SpaceDescription):
    """The set of all architectures that a search may return; see `SpaceDescription` for its attributes."""

    def sample(self, rng: np.random.Generator, prior: SamplingPrior = UNIFORM) -> Architecture:
        """Draw an architecture: every gene uniformly, operators by `prior` where it speaks.

        Uniform over operators means that each *operator* is equally likely; its kernels share its
        probability.
        """
        return Architecture(
            stages=tuple(
                Stage(
                    draw(rng, choices.widths),
                    tuple(
                        self._block(rng, prior, index, position)
                        for position in range(draw(rng, choices.depths))
                    ),
                )
                for index, choices in enumerate(self.stages)
            ),
            edges=tuple(self._edge(rng, prior, edge) for edge in EDGES),
            pools=tuple(draw(rng, sides) for sides in self.pool_sizes),
            head_width=self.head_width,
            mfam_width=self.mfam_width,
        )

    def mutate(
        self,
        architecture: Architecture,
        rng: np.random.Generator,
        rate: float = 0.2,
        prior: SamplingPrior = UNIFORM,
    ) -> Architecture:
        """Change every gene with probability `rate` to another of its values (Algorithm 1, line 10).

        A stage that grows receives freshly drawn blocks; one that shrinks loses its last blocks.

        Args:
            architecture: The parent; it is not changed.
            rng: Source of randomness.
            rate: Probability per gene, p_m.
            prior: Biases the operators that are drawn.
        """

        def other(value: T, choices: Sequence[T]) -> T:
            rest = [choice for choice in choices if choice != value]
            return draw(rng, rest) if rest and rng.random() < rate else value

        def block(value: Block, index: int, position: int) -> Block:
            mixer = Mixer(value.operator, value.kernel)
            if rng.random() < rate:
                mixer = self._mixer(rng, prior, index, position, without=mixer)
            return Block(mixer.operator, other(value.ffn_ratio, self.stages[index].ffn_ratios), mixer.kernel)

        stages = []
        for index, (stage, choices) in enumerate(zip(architecture.stages, self.stages, strict=True)):
            width, depth = other(stage.width, choices.widths), other(len(stage.blocks), choices.depths)
            kept = [block(value, index, position) for position, value in enumerate(stage.blocks[:depth])]
            grown = [self._block(rng, prior, index, position) for position in range(len(kept), depth)]
            stages.append(Stage(width, (*kept, *grown)))
        edges = tuple(
            self._edge(rng, prior, edge, without=operator) if rng.random() < rate else operator
            for edge, operator in zip(EDGES, architecture.edges, strict=True)
        )
        pools = tuple(
            other(side, sides) for side, sides in zip(architecture.pools, self.pool_sizes, strict=True)
        )
        return replace(architecture, stages=tuple(stages), edges=edges, pools=pools)

    def crossover(
        self, first: Architecture, second: Architecture, rng: np.random.Generator, share: float = 0.5
    ) -> Architecture:
        """Take every gene from either parent (Algorithm 1, line 13).

        The depth of a stage is a gene too; a block that only one parent has comes from that parent.

        Each comes from the first with probability `share`.
        """

        def either(a: T, b: T) -> T:
            return a if rng.random() < share else b

        stages = []
        for one, two in zip(first.stages, second.stages, strict=True):
            blocks = []
            for position in range(either(len(one.blocks), len(two.blocks))):
                owners = [stage.blocks[position] for stage in (one, two) if position < len(stage.blocks)]
                mixer, ratio = either(owners[0], owners[-1]), either(owners[0], owners[-1]).ffn_ratio
                blocks.append(Block(mixer.operator, ratio, mixer.kernel))
            stages.append(Stage(either(one.width, two.width), tuple(blocks)))
        return replace(
            first,
            stages=tuple(stages),
            edges=tuple(either(a, b) for a, b in zip(first.edges, second.edges, strict=True)),
            pools=tuple(either(a, b) for a, b in zip(first.pools, second.pools, strict=True)),
        )

    def _block(self, rng: np.random.Generator, prior: SamplingPrior, index: int, position: int) -> Block:
        mixer = self._mixer(rng, prior, index, position)
        return Block(mixer.operator, draw(rng, self.stages[index].ffn_ratios), mixer.kernel)

    def _mixer(
        self,
        rng: np.random.Generator,
        prior: SamplingPrior,
        index: int,
        position: int,
        without: Mixer | None = None,
    ) -> Mixer:
        mixers = [mixer for mixer in self.mixers if mixer != without] or list(self.mixers)
        per_operator = {"convolution": 1.0 / max(1, len(self.kernels))}
        given = prior.blocks.get((index, position), {})
        return draw(
            rng,
            mixers,
            [given.get(m.name, 0.0) if given else per_operator.get(m.operator, 1.0) for m in mixers],
        )

    def _edge(
        self, rng: np.random.Generator, prior: SamplingPrior, edge: str, without: EdgeOperator | None = None
    ) -> EdgeOperator:
        operators = [name for name in self.edge_operators if name != without] or list(self.edge_operators)
        given = prior.edges.get(edge, {})
        return draw(rng, operators, [given.get(name, 0.0) if given else 1.0 for name in operators])
