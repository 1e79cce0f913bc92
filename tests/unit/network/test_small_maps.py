"""Maps of a single position, in bfloat16 on a processor."""

from __future__ import annotations

import torch

from autonad.network.mfam import Edge

CHANNELS = 128


def gradients(precision: torch.dtype | None) -> dict[str, torch.Tensor]:
    """Of an edge's parameters; memory that is used again before holds no numbers."""
    torch.manual_seed(0)
    edge = Edge("conv5x5", CHANNELS, CHANNELS, 8)
    x = torch.randn(4, CHANNELS, 1, 1)
    with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
        mixed = edge(x)
    size = edge.operator.weight.numel()
    unset = [
        torch.full((size,), torch.nan, dtype=kind)
        for kind in (torch.bfloat16, torch.float32)
        for _ in range(3)
    ]
    del unset
    (mixed.float() ** 3).sum().backward()
    return {name: parameter.grad for name, parameter in edge.named_parameters()}


def test_a_kernel_has_a_gradient_at_its_centre_and_none_around_it() -> None:
    whole, half = gradients(None), gradients(torch.bfloat16)

    for name, expected in whole.items():
        assert torch.isfinite(half[name]).all(), name
        torch.testing.assert_close(half[name], expected, rtol=0.1, atol=0.05 * float(expected.abs().max()))
    rim = half["operator.weight"].clone()
    rim[:, :, 2, 2] = 0
    assert rim.count_nonzero() == 0
