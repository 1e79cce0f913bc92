import itertools

import numpy as np
import pytest

from autonad.latency.pack import calibration_networks, reference_network
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.stratified import rough_cost, spread_out
from autonad.space import SearchSpace


def test_networks_cover_the_range_of_costs_in_even_steps(rng: np.random.Generator) -> None:
    space = SearchSpace.preset("edge")
    costs = [rough_cost(one) for one in spread_out(space, 16, rng)]
    assert costs == sorted(costs)
    assert costs[-1] > 100 * costs[0]
    steps = [after / before for before, after in itertools.pairwise(costs)]
    assert max(steps) < 3 * (costs[-1] / costs[0]) ** (1 / 15)


@pytest.mark.parametrize("preset", ["tiny", "small", "edge"])
def test_calibration_holds_both_extremes_and_the_reference_lies_between(preset: str) -> None:
    space, settings = SearchSpace.preset(preset), ProfileSettings(networks=8)
    networks = calibration_networks(space, settings)
    assert len(networks) == 8
    assert (networks[0], networks[-1]) == (space.smallest(), space.largest())
    reference = reference_network(space, settings)
    assert rough_cost(networks[0]) < rough_cost(reference) < rough_cost(networks[-1])
    assert networks == calibration_networks(space, settings)
    assert calibration_networks(space, settings.model_copy(update={"networks": 0})) == []
    assert reference_network(space, settings.model_copy(update={"networks": 0})) == space.smallest()


def test_every_gene_that_costs_makes_the_rough_cost_higher() -> None:
    space = SearchSpace.preset("edge")
    assert rough_cost(space.largest()) > 300 * rough_cost(space.smallest())
