"""A search space that is drawn from: sampling, mutation and crossover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from autonad.space.architecture import EDGES, Architecture, Block, EdgeOperator, Stage, edge_names
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
        stages = tuple(self._stage(rng, prior, index) for index in range(len(self.stages)))
        edges = {edge: self._edge(rng, prior, edge) for edge in EDGES}
        pools = tuple(draw(rng, sides) for sides in self.pool_sizes)
        count = draw(rng, self.stage_counts)
        return Architecture(
            stages=stages[:count],
            edges=tuple(edges[name] for name in edge_names(count)),
            pools=pools,
            head_width=self.head_width,
            mfam_width=draw(rng, self.mfam_widths),
            scale=draw(rng, self.scales),
            stem_stride=draw(rng, self.stem_strides),
        )

    def mutate(
        self,
        architecture: Architecture,
        rng: np.random.Generator,
        rate: float = 0.2,
        prior: SamplingPrior = UNIFORM,
    ) -> Architecture:
        """Change every gene with probability `rate` to another of its values (Algorithm 1, line 10).

        A stage that grows receives freshly drawn blocks, one that shrinks loses its last blocks; so do the
        stages of a network, with their edges.

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
        for index, (stage, choices) in enumerate(zip(architecture.stages, self.stages, strict=False)):
            width, depth = other(stage.width, choices.widths), other(len(stage.blocks), choices.depths)
            kept = [block(value, index, position) for position, value in enumerate(stage.blocks[:depth])]
            grown = [self._block(rng, prior, index, position) for position in range(len(kept), depth)]
            stages.append(Stage(width, (*kept, *grown)))
        edges = {
            edge: self._edge(rng, prior, edge, without=operator) if rng.random() < rate else operator
            for edge, operator in architecture.edge_items()
        }
        pools = tuple(
            other(side, sides) for side, sides in zip(architecture.pools, self.pool_sizes, strict=True)
        )
        count = other(len(stages), self.stage_counts)
        stages += [self._stage(rng, prior, index) for index in range(len(stages), count)]
        names = edge_names(count)
        edges |= {edge: self._edge(rng, prior, edge) for edge in names if edge not in edges}
        return replace(
            architecture,
            stages=tuple(stages[:count]),
            edges=tuple(edges[name] for name in names),
            pools=pools,
            mfam_width=other(architecture.mfam_width, self.mfam_widths),
            scale=other(architecture.scale, self.scales),
            stem_stride=other(architecture.stem_stride, self.stem_strides),
        )

    def crossover(
        self, first: Architecture, second: Architecture, rng: np.random.Generator, share: float = 0.5
    ) -> Architecture:
        """Take every gene from either parent (Algorithm 1, line 13).

        The depth of a stage and the number of stages are genes too; a block, a stage or an edge that only one
        parent has comes from that parent.

        Each comes from the first with probability `share`.
        """

        def either(a: T, b: T) -> T:
            return a if rng.random() < share else b

        def agreed(a: T, b: T) -> T:
            """Genes that most spaces do not search cost no draw where the parents agree."""
            return a if a == b else either(a, b)

        stages = []
        for one, two in zip(first.stages, second.stages, strict=False):
            blocks = []
            for position in range(either(len(one.blocks), len(two.blocks))):
                owners = [stage.blocks[position] for stage in (one, two) if position < len(stage.blocks)]
                mixer, ratio = either(owners[0], owners[-1]), either(owners[0], owners[-1]).ffn_ratio
                blocks.append(Block(mixer.operator, ratio, mixer.kernel))
            stages.append(Stage(either(one.width, two.width), tuple(blocks)))
        longer = max(first, second, key=lambda parent: len(parent.stages))
        stages += longer.stages[len(stages) :]
        ours, theirs = dict(first.edge_items()), dict(second.edge_items())
        edges = {
            name: either(ours[name], theirs[name]) if name in ours and name in theirs else operator
            for name, operator in longer.edge_items()
        }
        pools = tuple(either(a, b) for a, b in zip(first.pools, second.pools, strict=True))
        count = agreed(len(first.stages), len(second.stages))
        return replace(
            first,
            stages=tuple(stages[:count]),
            edges=tuple(edges[name] for name in edge_names(count)),
            pools=pools,
            mfam_width=agreed(first.mfam_width, second.mfam_width),
            scale=agreed(first.scale, second.scale),
            stem_stride=agreed(first.stem_stride, second.stem_stride),
        )

    def _stage(self, rng: np.random.Generator, prior: SamplingPrior, index: int) -> Stage:
        choices = self.stages[index]
        width, depth = draw(rng, choices.widths), draw(rng, choices.depths)
        return Stage(width, tuple(self._block(rng, prior, index, position) for position in range(depth)))

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
