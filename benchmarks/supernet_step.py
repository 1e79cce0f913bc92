"""How much of the processor a step of supernet training uses, and what the rest goes to.

    python -m benchmarks.supernet_step --preset released --size 200 --batch 8

The real training loop runs on a generated dataset. Between any two steps a large matrix product of the same
precision is timed, the best that this machine can do at that moment. Utilisation is 3 × the FLOPs of the
forward pass (a backward pass takes twice as many) ÷ the time of a step ÷ the FLOPs per second of the product;
medians. Beside it: the share of a step that choosing and binding its path takes, the share of steps whose
images were there when they were asked for, and with `--profile` the operators that take longest. On a machine
that others use too, `--clock cpu` counts processor time, with OMP_WAIT_POLICY=PASSIVE in the environment, so
that threads that wait sleep.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autonad.config import InputConfig, SupernetConfig
from autonad.data.synthetic.generator import synthesize
from autonad.network import SuperNet
from autonad.space import Architecture, SearchSpace
from autonad.training import loop
from autonad.training.checkpoint import Checkpoints
from autonad.training.distillation import taught
from autonad.training.feed import Feed
from autonad.training.inputs import detector_spec, training_data
from autonad.training.loop import Task, train
from autonad.training.losses import make_criterion
from autonad.training.path_samplers import make_sampler
from autonad.training.paths import TrainingPath, backward

SIDE = 1536  # rows and columns of the matrix product
KNOWN = 100  # paths that have been bound before
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    figures: dict[str, float | str] = {"threads": options.threads, "clock": options.clock}
    for precision in options.precision:
        with tempfile.TemporaryDirectory() as folder:
            figures |= {
                f"{precision} {name}": value for name, value in run(options, precision, folder).items()
            }
    figures["load"] = os.getloadavg()[0]
    for name, value in figures.items():
        print(f"{name:<44}{value:>12.4g}" if isinstance(value, float) else f"{name:<44}{value:>12}")
    print(json.dumps({"benchmark": "supernet_step", "preset": options.preset, **figures}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", default="released", help="search space")
    parser.add_argument("--size", type=int, default=200, help="height and width of the input")
    parser.add_argument("--batch", type=int, default=8, help="images per step")
    parser.add_argument("--steps", type=int, default=24, help="steps that are timed")
    parser.add_argument("--device", default="cpu", help="where it is trained: cpu or cuda")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads of torch")
    parser.add_argument("--precision", nargs="+", choices=("fp32", "bf16"), default=["fp32", "bf16"])
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="what is counted")
    parser.add_argument("--profile", type=int, default=0, help="steps whose operators are listed")
    return parser.parse_args()


def run(options: argparse.Namespace, precision: str, folder: str) -> dict[str, float]:
    """Train some steps and sum up."""
    space = SearchSpace.preset(options.preset)
    device = torch.device(options.device)
    supernet = SuperNet(space, 4).to(device)
    dataset = synthesize(
        Path(folder) / "dataset",
        num_images=12 * options.batch,
        size=(options.size, options.size),
        classes=("crack", "blowhole", "stain"),
    )
    spec = detector_spec(dataset, InputConfig(height=options.size, width=options.size))
    steps_of_an_epoch = max(1, len(dataset.split("train")) // options.batch)
    config = SupernetConfig(
        epochs=-(-(options.steps + 2) // steps_of_an_epoch),
        batch_size=options.batch,
        precision=precision,
        validate_every=1000,
        checkpoint_every=1000,
    )
    for number in range(KNOWN):  # As in the middle of a training: most parts of a path have been seen.
        supernet.weights(space.sample(np.random.default_rng([1, number])))
    watch = Watch(supernet, partial(gemm, precision, device), waiting(CLOCKS[options.clock], device))
    feeds: list[Feed] = []
    loop.Feed = lambda *given: feeds.append(Feed(*given)) or feeds[-1]  # type: ignore[assignment,misc,func-returns-value]
    task = Task(
        module=supernet,
        data=training_data(dataset, spec, config, 0),
        config=config,
        seed=0,
        paths=watch.paths,
        validate=lambda module: {"val/miou": 0.0},
    )
    train(task, Checkpoints(Path(folder) / "checkpoint", {}), resume=False)
    if options.profile:
        profile(supernet, watch.architectures[: options.profile], options, precision)
    flops = [forward_flops(supernet, a, options.size) * options.batch for a in watch.architectures]
    used = [
        3 * need / seconds / peak
        for need, seconds, peak in zip(flops, watch.seconds, watch.peaks, strict=False)
    ][1:]
    return {
        "step, ms (median)": 1e3 * statistics.median(watch.seconds[1:]),
        "GEMM, GFLOP/s (median)": statistics.median(watch.peaks) / 1e9,
        "forward, GFLOP (median)": statistics.median(flops) / 1e9,
        "utilisation (median)": statistics.median(used),
        "utilisation (all steps)": 3
        * sum(flops[1 : len(watch.seconds)])
        / sum(watch.seconds[1:])
        / statistics.median(watch.peaks),
        "choosing and binding, % of a step": 100 * sum(watch.choosing[1:-1]) / sum(watch.seconds[1:]),
        # Nobody makes the first one ahead.
        "data ready, % of steps": 100 * min(1.0, feeds[0].ready / (feeds[0].steps - 1)),
    }


def waiting(clock: Callable[[], float], device: torch.device) -> Callable[[], float]:
    """The clock; on a GPU it is read when all that was ordered is done."""

    def read() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock()

    return read


class Watch:
    """Chooses the paths of a training, and notes what happens from one step to the next."""

    def __init__(self, supernet: SuperNet, peak: Callable[..., float], clock: Callable[[], float]) -> None:
        self.supernet, self.peak, self.clock = supernet, peak, clock
        self._draw = make_sampler(supernet.space, SupernetConfig(sampler="uniform", growth=0), 0)
        self.architectures: list[Architecture] = []
        self.seconds: list[float] = []
        self.peaks: list[float] = []
        self.choosing: list[float] = []
        self._begun: float | None = None

    def paths(self, number: int) -> list[TrainingPath]:
        """One path; the step before has ended."""
        if self._begun is not None:
            self.seconds.append(self.clock() - self._begun)
        self.peaks.append(self.peak(self.clock))
        self._begun = self.clock()
        (drawn,) = self._draw(number, number + 1)
        architecture = drawn.architecture
        self.supernet.weights(architecture)
        self.choosing.append(self.clock() - self._begun)
        self.architectures.append(architecture)
        return [TrainingPath(partial(self.supernet, architecture=architecture))]


def gemm(precision: str, device: torch.device, clock: Callable[[], float]) -> float:
    """FLOPs per second of a large matrix product, the best of three."""
    kind = torch.float32 if precision == "fp32" else torch.bfloat16
    side = SIDE if device.type == "cpu" else 8 * SIDE
    one = torch.ones(side, side, dtype=kind, device=device)
    out = torch.empty_like(one)
    seconds = []
    for _ in range(4):
        begun = clock()
        torch.mm(one, one, out=out)
        seconds.append(clock() - begun)
    return 2 * side**3 / min(seconds[1:])


def forward_flops(supernet: SuperNet, architecture: Architecture, size: int) -> int:
    """Of one image; a multiplication and an addition are two."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        supernet(torch.zeros(1, 3, size, size, device=next(supernet.parameters()).device), architecture)
    return int(counter.get_total_flops())


def profile(
    supernet: nn.Module, architectures: list[Architecture], options: argparse.Namespace, precision: str
) -> None:
    """Print the operators that a forward and a backward pass spend most time in."""
    shape = (options.batch, options.size, options.size)
    images = torch.randn(shape[0], 3, *shape[1:], device=options.device)
    labels = torch.randint(0, 4, shape, device=options.device)
    loss_of = taught(make_criterion(cross_entropy=1.0, dice=1.0), share=0.0, temperature=1.0)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        for architecture in architectures:
            paths = [TrainingPath(partial(supernet, architecture=architecture))]
            backward(paths, images, labels, loss_of, precision)
    print(profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))


if __name__ == "__main__":
    main()
