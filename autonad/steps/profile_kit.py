"""Measure a kit on the device that this runs on; needs the base install alone."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context


@dataclass(frozen=True)
class KitResult:
    """What was measured.

    Attributes:
        rows: Costs.
        networks: Whole networks.
        target: Name of the device.
        hardware_key: Its key.
        faults: What was wrong while measuring, a sentence each.
        seconds: Wall time.
    """

    rows: int
    networks: int
    target: str
    hardware_key: str
    faults: tuple[str, ...]
    seconds: float


def profile_kit(
    context: Context,
    *,
    kit: Path,
    output: Path,
    name: str = "device",
    threads: int | None = None,
    target: Path | None = None,
    for_another_device: bool = False,
) -> KitResult:
    """Measure everything in a kit, and write what is brought back.

    Args:
        context: `profile_latency.accept_noise` decides whether a bad measurement is repeated; what is
            measured, and how often, the kit says.
        kit: Folder that `pack_profile` wrote.
        output: Folder to write: `measured.json`, `target.json`.
        name: What people call this device, where no target is given.
        threads: Threads of one network, where no target is given; all usable cores when None.
        target: Target file of this device.
        for_another_device: Measure here although the target is another machine; what is written says so.

    Raises:
        StorageError: The kit is not there.
        LatencyError: The kit is damaged or of another format, the target is another machine, or something
            cannot be run here.
    """
    from autonad.latency.device_kit import Kit, measure_kit
    from autonad.latency.target import Target

    started, console = time.monotonic(), context.console
    opened = Kit.load(kit)
    device = Target.describe(name, threads=threads) if target is None else Target.load(target)
    if not for_another_device:
        device.require_here()
    found = measure_kit(
        opened,
        device,
        measured_on=device.verify_here(),
        accept_noise=context.config.profile_latency.accept_noise,
        log=lambda what, done, total: console.advance(done, total, what),
        say=console.report,
    )
    found.save(output)
    return KitResult(
        rows=len(found.rows),
        networks=len(found.networks),
        target=device.name,
        hardware_key=device.hardware_key,
        faults=found.quality.faults,
        seconds=time.monotonic() - started,
    )
