"""What every step needs around its own work: seeds, threads, an MLflow run, and a way to report."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import SILENT, Console, some
from autonad.cores import too_many_threads
from autonad.errors import AutonadError
from autonad.tracking.tags import FAULTS

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.tracking import TrackingSettings
    from autonad.training.world import World

MOST_NAMED = 20  # faulty items in a run's tag


@dataclass
class Step:
    """A step under way: its MLflow run, and what it was called with."""

    run: Any
    context: Context
    said: str = ""
    red_flags: list[Fault] | None = None
    started: float = field(default_factory=time.monotonic)

    def uses(self, dataset: Dataset, context: str) -> None:
        """Log a dataset as the run's input.

        Args:
            dataset: The dataset.
            context: What it is used for: "training", "validation", "test".
        """
        if self.run.id is None:
            return
        from autonad.data.dvc_record import dvc_state
        from autonad.tracking.runs.dataset_facts import DatasetFacts

        known = dvc_state(dataset.root)
        facts = DatasetFacts(
            name=dataset_name(self.context.config, dataset),
            fingerprint=dataset.fingerprint,
            dvc_md5=known.md5,
            dvc_changed=known.changed,
            images=len(dataset.manifest),
            groups=dataset.manifest["group"].nunique(),
            classes=dataset.classes,
        )
        self.run.dataset(facts, context)

    def headline(self, line: str) -> None:
        """Say in one line what the step found; it becomes a note of the run and of its parent."""
        self.said = line

    def flag(self, found: Iterable[Fault], *, early: bool = False) -> tuple[Fault, ...]:
        """Record what makes the result worthless or doubtful, or that nothing does; see `report.red_flags`.

        It is said when the step ends, and stays visible on the run and on its parent.

        Args:
            found: None of them where all is well.
            early: Say it now, too, unless a step before has said it: work goes on for long.

        Returns:
            The same.
        """
        from autonad.report.flagged import line_of

        flags = tuple(found)
        self.red_flags = [*(self.red_flags or ()), *flags]
        if early:
            for line in dict.fromkeys(map(line_of, flags)):
                if line not in self.context.red_flags:
                    self.console.report(line)
        return flags

    def faulty(self, faults: pd.DataFrame) -> None:
        """Name the items with errors on the run; warnings are known or handled.

        Args:
            faults: Table of severity, kind, item, message.
        """
        errors = faults[faults["severity"] == "error"]
        items = [
            *dict.fromkeys(
                f"{item} ({kind})" for item, kind in zip(errors["item"], errors["kind"], strict=True)
            )
        ]
        if items:
            self.run.tag(FAULTS, f"{len(items)}: {some(items, MOST_NAMED)}")

    def log(self, metrics: dict[str, float], number: int) -> None:
        """Log the metrics of an epoch or generation."""
        self.run.log(metrics, step=number)

    def attach(self, folder: Path, *names: str) -> None:
        """Log files that the step has written."""
        for name in names:
            self.run.artifact(folder / name)

    def attach_training(
        self, folder: Path, names: tuple[str, ...], history: list[dict[str, float]], parameters: int
    ) -> None:
        """Draw a training's curves; log them, the files that it has written, and how large the network is."""
        from autonad.tracking.runs.step_figures import log_history

        self.attach(folder, *names)
        self.log({"model/parameters": float(parameters)}, 0)
        log_history(self.run, folder, history)

    @property
    def owner(self) -> str | None:
        """Whose copies of checkpoints are: its run in MLflow, or the execution where none is logged."""
        from autonad.tracking.runs.origin import execution_of

        if self.run.id is not None:
            return str(self.run.id)
        execution = execution_of(os.environ, self.context.execution)
        return None if execution is None else execution.name

    @property
    def console(self) -> Console:
        """Where this process reports."""
        return self.context.console

    @property
    def seconds(self) -> float:
        """Wall time since the step began."""
        return time.monotonic() - self.started


