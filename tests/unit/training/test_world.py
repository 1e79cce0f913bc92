"""Several processes train as one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from autonad.training.distillation import taught
from autonad.training.losses import make_criterion
from autonad.training.paths import TrainingPath, backward
from autonad.training.world import ALONE, World

CPU = torch.device("cpu")


def gradients(world: World, count: int, precision: str) -> dict[str, torch.Tensor]:
    """Loss and gradients of a batch whose images differ in padding and in the classes that they show."""
    torch.manual_seed(0)
    network = nn.ModuleDict({name: nn.Conv2d(3, 3, 3, padding=1) for name in ("one", "two", "idle")})
    images, labels = torch.randn(count, 3, 8, 8), torch.randint(0, 3, (count, 8, 8))
    labels[0, :5] = 255
    labels[1:, :, :6] = 0
    criterion = make_criterion(cross_entropy=1.0, dice=1.0, class_weights=torch.tensor([0.5, 1.0, 4.0]))
    share = world.share(np.arange(count))
    paths = [
        TrainingPath(network["one"]),
        TrainingPath(network["two"], "first"),
        TrainingPath(network["two"], network["idle"]),
    ]
    loss = backward(
        paths,
        images[share],
        world.gather(labels[share], count),
        taught(criterion, share=0.5, temperature=1.0),
        precision,
        world,
    )
    world.sum_gradients(network)
    assert network["idle"].weight.grad is None
    return {"loss": loss} | {n: p.grad for n, p in network.named_parameters() if p.grad is not None}


# Batches that two processes share evenly, unevenly, or not at all.
CASES = [(6, "fp32"), (5, "fp32"), (1, "fp32"), (4, "bf16")]


def work(rank: int, folder: Path) -> None:
    """One of two processes."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    world = World(CPU, rank, 2)
    found = {case: gradients(world, *case) for case in CASES}
    counts = world.total(np.full((2, 2), rank + 1, dtype=np.int64))
    world.wait()
    torch.save((found, counts.tolist()), folder / f"rank{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_gradients_of_one_and_both_the_same(tmp_path):
    mp.spawn(work, (tmp_path,), nprocs=2)
    (first, counts), (second, others) = (
        torch.load(tmp_path / f"rank{rank}.pt", weights_only=True) for rank in range(2)
    )
    for case in CASES:
        expected = gradients(ALONE, *case)
        tolerance = {"rtol": 1e-5, "atol": 1e-6} if case[1] == "fp32" else {"rtol": 2e-2, "atol": 2e-3}
        assert first[case].keys() == second[case].keys() == expected.keys()
        for name, tensor in expected.items():
            torch.testing.assert_close(first[case][name], tensor, **tolerance)
            # Not bit for bit the same would let the processes drift apart.
            assert torch.equal(first[case][name], second[case][name])
    assert counts == others == [[3, 3], [3, 3]]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("count", [1, 4, 6])
def test_shares_are_equally_long_and_hold_the_batch_in_order(size, count):
    batch = np.arange(10, 10 + count)
    shares = [World(CPU, rank, size).share(batch) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    assert np.concatenate(shares)[:count].tolist() == batch.tolist()
    assert set(np.concatenate(shares)) == set(batch)
