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


def test_the_matrices_of_a_size_are_made_once(monkeypatch):
    made = []
    make = torch.tensor
    monkeypatch.setattr(torch, "tensor", lambda *given, **options: made.append(1) or make(*given, **options))
    for _ in range(3):
        adaptive_average(torch.ones(1, 1, 21, 23), 4, 5)
    assert len(made) == 2


def test_what_was_first_averaged_while_predicting_is_trained_through_afterwards():
    with torch.inference_mode():
        adaptive_average(torch.ones(1, 1, 25, 27), 4, 5)
    x = torch.ones(1, 1, 25, 27, requires_grad=True)
    adaptive_average(x, 4, 5).sum().backward()
    torch.testing.assert_close(x.grad.sum(), torch.tensor(20.0))


def test_every_kind_of_number_and_device_has_its_own():
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        assert adaptive_average(torch.ones(1, 1, 7, 9, dtype=dtype), 2, 3).dtype == dtype
    assert adaptive_average(torch.ones(1, 1, 7, 9, device="meta"), 2, 3).shape == (1, 1, 2, 3)
    assert adaptive_average(torch.ones(1, 1, 7, 9), 2, 3).device.type == "cpu"


@pytest.mark.parametrize("size", [(3, 5), (7, 10), (13, 6)])
def test_with_channels_last_it_is_the_same_and_stays_so(size):
    torch.manual_seed(0)
    plain = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    last = plain.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    results = [adaptive_average(x, 2, 5) for x in (plain, last)]
    assert results[1].is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(results[1], results[0])
    weights = torch.randn(2, 3, 2, 5, dtype=torch.float64)
    for result in results:
        (result * weights).sum().backward()
    torch.testing.assert_close(last.grad, plain.grad)
