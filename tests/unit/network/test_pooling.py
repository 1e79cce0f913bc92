import pytest
import torch
from torch.nn import functional as F

from autonad.network.pooling import adaptive_average


@pytest.mark.parametrize("side", range(1, 7))
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (4, 4), (7, 10), (13, 6)])
def test_equals_torchs_adaptive_pooling(side, size):
    torch.manual_seed(side)
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(adaptive_average(x, side, side), F.adaptive_avg_pool2d(x, side))


def test_height_and_width_are_not_mixed_up():
    x = torch.randn(1, 1, 8, 12, dtype=torch.float64)
    torch.testing.assert_close(adaptive_average(x, 2, 5), F.adaptive_avg_pool2d(x, (2, 5)))
