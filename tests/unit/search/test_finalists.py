import numpy as np
import pytest

from autonad.errors import SearchError
from autonad.latency.target import Target
from autonad.search.finalists import choose, measurer
from autonad.search.ranking import Evaluation
from autonad.space import SearchSpace

SPACE = SearchSpace.preset("tiny")
RNG = np.random.default_rng(0)
FINALISTS = [Evaluation(SPACE.sample(RNG), miou, ms) for miou, ms in ((0.8, 6.0), (0.7, 4.0), (0.6, 3.0))]


def test_where_nothing_can_be_measured_the_prediction_decides() -> None:
    winner, rows = choose(FINALISTS, None, 5.0)
    assert winner == FINALISTS[1]
    assert [(row["predicted_ms"], row["measured_ms"], row["n"]) for row in rows] == [
        (6.0, None, 0),
        (4.0, None, 0),
        (3.0, None, 0),
    ]
    with pytest.raises(SearchError, match=r"fastest takes 3\.00 ms"):
        choose(FINALISTS, None, 2.0)


def test_finalists_are_measured_on_the_target_alone() -> None:
    here, said = Target.describe("here", threads=1), list[str]()
    other = here.model_copy(update={"cpu": "another"})
    facts = {"input_shape": (1, 3, 32, 32), "warmup": 0, "repeats": 3, "say": said.append}
    assert measurer(lambda _: None, here, **facts) is not None  # type: ignore[arg-type]
    assert said == []
    assert measurer(lambda _: None, other, **facts) is None  # type: ignore[arg-type]
    assert "cpu is" in said[0]
