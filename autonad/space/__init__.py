"""What can be built: architectures as values, and the spaces that they are drawn from. No torch in here."""

from autonad.space.architecture import (
    EDGE_OPERATORS,
    EDGES,
    OPERATORS,
    Architecture,
    Block,
    EdgeOperator,
    Operator,
    Stage,
    edge_names,
)
from autonad.space.choices import UNIFORM, Mixer, SamplingPrior, StageSpace
from autonad.space.search_space import SearchSpace

__all__ = [
    "EDGES",
    "EDGE_OPERATORS",
    "OPERATORS",
    "UNIFORM",
    "Architecture",
    "Block",
    "EdgeOperator",
    "Mixer",
    "Operator",
    "SamplingPrior",
    "SearchSpace",
    "Stage",
    "StageSpace",
    "edge_names",
]
