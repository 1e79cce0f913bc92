import pytest
import torch
from torch import nn

from autonad.network import AutoNADNet
from autonad.network.flops import architecture_flops, count_flops
from autonad.space import SearchSpace


def test_known_layers_are_counted_exactly() -> None:
    with torch.device("meta"):
        layers = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.GELU(), nn.Conv2d(8, 8, 5, padding=2, groups=8)
        )
    first = 2 * 3 * 3 * 3 * 8 * (16 * 20)
    depthwise = 2 * 5 * 5 * 8 * (16 * 20)
    assert count_flops(layers, (32, 40)) == first + depthwise


@pytest.mark.parametrize("preset", ["tiny", "edge"])
def test_every_convolution_and_product_of_a_network_is_counted(preset: str) -> None:
    """Counted a second way: by hooks on the convolutions, which are a part, and none is left out."""
    space = SearchSpace.preset(preset)
    for architecture in (space.smallest(), space.largest()):
        network, seen = AutoNADNet(architecture, 4).eval(), 0

        def count(module: nn.Module, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
            nonlocal seen
            assert isinstance(module, nn.Conv2d)
            seen += 2 * module.weight[0].numel() * output.numel()

        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.register_forward_hook(count)
        with torch.no_grad():
            network(torch.zeros(1, 3, 128, 128))
        assert 0 < seen <= architecture_flops(architecture, 4, (128, 128))


def test_a_larger_input_costs_in_proportion() -> None:
    with torch.device("meta"):
        layer = nn.Conv2d(3, 4, 3, padding=1)
    assert count_flops(layer, (64, 64)) == 4 * count_flops(layer, (32, 32))
