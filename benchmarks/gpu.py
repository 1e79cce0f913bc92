"""What training does on a GPU: a step of the supernet, and whether it computes what the processor computes.

    python -m benchmarks.gpu --preset released --size 200 --batch 8

Runs `benchmarks.supernet_step` on the GPU in both precisions, then compares the gradients of one path with
the processor: the largest difference over the largest value, of any parameter. Peak memory beside it.
"""

from __future__ import annotations

import copy
import json
import sys
import tempfile
from functools import partial

import torch
from torch import Tensor

from autonad.network import SuperNet
from autonad.space import SearchSpace
from autonad.training.distillation import taught
from autonad.training.losses import make_criterion
from autonad.training.paths import TrainingPath, backward
from benchmarks.supernet_step import arguments, run


def main() -> None:
    options = arguments()
    if not torch.cuda.is_available():
        sys.exit(f"torch {torch.__version__} sees no GPU here; run this on a machine that has one")
    options.device = "cuda"
    torch.manual_seed(0)
    figures: dict[str, float | str] = {"device": torch.cuda.get_device_name(), "torch": torch.__version__}
    for precision in options.precision:
        torch.cuda.reset_peak_memory_stats()
        with tempfile.TemporaryDirectory() as folder:
            measured = run(options, precision, folder)
        measured["peak memory, GiB"] = torch.cuda.max_memory_allocated() / 2**30
        measured["gradient against the processor"] = deviation(options.preset, options.size, precision)
        figures |= {f"{precision} {name}": value for name, value in measured.items()}
    for name, value in figures.items():
        print(f"{name:<44}{value:>12.4g}" if isinstance(value, float) else f"{name:<44}{value:>12}")
    print(json.dumps({"benchmark": "gpu", "preset": options.preset, **figures}))


def deviation(preset: str, size: int, precision: str) -> float:
    """Largest difference of a gradient on the GPU from float32 on the processor, over its largest value."""
    space = SearchSpace.preset(preset)
    supernet = SuperNet(space, 4)
    images, labels = torch.randn(2, 3, size, size), torch.randint(0, 4, (2, size, size))
    exact = gradients(supernet, images, labels, "fp32")
    found = gradients(copy.deepcopy(supernet).cuda(), images.cuda(), labels.cuda(), precision)
    return max(
        float((found[name] - gradient).abs().max() / gradient.abs().max().clamp(min=1e-6))
        for name, gradient in exact.items()
    )


def gradients(supernet: SuperNet, images: Tensor, labels: Tensor, precision: str) -> dict[str, Tensor]:
    """Of the largest path, on the processor."""
    path = TrainingPath(partial(supernet, architecture=supernet.space.largest()))
    loss_of = taught(make_criterion(cross_entropy=1.0, dice=1.0), share=0.0, temperature=1.0)
    backward([path], images, labels, loss_of, precision)
    return {name: p.grad.cpu() for name, p in supernet.named_parameters() if p.grad is not None}


if __name__ == "__main__":
    main()
