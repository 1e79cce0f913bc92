"""The whole chain on a generated dataset."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TypeVar

from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.steps.audit import audit
from autonad.steps.describe_target import describe_target
from autonad.steps.evaluate import evaluate
from autonad.steps.export import export
from autonad.steps.profile_latency import profile_latency
from autonad.steps.register import register
from autonad.steps.retrain import retrain
from autonad.steps.search import search
from autonad.steps.synthesize import synthesize
from autonad.steps.train_supernet import train_supernet

T = TypeVar("T")


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
        p50_ms: Median latency in ONNX Runtime on this machine, batch 1.
        p95_ms: Its 95th percentile.
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
    p50_ms: float
    p95_ms: float
    seconds: dict[str, float]
    report: Path
    model: Path


def demo_config(overrides: tuple[str, ...] = ()) -> Config:
    """The demo's own settings: a few minutes on two cores."""
    with resources.as_file(resources.files("autonad.steps") / "demo.yaml") as path:
        return load_config(path, overrides)


def demo(context: Context, *, output: Path) -> DemoResult:
    """Generate a dataset and run every step on it.

    Args:
        context: See `demo_config`.
        output: Folder for everything that is written; each step has a sub-folder named after it.
    """
    config, console = context.config, context.console
    seconds: dict[str, float] = {}

    def timed(name: str, step: Callable[[], T]) -> T:
        console.report(f"── {name}")
        started = time.monotonic()
        result = step()
        seconds[name] = time.monotonic() - started
        return result

    dataset, target = output / "dataset", output / "target.json"
    folder = {
        name: output / name
        for name in (
            "train-supernet",
            "profile-latency",
            "search",
            "retrain",
            "evaluate",
            "export",
            "register",
        )
    }
    data = timed("synthesize", lambda: synthesize(context, output=dataset))
    timed("audit", lambda: audit(context, dataset=dataset))
    describe_target(name="this-machine", output=target, threads=config.threads)
    timed("train-supernet", lambda: train_supernet(context, dataset=dataset, output=folder["train-supernet"]))
    timed(
        "profile-latency",
        lambda: profile_latency(
            context, target=target, output=folder["profile-latency"], num_classes=len(data.classes)
        ),
    )
    found = timed(
        "search",
        lambda: search(
            context,
            dataset=dataset,
            supernet=folder["train-supernet"],
            latency=folder["profile-latency"],
            output=folder["search"],
        ),
    )
    timed(
        "retrain",
        lambda: retrain(context, dataset=dataset, search=folder["search"], output=folder["retrain"]),
    )
    scored = timed(
        "evaluate",
        lambda: evaluate(
            context,
            dataset=dataset,
            model=folder["retrain"],
            output=folder["evaluate"],
            search=folder["search"],
            latency=folder["profile-latency"],
        ),
    )
    shipped = timed(
        "export",
        lambda: export(
            context,
            model=folder["retrain"],
            dataset=dataset,
            evaluation=folder["evaluate"],
            output=folder["export"],
        ),
    )
    timed(
        "register",
        lambda: register(
            context,
            export=folder["export"],
            evaluation=folder["evaluate"],
            dataset=dataset,
            output=folder["register"],
        ),
    )
    return DemoResult(
        images=data.images,
        miou=scored.miou,
        mf1=scored.mf1,
        interval=scored.interval,
        inherited_miou=found.miou,
        parameters=found.parameters,
        p50_ms=shipped.p50_ms,
        p95_ms=shipped.p95_ms,
        seconds=seconds,
        report=scored.report,
        model=shipped.path,
    )
