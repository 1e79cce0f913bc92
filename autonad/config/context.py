"""What every step is called with: what is set, what its runs belong to, and who listens."""

from __future__ import annotations

from dataclasses import dataclass, field

from autonad.config.loading import Config
from autonad.console import SILENT, Console


@dataclass(frozen=True)
class Context:
    """What every step is called with.

    Attributes:
        config: The configuration.
        execution: Groups the runs of one execution in MLflow under one parent; None leaves that to the
            orchestrator, or makes a run of its own.
        console: Where progress goes.
        parameters: What a person should know of where the configuration comes from; empty if nothing.
        red_flags: What makes results of steps doubtful, a line each; they are said again when all is done.
        said: What holds for all steps and was said by one of them: where settings and runs lie.
    """

    config: Config
    execution: str | None = None
    console: Console = SILENT
    parameters: str = ""
    red_flags: list[str] = field(default_factory=list, compare=False)
    said: list[str] = field(default_factory=list, compare=False)
