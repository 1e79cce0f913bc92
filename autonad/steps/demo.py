"""The whole chain on a generated dataset."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.steps.audit import audit
from autonad.steps.chain import Chain, Figures, Link, require_own_teacher, start_over
from autonad.steps.design_chain import Design, Designed, fingerprint_of
from autonad.steps.register import register
from autonad.steps.synthesize import synthesize


@dataclass(frozen=True)
class DemoResult:
    """What the demo prints.

    Attributes:
        detectors: One for each latency budget.
        seconds: Wall time per step, in order.
        execution: Name of the execution in MLflow.
    """

    detectors: list[Designed]
    seconds: dict[str, float]
    execution: str | None


def demo_config(overrides: tuple[str, ...] = ()) -> Config:
    """The demo's own settings: a few minutes on two cores."""
    with resources.as_file(resources.files("autonad.steps") / "demo.yaml") as path:
        return load_config(path, overrides)


def demo(context: Context, *, output: Path, replace: bool = False) -> DemoResult:
    """Generate a dataset and run every step on it; the same call goes on where it was interrupted.

    Args:
        context: See `demo_config`.
        output: Folder for everything that is written; each step has a sub-folder named after it.
        replace: What the output holds is removed first, if an earlier demo made it.

    Raises:
        ConfigError: Something else is there, or a model shall teach.
    """
    require_own_teacher(context.config)
    if replace:
        start_over(output)
    chain = Chain(context, output, {"demo": "generated images"})
    context, dataset = chain.named(), output / "dataset"

    def made() -> Figures:
        done = synthesize(context, output=dataset, replace=dataset.exists())
        audit(context, dataset=dataset)
        return {"classes": done.classes}

    data = chain(
        Link(
            "synthesize",
            made,
            context.config.model_dump(mode="json", include={"synthesize", "data"}),
            writes=(dataset / "manifest.parquet", dataset / "classes.json"),
        )
    )
    design = Design(context, chain, output, fingerprint_of(dataset), tuple(data["classes"]))
    detectors = design.run()
    for detector in detectors:
        mark = "" if len(detectors) == 1 else f" {detector.name}"
        chain(_registering(context, detector, dataset, design.fingerprint, mark))
    return DemoResult(detectors, chain.spent, context.execution)


def _registering(context: Context, detector: Designed, dataset: Path, fingerprint: str, mark: str) -> Link:
    exported, evaluation = detector.model.parent, detector.evaluation
    registered = evaluation.with_name("register")

    def does() -> Figures:
        register(context, export=exported, evaluation=evaluation, dataset=dataset, output=registered)
        return {}

    settings = context.config.model_dump(mode="json", include={"register", "search", "tracking"})
    return Link(
        f"register{mark}",
        does,
        {**settings, "dataset": fingerprint},
        (detector.model, evaluation / "metrics.json"),
        (registered / "registration.json",),
    )
