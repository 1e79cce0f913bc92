"""Timing a network properly: batch 1, warmed up, synchronised, spread beside the median."""

from __future__ import annotations

import contextlib
import gc
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.errors import LatencyError
from autonad.latency.runtime import SPINNING, Run, module_run, onnx_run
from autonad.latency.target import Target

if TYPE_CHECKING:
    from torch import nn

WARMUP, REPEATS = 10, 50


@dataclass(frozen=True)
class Measurement:
    """Latencies of one network, and everything that they depend on.

    Attributes:
        target: What it ran on: device, runtime, precision, threads, versions.
        input_shape: (B, C, H, W) of the input.
        samples_ms: Milliseconds of each timed call, in order.
        warmup: Calls before the first timed one.
    """

    target: Target
    input_shape: tuple[int, ...]
    samples_ms: tuple[float, ...]
    warmup: int

    @property
    def median_ms(self) -> float:
        """Median latency in ms."""
        return float(np.median(self.samples_ms))

    @property
    def p95_ms(self) -> float:
        """95th percentile of the latency in ms."""
        return float(np.percentile(self.samples_ms, 95))

    @property
    def mean_ms(self) -> float:
        """Mean latency in ms."""
        return float(np.mean(self.samples_ms))

    @property
    def std_ms(self) -> float:
        """Standard deviation of the latency in ms."""
        return float(np.std(self.samples_ms))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: figures with device, runtime, precision, threads, batch, warm-up and spread."""
        return {
            "median_ms": self.median_ms,
            "p95_ms": self.p95_ms,
            "mean_ms": self.mean_ms,
            "std_ms": self.std_ms,
            "min_ms": float(min(self.samples_ms)),
            "n": len(self.samples_ms),
            "warmup": self.warmup,
            "batch": self.input_shape[0],
            "input_shape": list(self.input_shape),
            "spinning": SPINNING,
            "target": self.target.model_dump(),
            "hardware_key": self.target.hardware_key,
        }


def measure_network(
    network: bytes | Path | nn.Module,
    target: Target,
    *,
    input_shape: Sequence[int],
    warmup: int = WARMUP,
    repeats: int = REPEATS,
) -> Measurement:
    """Time a network in the target's runtime, with its provider, threads and precision.

    Args:
        network: An ONNX file or its bytes; or a torch module, which is exported first where the runtime is
            ONNX Runtime, and otherwise moved to the target's device and left in evaluation mode.
        target: What to run on.
        input_shape: (1, C, H, W).
        warmup: Calls that are not timed.
        repeats: Timed calls.

    Raises:
        LatencyError: The device is missing, the network cannot be opened or run there, or a number makes no
            sense.
    """
    if warmup < 0 or repeats < 1:
        raise LatencyError(f"warmup is {warmup} and repeats is {repeats}; use at least 0 and at least 1")
    run = network_run(network, target, input_shape)
    with quiet(target):
        samples = time_calls(run, warmup=warmup, repeats=repeats)
    return Measurement(target, tuple(int(size) for size in input_shape), tuple(samples), warmup)


def network_run(network: bytes | Path | nn.Module, target: Target, shape: Sequence[int]) -> Run:
    """A function that runs a network once in the target's runtime; see `measure_network`."""
    if isinstance(network, bytes | Path):
        if target.runtime != "onnxruntime":
            raise LatencyError(
                f"target {target.name!r} has runtime {target.runtime}, which runs no ONNX file; use a target "
                "with runtime onnxruntime"
            )
        return onnx_run(network, target, shape)
    if target.runtime == "pytorch":
        return module_run(network, target, shape)
    return onnx_run(as_the_runtime_takes_it(network, target, shape), target, shape)


def as_the_runtime_takes_it(module: nn.Module, target: Target, shape: Sequence[int]) -> Any:
    """A torch module for PyTorch as it is, for ONNX Runtime as the bytes of a file; see `measure_network`."""
    if target.runtime == "pytorch":
        return module
    from autonad.network.onnx_bytes import module_to_onnx

    return module_to_onnx(module, shape)


@contextlib.contextmanager
def quiet(target: Target) -> Iterator[None]:
    """No garbage collection while timing, and torch on the target's threads; both are put back afterwards."""
    enabled, threads = gc.isenabled(), None
    if target.runtime == "pytorch":
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(target.threads)
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
        if threads is not None:
            torch.set_num_threads(threads)


def time_calls(
    run: Run, *, warmup: int, repeats: int, calls: int = 1, max_seconds: float | None = None
) -> list[float]:
    """Time a function.

    Args:
        run: Returns when its work is done (a device is synchronised).
        warmup: Calls before the clock starts.
        repeats: Samples.
        calls: Calls per sample, for functions as short as the clock's own noise.
        max_seconds: Stop after this time, with at least three samples; None for no limit.

    Returns:
        Milliseconds per call, one number per sample.
    """
    for _ in range(warmup):
        run()
    samples: list[float] = []
    end = math.inf if max_seconds is None else time.perf_counter() + max_seconds
    while len(samples) < repeats and (len(samples) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        samples.append((time.perf_counter() - start) * 1e3 / calls)
    return samples
