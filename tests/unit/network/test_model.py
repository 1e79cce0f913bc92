from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from autonad.errors import ArchitectureError
from autonad.network import AutoNADNet
from autonad.space import SearchSpace

TINY = SearchSpace.preset("tiny")


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (64, 100), (61, 32)])
def test_logits_have_the_size_of_the_input(architecture, size):
    network = AutoNADNet(architecture, num_classes=3).eval()
    with torch.no_grad():
        logits = network(torch.randn(2, 3, *size))
    assert logits.shape == (2, 3, *size)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize("shape", [(1, 3, 31, 40), (1, 1, 64, 64), (3, 64, 64)])
def test_a_wrong_input_is_named(architecture, shape):
    with pytest.raises(ArchitectureError, match="at least 32 pixels"):
        AutoNADNet(architecture, num_classes=2)(torch.randn(*shape))


def test_images_of_a_batch_do_not_see_each_other(architecture):
    torch.manual_seed(0)
    network = AutoNADNet(architecture, num_classes=2).eval()
    images = torch.randn(3, 3, 40, 40)
    with torch.no_grad():
        torch.testing.assert_close(network(images)[1:2], network(images[1:2]), rtol=1e-4, atol=1e-5)


def test_parameters_are_counted_from_the_tensors(architecture):
    network = AutoNADNet(architecture, num_classes=4)
    assert network.num_parameters == sum(tensor.numel() for tensor in network.state_dict().values())


def test_every_parameter_receives_a_gradient(rng):
    """No choice is detached from the loss, as the released depthwise convolution is."""
    for _ in range(8):
        network = AutoNADNet(TINY.sample(rng), num_classes=3)
        network(torch.randn(2, 3, 64, 64)).square().mean().backward()
        dead = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
        assert dead == []


def test_one_seed_one_network(architecture):
    networks = []
    for _ in range(2):
        torch.manual_seed(5)
        networks.append(AutoNADNet(architecture, num_classes=2).state_dict())
    assert all(torch.equal(networks[0][name], networks[1][name]) for name in networks[0])


def test_larger_genes_cost_more_parameters():
    sizes = [AutoNADNet(a, 4).num_parameters for a in (TINY.smallest(), TINY.largest())]
    drawn = [AutoNADNet(TINY.sample(np.random.default_rng(i)), 4).num_parameters for i in range(10)]
    assert sizes[0] <= min(drawn) < max(drawn) <= sizes[1]


def test_a_scaled_network_sees_averages_and_answers_at_the_size_of_the_input():
    torch.manual_seed(0)
    full = AutoNADNet(replace(TINY.largest(), stem_stride=2), num_classes=3).eval()
    half = AutoNADNet(replace(full.architecture, scale=0.5), num_classes=3).eval()
    half.load_state_dict(full.state_dict())
    images = torch.randn(1, 3, 128, 96)
    averaged = F.avg_pool2d(images, 2)
    with torch.no_grad():
        logits, small = half(images), full(averaged)
    assert logits.shape == (1, 3, 128, 96)
    # Logits are resized once, from the first stage's resolution, and not by way of the averaged image's.
    torch.testing.assert_close(
        F.avg_pool2d(logits, 2)[..., 8:-8, 8:-8], small[..., 8:-8, 8:-8], atol=0.1, rtol=0
    )
    with pytest.raises(ArchitectureError, match=r"at least 63 pixels, of which it sees 0.5"):
        half(images[:, :, :60])
