import pytest
import torch
from torch import Tensor, nn

from autonad.network.mixers import (
    Attention,
    Convolution,
    SpatialShift,
    SplitAttention,
    build_mixer,
    spatial_shift,
)
from autonad.network.model import initialize
from autonad.space import Block

WIDTH, HEAD, SIDE, CENTRE = 16, 8, 13, 6


def ready(module: nn.Module, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    for name, parameter in module.named_parameters():
        initialize(name, parameter)
    return module.double().eval()


@torch.no_grad()
def changed(module: nn.Module) -> Tensor:
    """Which output positions change when the centre pixel of the input does: bool (H, W)."""
    torch.manual_seed(1)
    x = torch.randn(1, WIDTH, SIDE, SIDE, dtype=torch.float64)
    y = x.clone()
    y[:, :, CENTRE, CENTRE] += 1
    return (module(x) != module(y)).any(1)[0]


@pytest.mark.parametrize("kernel", [3, 5])
def test_convolution_reaches_exactly_its_kernel(kernel):
    reached = changed(ready(Convolution(WIDTH, HEAD, kernel)))
    expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    radius = kernel // 2
    expected[CENTRE - radius : CENTRE + radius + 1, CENTRE - radius : CENTRE + radius + 1] = True
    assert torch.equal(reached, expected)


@pytest.mark.parametrize("reduction", [1, 2, 4])
def test_attention_reaches_everything(reduction):
    assert changed(ready(Attention(WIDTH, HEAD, reduction))).all()


class ShiftOnly(SpatialShift):
    """The operator with a re-weighting that does not depend on the image."""

    def forward(self, x: Tensor) -> Tensor:
        branches = spatial_shift(self.q(x), (0, 1, 2, 3)), spatial_shift(self.k(x), (2, 3, 0, 1)), self.v(x)
        return self.out(sum(branches))


def test_spatial_shift_reaches_the_four_neighbours_and_no_further():
    reached = changed(ready(ShiftOnly(WIDTH)))
    expected = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for row, column in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        expected[CENTRE + row, CENTRE + column] = True
    assert torch.equal(reached, expected)


def test_split_attention_is_the_only_way_further():
    """The whole operator reaches further only through the global re-weighting."""
    module = ready(SpatialShift(WIDTH))
    assert changed(module).all()
    x = torch.randn(1, WIDTH, SIDE, SIDE, dtype=torch.float64)
    reweight = module.reweight
    assert isinstance(reweight, SplitAttention)
    with torch.no_grad():
        for excite in reweight.excite:
            excite.weight.zero_()  # Equal scores: every branch weighs a third, whatever the image.
        expected = module.out(
            sum(
                (
                    spatial_shift(module.q(x), (0, 1, 2, 3)),
                    spatial_shift(module.k(x), (2, 3, 0, 1)),
                    module.v(x),
                )
            )
            / 3
        )
        torch.testing.assert_close(module(x), expected)
    assert changed(module).sum() == 5


def test_shift_follows_equations_18_and_19():
    x = torch.arange(4 * 3 * 3, dtype=torch.float32).reshape(1, 4, 3, 3)
    y = spatial_shift(x, (0, 1, 2, 3))
    # Down: row i receives row i - 1, and the first keeps its own. Up, right and left likewise.
    assert torch.equal(y[0, 0], x[0, 0][[0, 0, 1]])
    assert torch.equal(y[0, 1], x[0, 1][[1, 2, 2]])
    assert torch.equal(y[0, 2], x[0, 2][:, [0, 0, 1]])
    assert torch.equal(y[0, 3], x[0, 3][:, [1, 2, 2]])
    assert torch.equal(x, torch.arange(36, dtype=torch.float32).reshape(1, 4, 3, 3))


def test_shift_direction_does_not_move_with_the_width():
    x = torch.randn(2, 16, 5, 5)
    wide, narrow = spatial_shift(x, (0, 1, 2, 3)), spatial_shift(x[:, :8], (0, 1, 2, 3))
    assert torch.equal(wide[:, :8], narrow)


@pytest.mark.parametrize("kernel", [3, 5])
def test_convolution_is_equation_25(kernel):
    """The grouped convolution equals: project the heads of q, k, v to k² maps, shift each, weigh and sum."""
    module = ready(Convolution(WIDTH, HEAD, kernel))
    assert isinstance(module, Convolution)
    torch.manual_seed(2)
    x = torch.randn(2, WIDTH, 7, 9, dtype=torch.float64)
    with torch.no_grad():
        parts = [p(x).unflatten(1, (-1, HEAD)) for p in (module.q, module.k, module.v)]  # (B, H, d, h, w)
        weights = (module.map_q, module.map_k, module.map_v)
        expected = torch.zeros_like(x).unflatten(1, (-1, HEAD))
        radius = kernel // 2
        for a in range(kernel):
            for b in range(kernel):
                maps = sum(
                    torch.einsum("h,bhdij->bdij", w[:, a, b], part)
                    for w, part in zip(weights, parts, strict=True)
                )
                padded = nn.functional.pad(maps, (radius,) * 4)
                shifted = padded[:, :, a : a + 7, b : b + 9]  # shift by (a, b), Eq. 9
                expected += module.spread[:, a, b].view(1, -1, HEAD, 1, 1) * shifted.unsqueeze(1)
        torch.testing.assert_close(module(x), expected.flatten(1, 2))


def test_attention_equals_the_textbook_without_reduction():
    module = ready(Attention(WIDTH, HEAD, 1))
    assert isinstance(module, Attention)
    torch.manual_seed(3)
    x = torch.randn(1, WIDTH, 4, 5, dtype=torch.float64)
    with torch.no_grad():
        heads = []
        for start in range(0, WIDTH, HEAD):
            part = slice(start, start + HEAD)
            q, k, v = (p(x)[0, part].flatten(1).T for p in (module.q, module.k, module.v))
            heads.append((torch.softmax(q @ k.T / HEAD**0.5, dim=1) @ v).T)
        expected = module.out(torch.cat(heads).reshape(1, WIDTH, 4, 5))
        torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize(
    "block", [Block("attention", 1.0), Block("shift", 1.0), Block("convolution", 1.0, 5)]
)
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 4)])
def test_any_feature_size(block, size):
    module = ready(build_mixer(block, WIDTH, HEAD, stage=0))
    x = torch.randn(2, WIDTH, *size, dtype=torch.float64)
    assert module(x).shape == x.shape


@pytest.mark.parametrize("stage", [0, 3])
@pytest.mark.parametrize(
    "block", [Block("attention", 1.0), Block("shift", 1.0), Block("convolution", 1.0, 3)]
)
def test_with_channels_last_an_operator_is_the_same_and_stays_so(block, stage):
    module = ready(build_mixer(block, WIDTH, HEAD, stage))
    plain = torch.randn(2, WIDTH, 9, 11, dtype=torch.float64)
    result = module(plain.contiguous(memory_format=torch.channels_last))
    assert result.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(result, module(plain))
