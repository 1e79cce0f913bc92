import numpy as np
import torch

from autonad.network import AutoNADNet
from autonad.network.peak_memory import MIB, _Tensors, count_parameters, peak_activations_mib
from autonad.space import SearchSpace

SPACE = SearchSpace.preset("tiny")


def test_the_largest_sum_of_living_tensors_is_counted() -> None:
    with torch.no_grad(), _Tensors() as made:
        image = made.add(torch.empty(1000, device="meta"))
        wide = torch.cat([image, image, image])
        del image
        view = wide[:500]
        del wide
        small = view + 1
        del view, small
    assert made.most() == 4 * (1000 + 3000)


def test_what_is_kept_is_no_activation() -> None:
    kept = []
    with torch.no_grad(), _Tensors() as made:
        image = made.add(torch.empty(100, device="meta"))
        kept.append(torch.zeros(10_000, device="meta"))
        product = image + kept[0][:100]
        del image, product
    assert made.most() == 4 * 200


def test_parameters_are_those_of_the_network_itself() -> None:
    architecture = SPACE.sample(np.random.default_rng(0))
    assert count_parameters(architecture, 3) == AutoNADNet(architecture, 3).num_parameters


def test_memory_grows_with_the_image_and_repeats() -> None:
    architecture = SPACE.smallest()
    found = peak_activations_mib(architecture, 3, (64, 64))
    assert found == peak_activations_mib(architecture, 3, (64, 64))
    assert found >= 3 * 64 * 64 * 4 / MIB
    assert peak_activations_mib(architecture, 3, (128, 128)) >= 4 * found
    assert peak_activations_mib(SPACE.largest(), 3, (64, 64)) > found
