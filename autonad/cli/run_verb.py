"""The verb that goes the whole way, from a folder of images to a report and a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autonad.cli.options import BudgetMs, Call, Classes, Format
from autonad.cli.output_options import held
from autonad.cli.text import interval
from autonad.console import tell, told_whole
from autonad.errors import FaultyItems
from autonad.report.units import percent

if TYPE_CHECKING:
    from autonad.steps.design_chain import Designed

RunOutput = Annotated[
    Path | None, typer.Option("--output", help="Folder to write.", show_default="runs/ and the source's name")
]


def run(
    *,
    source: Annotated[Path, typer.Option("--source", help="Folder of images and masks; or a csv file.")],
    output: RunOutput = None,
    budget_ms: BudgetMs = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            "--minutes",
            help="Time for everything; epochs and evaluations are fitted to it.",
            min=0.1,
            show_default="as long as the settings take",
        ),
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--target", help="Target file of the device.", show_default="this machine")
    ] = None,
    measured: Annotated[
        Path | None,
        typer.Option(
            "--measured",
            help="What another device measured: the folder that profile-latency --kit wrote there.",
            show_default="measured here",
        ),
    ] = None,
    format: Format = "auto",
    classes: Classes = None,
    replace_output: Annotated[
        bool,
        typer.Option(
            "--replace", help="Delete what the output folder holds first, if an earlier run made it."
        ),
    ] = False,
    call: Call,
) -> None:
    """Go from a folder of images and masks to a report and a model; the same command goes on after a stop."""
    from autonad.cli.fault_lines import causes_printed
    from autonad.console import duration
    from autonad.steps.own_data import run_own_data

    # A folder's dots are no suffix: batch.1 and batch.2 are two.
    resolved = source.resolve()
    output = output or Path("runs") / ((resolved.stem if resolved.is_file() else resolved.name) or "data")
    names = tuple(name.strip() for name in classes.split(",")) if classes else None
    with causes_printed(), held(output), call.with_budgets(budget_ms).context() as context:
        result = run_own_data(
            context,
            source=source,
            output=output,
            format=format,
            classes=names,
            target=target,
            measured=measured,
            minutes=minutes,
            replace_output=replace_output,
        )
    say_detectors(result.detectors)
    logged = "" if result.execution is None else f"; in MLflow: execution {result.execution}"
    tell("", f"took     {duration(sum(result.seconds.values()))}{logged}")
    say_red_flags(context.red_flags)
    if result.faulty:
        raise FaultyItems(
            f"{result.faulty} items of {source} could not be used; {output / 'dataset' / 'audit.html'} "
            "names them"
        )


def say_detectors(detectors: Sequence[Designed]) -> None:
    """Print what was designed, and where it is."""
    for one in detectors:
        tell()
        if len(detectors) > 1:
            tell(one.name)
        _say_detector(one)


def say_red_flags(lines: Sequence[str]) -> None:
    """Say once more, at the end, what makes the results doubtful."""
    if lines:
        tell("", "not to be relied on:", *(f"  {line}" for line in lines))


def _say_detector(one: Designed) -> None:
    rows = [
        ("test mIoU", f"{percent(one.miou)}{interval(one.interval)}"),
        ("test mF1", percent(one.mf1)),
        ("inherited validation mIoU", percent(one.inherited_miou)),
        ("parameters", f"{one.parameters:,}"),
        ("latency", one.latency),
    ]
    for label, value in rows:
        tell(f"{label:<28}{value}")
    first, *others = (line for told in (one.told[0], one.told[-1]) for line in told_whole(told))
    for label, line in (("rules of the line", first), *(("", other) for other in others)):
        tell(f"{label:<28}{line}")
    tell("", f"report   {one.report}", f"model    {one.model}")
