"""Compare runs: a table for the terminal, and a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context
from autonad.errors import ConfigError
from autonad.steps.step import tracking_settings


@dataclass(frozen=True)
class CompareResult:
    """What a comparison says.

    Attributes:
        table: One line per run.
        changes: What was not the same, a line each; the page has all of it.
        page: The page.
    """

    table: str
    changes: list[str]
    page: Path


def compare(
    context: Context, *, output: Path, runs: Sequence[str] = (), last: int | None = None
) -> CompareResult:
    """Write a self-contained page about several executions, or single runs.

    Args:
        context: Section `tracking` decides where they are looked for.
        output: The page to write.
        runs: Names of executions, or run ids; the first one is what the others are compared with.
        last: Instead of `runs`: the newest finished executions, this many; 2 where neither is given.

    Raises:
        ConfigError: Fewer than two runs, one of them twice, or both `runs` and `last`.
        TrackingError: A run is not there, or the server cannot be used.
        StorageError: The page cannot be written.
    """
    config, console = context.config, context.console
    from autonad.report.comparison import changes_text, text_table, write_page
    from autonad.tracking.history.executions import Executions

    if last is not None and runs:
        raise ConfigError("name the runs to compare, or ask for the newest with --last N; not both")
    if last is None and not runs:
        last = 2
    if (last if last is not None else len(runs)) < 2:
        raise ConfigError("a comparison needs at least two runs; name two, or give --last 2 or more")
    executions = Executions(tracking_settings(config), console.report)
    found = executions.newest(last) if last is not None else executions.named(runs)
    if len({run.name for run in found}) < len(found):
        raise ConfigError("the same run is named twice; name each of them once")
    write_page(output, found)
    return CompareResult(text_table(found), changes_text(found), output)
