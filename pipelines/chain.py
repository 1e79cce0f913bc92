"""What both pipelines are made of: a beginning that checks and decides, and an end that delivers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kfp import dsl

from components.close_run import close_run
from components.deliver import deliver
from components.evaluate import evaluate
from components.fit_thresholds import fit_thresholds
from components.prepare import prepare
from components.retrain import retrain
from pipelines.cluster import RESOURCES, Cluster

# What of the form the page of the run shows, or needs.
TOLD = (
    "repository",
    "path",
    "target",
    "latency_budget_ms",
    "latency_budgets_ms",
    "settings",
    "checkpoints",
    "mlflow_uri",
    "experiment",
)


@dataclass(frozen=True)
class Chain:
    """A pipeline under way.

    Attributes:
        cluster: How tasks run.
        secret: Name of the Secret.
        checkpoints: Where trainings keep checkpoints.
        start: Outputs of `prepare`.
    """

    cluster: Cluster
    secret: Any
    checkpoints: Any
    start: Any

    @property
    def use(self) -> dict[str, Any]:
        """What tasks may use."""
        return {name: self.start[name] for name in RESOURCES}

    def training(self, component: Any, **inputs: Any) -> dsl.PipelineTask:
        """A task that trains; it is given the request, the dataset and the checkpoints."""
        given = {**self.given, "checkpoints": self.checkpoints, **inputs}
        return self.cluster.training(named(component, given), self.secret, self.use)

    def placed(self, component: Any, **inputs: Any) -> dsl.PipelineTask:
        """A task that runs where the form says."""
        return self.cluster.placed(named(component, inputs), self.secret, self.use)

    def placed_light(self, component: Any, **inputs: Any) -> dsl.PipelineTask:
        """A task that computes a minute or less where the form says."""
        return self.cluster.placed_light(named(component, inputs), self.secret, self.use)

    @property
    def given(self) -> dict[str, Any]:
        """What most tasks read."""
        return {"request": self.start["request"], "dataset": self.start["dataset"]}

    def deliver(self, found: Any, supernet: Any, latency: Any) -> None:
        """From what a search found to registered detectors."""
        model = self.training(retrain, found=found, supernet=supernet).outputs["model"]
        given = {**self.given, "model": model, "found": found}
        evaluation = self.placed_light(evaluate, **given, latency=latency).outputs["evaluation"]
        judged = {"request": given["request"], "evaluation": evaluation, "found": found}
        fitted = self.placed_light(fit_thresholds, **judged)
        self.placed_light(deliver, **given, evaluation=evaluation, rules=fitted.outputs["rules"])


def named(component: Any, inputs: dict[str, Any]) -> dsl.PipelineTask:
    """A task that the graph calls after its component, in every branch: kfp numbers the others."""
    return component(**inputs).set_display_name(component.name)


@contextmanager
def opened(cluster: Cluster, **entered: Any) -> Iterator[Chain]:
    """Tasks within run after the inputs were checked; whatever becomes of them, the run gets its page.

    Args:
        cluster: How tasks run.
        entered: Inputs of `prepare`, without the run's name.
    """
    name, secret = dsl.PIPELINE_JOB_NAME_PLACEHOLDER, entered["secret"]
    closing = cluster.closing(close_run(run_name=name, **{key: entered[key] for key in TOLD}), secret)
    with dsl.ExitHandler(closing, name="detector"):
        first = cluster.light(prepare(run_name=name, **entered), secret)
        cluster.with_checkpoints(first)
        yield Chain(cluster, secret, entered["checkpoints"], first.outputs)
