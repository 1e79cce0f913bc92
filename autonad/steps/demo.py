"""The whole chain on a generated dataset."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import ParamSpec, TypeVar

from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.console import Console
from autonad.steps.audit import audit
from autonad.steps.describe_target import describe_target
from autonad.steps.evaluate import evaluate
from autonad.steps.export import export
from autonad.steps.fit_thresholds import fit_thresholds
from autonad.steps.profile_latency import profile_latency
from autonad.steps.register import register
from autonad.steps.retrain import retrain
from autonad.steps.search import search
from autonad.steps.synthesize import synthesize
from autonad.steps.train_supernet import train_supernet

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class DemoResult:
    """What the demo prints.

    Attributes:
        images: Generated images.
        miou: Test mIoU of the retrained architecture, a fraction, background included.
        mf1: Test mF1, likewise.
        interval: Bootstrap interval of the mIoU over parts.
        inherited_miou: Validation mIoU of the same architecture with the supernet's weights.
        parameters: Scalars in its tensors.
        latency: What it takes on the target and where it was exported, in words.
        seconds: Wall time per step, in order.
        report: The page to open.
        model: The ONNX file.
    """

    images: int
    miou: float
    mf1: float
    interval: tuple[float, float] | None
    inherited_miou: float
    parameters: int
    latency: str
    seconds: dict[str, float]
    report: Path
    model: Path


def demo_config(overrides: tuple[str, ...] = ()) -> Config:
    """The demo's own settings: a few minutes on two cores."""
    with resources.as_file(resources.files("autonad.steps") / "demo.yaml") as path:
        return load_config(path, overrides)


def demo(context: Context, *, output: Path, replace: bool = False) -> DemoResult:
    """Generate a dataset and run every step on it.

    Args:
        context: See `demo_config`.
        output: Folder for everything that is written; each step has a sub-folder named after it.
        replace: What an earlier demo wrote there is replaced; else it is refused.
    """
    timed = _Stopwatch(context.console)
    dataset, target = output / "dataset", output / "target.json"
    supernet, latency = output / "train-supernet", output / "profile-latency"
    found, model = output / "search", output / "retrain"
    evaluation, line, exported = output / "evaluate", output / "fit-thresholds", output / "export"

    data = timed("synthesize", synthesize, context, output=dataset, replace=replace)
    timed("audit", audit, context, dataset=dataset)
    describe_target(name="this-machine", output=target, threads=context.config.threads)
    timed("train-supernet", train_supernet, context, dataset=dataset, output=supernet)
    classes = len(data.classes)
    timed("profile-latency", profile_latency, context, target=target, output=latency, num_classes=classes)
    searched = timed(
        "search", search, context, dataset=dataset, supernet=supernet, latency=latency, output=found
    )
    timed("retrain", retrain, context, dataset=dataset, search=found, output=model)
    given = {"dataset": dataset, "model": model}
    scored = timed("evaluate", evaluate, context, **given, output=evaluation, search=found, latency=latency)
    fitted = timed("fit-thresholds", fit_thresholds, context, evaluation=evaluation, output=line)
    shipped = timed(
        "export", export, context, **given, evaluation=evaluation, rules=fitted.rules, output=exported
    )
    timed(
        "register",
        register,
        context,
        export=exported,
        evaluation=evaluation,
        dataset=dataset,
        output=output / "register",
    )
    return DemoResult(
        images=data.images,
        miou=scored.miou,
        mf1=scored.mf1,
        interval=scored.interval,
        inherited_miou=searched.miou,
        parameters=searched.parameters,
        latency=shipped.latency,
        seconds=timed.seconds,
        report=fitted.report or scored.report,
        model=shipped.path,
    )


class _Stopwatch:
    """Announces every step and takes its time, s."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    def __call__(self, name: str, step: Callable[P, R], *given: P.args, **paths: P.kwargs) -> R:
        self._console.report(f"── {name}")
        started = time.monotonic()
        result = step(*given, **paths)
        self.seconds[name] = time.monotonic() - started
        return result
