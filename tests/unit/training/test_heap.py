import resource
import sys

import pytest
import torch

from autonad.training.heap import keep_freed_memory


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc alone can be told")
def test_freed_feature_maps_are_used_again_without_asking_the_kernel():
    if not keep_freed_memory():
        pytest.skip("another C library")
    values = 2**24  # 64 MiB of float32, beyond what glibc keeps by itself
    for _ in range(2):
        torch.ones(values)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        torch.ones(values)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 4 * values * 4 / resource.getpagesize() / 10