@contextmanager
def begin(
    stage: str,
    context: Context,
    *,
    params: dict[str, Any],
    tags: dict[str, str] | None = None,
    learns: bool = True,
    world: World | None = None,
) -> Iterator[Step]:
    """Seed everything, open the stage's MLflow run, and close it however the step ends.

    Args:
        stage: The step's verb.
        context: What the step was called with.
        params: What the run records as parameters.
        tags: Hexadecimal keys and the like.
        learns: Whether the step needs torch, which is seeded then; data steps do without it.
        world: The processes that do the step together, of which one logs and reports; None is this one alone.
    """
    from autonad.tracking import track

    if learns:
        seed_everything(context.config.seed, context.config.threads)
    settings = tracking_settings(context.config)
    if world is not None and not world.leads:
        settings, context = replace(settings, enabled=False), replace(context, console=SILENT)
    with track(
        settings,
        stage=stage,
        execution=context.execution,
        params=params,
        tags=tags or {},
        warn=context.console.report,
    ) as run:
        step = Step(run, context)
        if learns:  # the others are over in no time, and may refuse in one line
            _say_once(step, _crowded(context.config))
            _say_where(step, context.parameters, settings)
        yield step
        lines = _told(step)
        if not learns:
            _say_where(step, "", settings)
        if step.said:
            run.headline(step.said, lines)
        run.log({"time/seconds": step.seconds, "memory/peak_mib": peak_memory_mib()}, step=0)


def _say_where(step: Step, parameters: str, settings: TrackingSettings) -> None:
    """Say what is used that the user has perhaps not named, parameters and the store; once for all steps."""
    _say_once(step, parameters)
    _say_once(step, f"MLflow: {settings.shown}" if step.run.id is not None else "")


def _say_once(step: Step, line: str) -> None:
    """Report a line that no step of the command has reported, unless it is empty."""
    if line and line not in step.context.said:
        step.console.report(line)
        step.context.said.append(line)


def _crowded(config: Config) -> str:
    """What is wrong with more threads than cores, which a configuration of a larger machine asks for."""
    asked = (config.threads or 1) * (config.processes or 1)
    names = " × ".join(name for name in ("threads", "processes") if (getattr(config, name) or 1) > 1)
    return too_many_threads(asked, names)


def _told(step: Step) -> list[str]:
    """Say what is wrong with the step's result; the lines that were said, worst first."""
    from autonad.report.flagged import line_of

    if step.red_flags is None:
        return []
    flags = sorted(dict.fromkeys(step.red_flags), key=lambda flag: flag.severity)
    errors = sum(flag.severity == "error" for flag in flags)
    step.run.log({"flags/errors": float(errors), "flags/warnings": float(len(flags) - errors)})
    lines, known = [line_of(flag) for flag in flags], step.context.red_flags
    for line in lines:
        if line not in known:
            step.console.report(line)
            known.append(line)
    return lines


def tracking_settings(config: Config) -> TrackingSettings:
    """Where runs are logged: as the configuration says; see `effective` for MLflow's own variables."""
    from autonad.tracking.destination import TrackingSettings, effective

    return effective(
        TrackingSettings(
            uri=config.tracking.uri,
            experiment=config.tracking.experiment,
            enabled=config.tracking.enabled,
            system_seconds=config.tracking.system_seconds,
        )
    )


def tell_execution(context: Context, reason: str) -> None:
    """Say in MLflow why an execution failed, where no step does; nothing where it is logged nowhere."""
    from autonad.tracking.runs.origin import execution_of
    from autonad.tracking.runs.parents import record_failure

    execution = execution_of(os.environ, context.execution)
    if execution is None or not context.config.tracking.enabled:
        return
    with suppress(AutonadError):  # The failure itself is what the user must see.
        record_failure(tracking_settings(context.config), execution, reason)


def dataset_name(config: Config, dataset: Dataset) -> str:
    """What a dataset is called in MLflow, whatever its content: versions of it share the name."""
    return config.tracking.dataset or dataset.root.resolve().name


def seed_everything(seed: int, threads: int | None) -> None:
    """Seed the global generators and set torch's threads."""
    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    if threads is not None:
        torch.set_num_threads(threads)


def peak_memory_mib() -> float:
    """Peak resident memory of this process so far, MiB.

    Linux says it of the program that runs; `getrusage` also counts what its parent held when it was started.
    """
    import resource
    import sys

    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
