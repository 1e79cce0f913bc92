from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from toy_split import oracle

from autonad.evaluation.predict import evaluate_network
from autonad.evaluation.views import SCALES, average_views, measure_views
from autonad.steps.evaluate import _told


def images(height=40, width=48):
    return np.random.default_rng(0).normal(size=(2, 3, height, width)).astype(np.float32)


def pointwise(batch):
    """Logits that depend on each pixel alone: mirroring the image mirrors them."""
    return np.stack((batch[:, 0], batch[:, 1] * 2, -batch[:, 2]), axis=1)


def biased(batch):
    """Finds its class on the left half of whatever it is shown."""
    logits = np.zeros((len(batch), 2, *batch.shape[2:]), np.float32)
    logits[:, 1, :, : batch.shape[3] // 2] = 4
    return logits


def test_an_equivariant_network_says_the_same_with_flips():
    x = images()
    found = average_views(pointwise, "flips", least_side=32)(x)
    wanted = pointwise(x) - np.log(np.exp(pointwise(x)).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_flips_average_out_a_preference_for_one_side():
    found = average_views(biased, "flips", least_side=32)(images())
    np.testing.assert_allclose(found[:, 1, :, :24], found[:, 1, :, 24:], atol=1e-6)


def test_every_view_is_asked_once_and_no_side_falls_below_the_least():
    shapes = []

    def forward(batch):
        shapes.append(batch.shape[2:])
        return pointwise(batch)

    assert average_views(forward, "flips+scales", least_side=32)(images(40, 64)).shape == (2, 3, 40, 64)
    assert shapes == [(40, 64)] * 4 + [(32, 48)] * 4 + [(50, 80)] * 4
    assert SCALES == (0.75, 1.25)


@pytest.mark.parametrize("views", ["flips", "flips+scales"])
def test_the_gain_is_the_difference_of_both_figures(split: SimpleNamespace, views):
    def left(batch):
        """Right on the left half, undecided on the other."""
        logits = oracle(batch)
        logits[..., batch.shape[3] // 2 :] = 0
        return logits

    plain = evaluate_network(left, split.data, split.dataset, batch_size=4, num_classes=4)
    found = measure_views(left, split.data, split.dataset, plain, views, least_side=32)
    assert found["gain"] == found["miou"] - found["plain_miou"] > 0.05
    assert found["ms"] > 0


def test_the_time_that_is_told_is_of_a_pass_which_may_be_a_tile():
    told = _told({"views": "flips", "gain": 0.012, "ms": 12.0, "plain_ms": 3.0})
    assert told == ("with flips +1.20 points of mIoU, for 12.0 ms a pass (image or tile) in place of 3.00 ms")


def test_a_network_that_sees_less_is_shown_no_smaller_view_than_it_takes():
    import torch

    from autonad.network import AutoNADNet
    from autonad.space import SearchSpace

    space = replace(SearchSpace.preset("edge"), scales=(0.375,))
    network = AutoNADNet(space.smallest(), 2).eval()

    @torch.no_grad()
    def forward(batch):
        return network(torch.from_numpy(batch)).numpy()

    averaged = average_views(forward, "flips+scales", least_side=network.architecture.least_side)
    assert averaged(images(96, 90)).shape == (2, 2, 96, 90)
