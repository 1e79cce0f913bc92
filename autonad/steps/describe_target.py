"""Describe this device as a target."""

from __future__ import annotations

from pathlib import Path


def describe_target(
    *,
    name: str,
    output: Path,
    runtime: str = "onnxruntime",
    provider: str = "cpu",
    precision: str = "fp32",
    threads: int | None = None,
) -> str:
    """Write the target file of this device.

    Args:
        name: What people call the target.
        output: Target file to write.
        runtime: Library that will run the network.
        provider: Kind of processor.
        precision: Arithmetic; see `autonad.latency.support.SUPPORTED` for what each runtime can do.
        threads: Threads of one network; all usable cores when None.

    Returns:
        Its hardware key.

    Raises:
        ConfigError: The output is a file of something else.
        LatencyError: The runtime is not installed, or cannot do what is asked.
    """
    from autonad.errors import ConfigError, LatencyError, StorageError
    from autonad.latency.target import Target

    if output.is_file() and output.stat().st_size:
        try:
            Target.load(output)
        except (StorageError, LatencyError) as error:
            raise ConfigError(
                f"output {output} is there and describes no target, so nothing was written; choose another "
                "--output, or remove it"
            ) from error

    # Whatever a person typed: the target itself says which words it knows.
    target = Target.describe(name, runtime, provider=provider, precision=precision, threads=threads)  # type: ignore[arg-type]
    target.save(output)
    return target.hardware_key
