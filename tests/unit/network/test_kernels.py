"""oneDNN keeps the kernels that the paths of a supernet need."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

PATHS = """
import numpy as np, torch
from autonad.network import SuperNet
from autonad.space import SearchSpace

torch.set_num_threads(1)
space = SearchSpace.preset("edge")
supernet = SuperNet(space, num_classes=2)
for turn in range(2):
    print("turn", turn, flush=True)
    for number in range(30):
        path = space.sample(np.random.default_rng(number))
        supernet(torch.ones(2, 3, 128, 128), path).sum().backward()
"""


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")
def test_kernels_of_paths_that_come_again_are_not_compiled_again():
    verbose = os.environ | {"ONEDNN_VERBOSE": "profile_create", "OMP_NUM_THREADS": "1"}
    verbose.pop("ONEDNN_PRIMITIVE_CACHE_CAPACITY", None)
    found = subprocess.run(
        [sys.executable, "-c", PATHS], env=verbose, capture_output=True, text=True, check=True
    )
    first, second = found.stdout.split("turn 1")
    assert first.count("cache_miss") > 1024, "fewer kernels than oneDNN keeps anyway"
    assert second.count("cache_hit") > 1024
    assert second.count("cache_miss") == 0
