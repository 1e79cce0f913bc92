"""The verb that judges a supernet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autonad.cli.options import Call, DatasetDir
from autonad.cli.output_options import ResumedOutput
from autonad.cli.text import coefficient
from autonad.console import tell


def assess_supernet(
    *,
    dataset: DatasetDir,
    supernet: Annotated[Path, typer.Option("--supernet", help="Supernet folder.")],
    latency: Annotated[Path, typer.Option("--latency", help="Latency folder.")],
    to: ResumedOutput,
    call: Call,
) -> None:
    """Train architectures from scratch and say how well the supernet ranks them."""
    from autonad import steps

    with to.held("assess-supernet") as resume, call.context() as context:
        result = steps.assess_supernet(
            context, dataset=dataset, supernet=supernet, latency=latency, output=to.output, resume=resume
        )
    tell(
        f"{to.output}: {result.architectures} architectures, Kendall's tau with training from scratch: "
        f"inherited mIoU {coefficient(result.tau, result.interval)}, parameters "
        f"{coefficient(result.nulls['parameters'])}, FLOPs {coefficient(result.nulls['flops'])}; open "
        f"{result.report} ({result.seconds:.0f} s)"
    )
