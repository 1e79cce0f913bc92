import numpy as np
import pytest

from autonad.errors import SearchError
from autonad.search.strata import samples_between, stratified
from autonad.space import Architecture, SearchSpace

SPACE = SearchSpace.preset("tiny")


def blocks(architecture: Architecture) -> float:
    return architecture.num_blocks + sum(stage.width for stage in architecture.stages) / 1000


def test_the_whole_range_is_covered_in_even_quantiles() -> None:
    chosen = stratified(SPACE, blocks, count=9, sample=400, seed=0)
    latencies = [one.cost for one in chosen]
    rng = np.random.default_rng([0, 7])
    everything = sorted(
        map(blocks, [SPACE.smallest(), SPACE.largest(), *(SPACE.sample(rng) for _ in range(400))])
    )
    assert latencies[0] == everything[0]
    assert latencies[-1] == everything[-1]
    assert latencies == sorted(latencies)
    for share, latency in zip(np.linspace(0, 1, 9), latencies, strict=True):
        assert abs(np.searchsorted(everything, latency) / len(everything) - share) < 0.1
    assert len({one.architecture.key for one in chosen}) == 9


def test_the_seed_decides() -> None:
    one, same, other = (stratified(SPACE, blocks, count=6, sample=50, seed=s) for s in (0, 0, 1))
    assert one == same != other


def test_too_few_architectures_are_refused() -> None:
    class Narrow(SearchSpace):
        def sample(self, *_: object) -> Architecture:  # type: ignore[override]
            return self.smallest()

    narrow = Narrow(**{name: getattr(SPACE, name) for name in SPACE.__dataclass_fields__})
    with pytest.raises(SearchError, match="holds 2 different architectures"):
        stratified(narrow, blocks, count=6, sample=50, seed=0)


def test_samples_between_cost_what_they_shall_and_are_different() -> None:
    def between(count: int, bounds: tuple[float, float] = (8.0, 9.5)) -> list[Architecture]:
        rng = np.random.default_rng(3)
        return samples_between(SPACE, blocks, bounds, count=count, draws=500, rng=rng)

    found = between(5)
    assert len({one.key for one in found}) == 5
    assert all(8 <= blocks(one) <= 9.5 for one in found)
    assert between(3) == found[:3]
    assert between(0) == between(-2) == between(4, (0.0, 0.001)) == []
