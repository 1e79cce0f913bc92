"""Retrain what the last search found, without asking whether it still holds."""

from typing import Any

from kfp import dsl

from pipelines.cluster import Cluster, Resources
from pipelines.delivery import make_delivery
from pipelines.opening import opened


def make_pipeline(cluster: Cluster | None = None) -> Any:
    """The pipeline; `cluster` holds what cannot be its parameter."""
    cluster = cluster or Cluster()
    delivery = make_delivery(cluster)

    @dsl.pipeline(name="autonad-retrain", display_name="AutoNAD: retrain")
    def retrain_pipeline(
        dataset_repository: str = "generated",
        dataset_revision: str = "",
        dataset_path: str = "",
        target: str = "here",
        latency_budget_ms: float = 0.0,
        retrain_epochs: int = 45,
        checkpoints: str = "",
        mlflow_uri: str = "http://mlflow:5000",
        experiment: str = "autonad",
        settings: str = "",
        cpu: str = "4",
        memory: str = "8Gi",
        accelerator_type: str = "nvidia.com/gpu",
        accelerator_count: str = "0",
        node_selector: dict = {},  # noqa: B006 - kfp reads defaults and never changes them
        tolerations: list = [],  # noqa: B006
        secret: str = "autonad",
    ) -> None:
        """Retrain the architecture of the last search on the dataset of today, whatever it looks like.

        Args:
            dataset_repository: Address of a git repository with a DVC-tracked dataset; or s3://bucket/prefix
                of its DVC remote, which needs no git; or a folder on a mounted volume; or "generated".
            dataset_revision: Branch, tag or commit of the repository (empty: the newest). With an s3://
                remote the md5 in the .dvc file, ending in ".dir".
            dataset_path: The dataset's path in the repository, such as data/current.
            target: Text of the target file that `autonad describe-target` wrote on the device, or "here".
            latency_budget_ms: Median latency on the target that must not be exceeded, ms. 0: no limit.
            retrain_epochs: Passes over the training images. 0: as in the settings.
            checkpoints: Where interrupted training goes on from: s3://bucket/prefix, or a folder on a mounted
                volume. Empty: a retry starts over.
            mlflow_uri: The MLflow server.
            experiment: The experiment in MLflow; the last search is looked for there.
            settings: Further settings as in params.yaml, as YAML text.
            cpu: Cores of each task that computes.
            memory: Memory of each task that computes.
            accelerator_type: Resource name of the accelerator of tasks that train.
            accelerator_count: How many accelerators such a task gets. 0: it trains on the processor.
            node_selector: Labels that the nodes of computing tasks must have, as JSON.
            tolerations: Taints that these tasks tolerate, as a JSON list.
            secret: Kubernetes Secret with AWS_* and MLFLOW_TRACKING_* variables.
        """
        use = Resources(
            cpu, memory, accelerator_type, accelerator_count, node_selector, tolerations, secret, cluster
        )
        with opened(
            use,
            settings=settings,
            preset="",
            target=target,
            latency_budget_ms=latency_budget_ms,
            supernet_epochs=0,
            retrain_epochs=retrain_epochs,
            force="none",
            repository=dataset_repository,
            revision=dataset_revision,
            path=dataset_path,
            mlflow_uri=mlflow_uri,
            experiment=experiment,
        ) as start:
            delivery(
                config=start.config,
                target=start.target,
                checkpoints=checkpoints,
                dataset=start.dataset,
                found=start.last["search"],
                latency=start.last["latency"],
                **use.parameters,
            )

    return retrain_pipeline
