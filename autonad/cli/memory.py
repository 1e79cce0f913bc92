"""The verbs about what MLflow remembers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autonad.cli.option_groups import grouped
from autonad.cli.options import Call, DatasetDir, OutputDir, Settings
from autonad.cli.output_options import held
from autonad.console import tell
from autonad.errors import ConfigError


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    for verb in (register, rollback, compare, gc):
        app.command()(grouped(verb))


def register(
    *,
    export: Annotated[Path, typer.Option("--export", help="Export folder.")],
    evaluation: Annotated[Path, typer.Option("--evaluation", help="Evaluation folder.")],
    dataset: DatasetDir,
    output: OutputDir,
    target: Annotated[
        Path | None, typer.Option("--target", help="Target file; default: what the search was for.")
    ] = None,
    call: Call,
) -> None:
    """Register a detector in MLflow; it is put in use if it beats the one that is."""
    from autonad import steps

    with held(output), call.context() as context:
        result = steps.register(
            context, export=export, evaluation=evaluation, dataset=dataset, output=output, target=target
        )
    decision = "not in use" if not result.champion else "in use: it has the alias champion"
    if result.version is not None:
        tell(f"{result.model}: version {result.version}, {decision}")
    for reason in result.reasons:
        tell(f"- {reason}")


def rollback(
    *,
    name: Annotated[str | None, typer.Option("--name", help="Registered model; needed if several.")] = None,
    to: Annotated[int | None, typer.Option("--to", help="Version; default: the previous champion.")] = None,
    settings: Settings,
) -> None:
    """Put the previous champion back in use."""
    from autonad import steps

    with settings.context() as context:
        model, now, before = steps.rollback(context, name=name, to=to)
    tell(f"{model}: version {now} is in use" + ("" if before is None else f", version {before} was"))


def compare(
    *,
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="RUN...", help="Names of executions, or run ids.", show_default="the last two executions"
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option("--last", min=2, help="Instead of RUN: so many of the newest finished executions."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="Page to write.")] = Path("compare.html"),
    settings: Settings,
) -> None:
    """Compare executions side by side: figures, Pareto fronts, architectures, what changed."""
    from autonad import steps

    with settings.context() as context:
        result = steps.compare(context, runs=runs or (), last=last, output=output)
    print(result.table)
    if result.changes:
        tell("", "what changed")
    for line in result.changes:
        tell(f"  {line}")
    tell("", f"open {result.page}")


def gc(
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove it; without this, it is only listed.")
    ] = False,
    checkpoints: Annotated[
        str | None,
        typer.Option(
            "--checkpoints",
            metavar="PLACE",
            help="Instead: copies of checkpoints at s3://bucket/prefix or in a folder.",
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            "--older-than",
            metavar="DAYS",
            min=0,
            help="Of these copies, those that nobody has written to for so many days.",
        ),
    ] = None,
    settings: Settings,
) -> None:
    """List what the retention rule does not keep in MLflow, or remove it; a champion's lineage stays."""
    from autonad import steps

    if (checkpoints is None) != (older_than is None):
        raise ConfigError("give --checkpoints PLACE and --older-than DAYS together, or neither")
    with settings.context() as context:
        if checkpoints is not None and older_than is not None:
            copies = steps.gc_checkpoints(
                context, place=checkpoints, older_than_days=older_than, delete=delete
            )
            lines = [(copy.num_bytes, f"{copy.name}: {_copy_of(copy.owner)}") for copy in copies]
        else:
            found = steps.gc(context, delete=delete)
            lines = [(leftover.num_bytes, f"{leftover}: {leftover.why}") for leftover in found]
    for num_bytes, line in lines:
        tell(f"{num_bytes / 1e6:10.1f} MB  {line}")
    total = f"{len(lines)} of them, {sum(num_bytes for num_bytes, _ in lines) / 1e6:.1f} MB in all"
    tell(f"removed: {total}" if delete else f"would go: {total}; nothing was changed, --delete removes them")


def _copy_of(run: str | None) -> str:
    return "of a step that logged nowhere" if run is None else f"of run {run}, which has ended"
