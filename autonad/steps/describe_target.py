"""Describe this device as a target."""

from __future__ import annotations

from pathlib import Path


def describe_target(
    *,
    name: str,
    output: Path,
    runtime: str = "onnxruntime",
    provider: str = "cpu",
    threads: int | None = None,
) -> str:
    """Write the target file of this device; returns its hardware key."""
    from autonad.latency.target import Target

    target = Target.describe(name, runtime, provider=provider, threads=threads)  # type: ignore[arg-type]
    target.save(output)
    return target.hardware_key
