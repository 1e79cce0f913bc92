"""Filling a latency table on the target: every piece alone, then whole networks to calibrate the sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import nn

from autonad.errors import LatencyError
from autonad.latency.device_kit import measure_kit
from autonad.latency.measured import FORMAT, Measured, Subject, calibration_of, measure_plan
from autonad.latency.pack import calibration_networks, pack_kit, reference_network
from autonad.latency.pieces import piece_groups
from autonad.latency.runtime import Run, module_run
from autonad.latency.table import COLUMNS, LatencyTable
from autonad.latency.target import Target
from autonad.latency.turns import Log, Plan
from autonad.network import AutoNADNet
from autonad.space import Architecture, SearchSpace


def profile_space(
    space: SearchSpace,
    target: Target,
    subject: Subject,
    *,
    measured_on: Target | None = None,
    accept_noise: bool = False,
    log: Log = lambda what, done, total: None,
    say: Callable[[str], object] = lambda line: None,
) -> Measured:
    """Measure what every choice of a space costs on this machine.

    With ONNX Runtime a kit is packed and measured, exactly as a device does it; with PyTorch modules are.

    Args:
        space: Whose choices.
        target: What to run on.
        subject: What is measured of the space.
        measured_on: This machine, where it is another than the target.
        accept_noise: Do not repeat a bad measurement.
        log: Receives what is being done, how much is done and how much there is.
        say: Receives what is waited for.

    Raises:
        LatencyError: The target cannot be measured here.
    """
    if target.runtime == "onnxruntime":
        kit = pack_kit(space, subject, log)
        found = measure_kit(kit, target, measured_on=measured_on, accept_noise=accept_noise, log=log, say=say)
        return found.model_copy(update={"kit": None})
    groups = piece_groups(space, subject.num_classes, subject.input_size)
    panel = calibration_networks(space, subject.settings)

    def opener(build: Callable[[], nn.Module], shape: tuple[int, ...]) -> Callable[[], Run]:
        return lambda: module_run(build(), target, shape)

    shape, reference = (1, 3, *subject.input_size), reference_network(space, subject.settings)
    plan = Plan(
        nothing=opener(nn.ReLU, (1, 1, 1, 1)),
        reference=opener(_builder(reference, subject.num_classes), shape),
        groups=[[opener(piece.build, piece.shape) for piece in group] for group in groups],
        networks=[opener(_builder(one, subject.num_classes), shape) for one in panel],
    )
    # Weights are drawn from a generator of their own: profiling must not change the caller's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(subject.settings.seed)
        found, quality = measure_plan(
            plan,
            [[piece.rows for piece in group] for group in groups],
            [one.to_dict() for one in panel],
            target,
            subject.settings,
            accept_noise=accept_noise,
            log=log,
            say=say,
        )
    return Measured(
        format=FORMAT,
        subject=subject,
        kit=None,
        target=target,
        measured_on=measured_on,
        overhead_ms=found.overhead_ms,
        rows=found.rows,
        networks=found.networks,
        quality=quality,
    )


def table_from_measured(measured: Measured) -> LatencyTable:
    """The latency table of what was measured, here or on a device, with its calibration.

    Raises:
        LatencyError: The rows do not cover the networks that were measured beside them.
    """
    subject, target, elsewhere = measured.subject, measured.target, measured.measured_on
    context: dict[str, Any] = {
        "target": target.model_dump(),
        "hardware_key": target.hardware_key,
        "space": subject.space,
        "num_classes": subject.num_classes,
        "input_size": list(subject.input_size),
        "batch": 1,
        "warmup": subject.settings.warmup,
        "overhead_ms": measured.overhead_ms,
        "key": subject.table_key(target.hardware_key),
        "kit": measured.kit,
        "measured_on": None if elsewhere is None else elsewhere.model_dump(),
        "quality": measured.quality.model_dump(mode="json"),
    }
    rows = [row.model_dump() for row in measured.rows]
    calibration = calibration_of(measured.rows, measured.networks)
    return LatencyTable(pd.DataFrame(rows, columns=list(COLUMNS)), "profile", calibration, context)


def check_complete(measured: Measured, space: SearchSpace) -> None:
    """Make sure that what was measured has a row for everything in the space.

    Raises:
        LatencyError: Rows are missing, or there are others.
    """
    subject = measured.subject
    wanted = {
        _place(row)
        for group in piece_groups(space, subject.num_classes, subject.input_size)
        for piece in group
        for row in piece.rows
    }
    found = {_place(row.model_dump()) for row in measured.rows}
    if found != wanted:
        raise LatencyError(
            f"what was measured on the device lacks {len(wanted - found)} of the space's {len(wanted)} costs "
            f"and has {len(found - wanted)} others; measure on the device again, with a kit of this version"
        )


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    figures = {"ms", "n", "spread", "stderr"}
    return tuple(row.get(name) for name in COLUMNS if name not in figures)


def _builder(architecture: Architecture, num_classes: int) -> Callable[[], nn.Module]:
    return lambda: AutoNADNet(architecture, num_classes)
