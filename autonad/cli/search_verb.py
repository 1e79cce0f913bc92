"""The verb that searches, for several targets and budgets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autonad.cli.options import BudgetMs, Call, DatasetDir, PinDir
from autonad.cli.output_options import ResumedOutput
from autonad.console import tell
from autonad.report.units import percent

if TYPE_CHECKING:
    from autonad.steps.search import SearchResult


def search(
    *,
    dataset: DatasetDir,
    supernet: Annotated[Path, typer.Option("--supernet", help="Supernet folder.")],
    latency: Annotated[
        list[Path], typer.Option("--latency", help="Latency folder. Repeatable: one for each target.")
    ],
    budget_ms: BudgetMs = None,
    pin: PinDir = None,
    to: ResumedOutput,
    call: Call,
) -> None:
    """Find the best architecture for every target and latency budget."""
    from autonad import steps

    with to.held("search") as resume, call.with_budgets(budget_ms).context() as context:
        result = steps.search(
            context,
            dataset=dataset,
            supernet=supernet,
            latency=latency,
            output=to.output,
            pin=pin,
            resume=resume,
        )
    for one in (result, *result.others):
        _say_found(one)
    tell(f"{to.output}: {result.evaluations} architectures evaluated ({result.seconds:.0f} s)")


def _say_found(found: SearchResult) -> None:
    from autonad.report.units import milliseconds, per_image

    cost = f"{milliseconds(found.predicted_ms)} predicted"
    if found.measured_ms is not None:
        cost = f"{milliseconds(found.measured_ms)} measured ({cost})"
    cost += per_image(found.measured_ms or found.predicted_ms, found.tiles)
    tell(
        f"{found.folder}: architecture {found.key}, {found.parameters:,} parameters, inherited validation "
        f"mIoU {percent(found.miou)}, {cost}"
    )
    tell(f"  {found.reason}")
