"""From an architecture to a registered detector: the part that all branches and both pipelines end in."""

from typing import Any

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input

from components.evaluate import evaluate
from components.export import export
from components.register import register
from components.retrain import retrain
from pipelines.cluster import Cluster, Resources


def make_delivery(cluster: Cluster) -> Any:
    """The nested pipeline; `cluster` holds what cannot be its parameter."""

    @dsl.pipeline(name="delivery")
    def delivery(
        config: str,
        target: str,
        checkpoints: str,
        dataset: Input[Dataset],
        found: Input[Artifact],
        latency: Input[Artifact],
        cpu: str,
        memory: str,
        accelerator_type: str,
        accelerator_count: str,
        node_selector: dict,
        tolerations: list,
        secret: str,
    ) -> None:
        """Retrain, evaluate, export, register."""
        use = Resources(
            cpu, memory, accelerator_type, accelerator_count, node_selector, tolerations, secret, cluster
        )
        retrained = use.training(
            retrain(config=config, checkpoints=checkpoints, dataset=dataset, found=found)
        )
        model = retrained.outputs["model"]
        evaluated = use.computing(
            evaluate(config=config, dataset=dataset, model=model, found=found, latency=latency)
        )
        evaluation = evaluated.outputs["evaluation"]
        exported = use.computing(export(config=config, dataset=dataset, model=model, evaluation=evaluation))
        use.computing(
            register(
                config=config,
                target=target,
                dataset=dataset,
                exported=exported.outputs["exported"],
                evaluation=evaluation,
                found=found,
            )
        )

    return delivery
