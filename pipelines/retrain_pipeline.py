"""Retrain what the last search found, without asking whether it still holds."""

from typing import Any

from kfp import dsl

from autonad.steps import REUSE
from pipelines.chain import opened
from pipelines.cluster import Cluster
from pipelines.description import describe


def make_pipeline(cluster: Cluster | None = None) -> Any:
    """The pipeline; `cluster` holds what cannot be its parameter."""
    cluster = cluster or Cluster()

    def retrain_pipeline(
        dataset_repository: str = "generated",
        dataset_revision: str = "",
        dataset_path: str = "",
        target: str = "here",
        latency_budget_ms: float = 0.0,
        latency_budgets_ms: list = [],  # noqa: B006 - kfp reads defaults and never changes them
        settings: str = "",
        checkpoints: str = "",
        resources: dict = {},  # noqa: B006 - kfp reads defaults and never changes them
        mlflow_uri: str = "http://mlflow:5000",
        experiment: str = "autonad",
        secret: str = "autonad",
    ) -> None:
        """Retrain the architecture of the last search on the dataset of today, whatever it looks like.

        Args:
            dataset_repository: s3://bucket/prefix of a DVC remote, which needs no git; or the address of a
                git repository with a DVC-tracked dataset; or a folder on a mounted volume; or "generated".
            dataset_revision: With an s3:// remote the branch that `autonad publish` moves (empty: main), or
                the md5 in the .dvc file, ending in ".dir", for a fixed version. Of a git repository its
                branch, tag or commit (empty: the newest).
            dataset_path: The dataset's path in the repository, such as data/current.
            target: Name of a target in `targets/` of the dataset's repository; or the text of the file that
                `autonad describe-target` wrote on the device; or "here".
            latency_budget_ms: Median latency on the target that must not be exceeded, ms. 0: that of the
                settings, else no limit.
            latency_budgets_ms: Several of them in its place. Whatever is entered, each detector of the last
                search is retrained.
            settings: Further settings as in params.yaml, as YAML text, such as `retrain: {epochs: 60}`. What
                this form has a field for is taken from the field.
            checkpoints: Where interrupted training goes on from: s3://bucket/prefix, or a folder on a mounted
                volume. Empty: a training whose pod is lost starts over.
            resources: What tasks may use, where it differs from `{"cpu": "1", "memory": "2Gi", "cpu_limit":
                "4", "memory_limit": "8Gi", "accelerator_type": "nvidia.com/gpu", "accelerator_count": "0",
                "node_selector": {}, "tolerations": []}`.
            mlflow_uri: The MLflow server.
            experiment: The experiment in MLflow; the last search is looked for there.
            secret: Kubernetes Secret with the keys of `secrets.template.yaml`, credentials of S3 and MLflow;
                "none" goes without.
        """
        with opened(
            cluster,
            repository=dataset_repository,
            revision=dataset_revision,
            path=dataset_path,
            target=target,
            latency="",
            latency_budget_ms=latency_budget_ms,
            latency_budgets_ms=latency_budgets_ms,
            preset="",
            force=REUSE,
            settings=settings,
            checkpoints=checkpoints,
            resources=resources,
            secret=secret,
            mlflow_uri=mlflow_uri,
            experiment=experiment,
        ) as chain:
            chain.deliver(*(chain.start[name] for name in ("last_search", "last_supernet", "last_latency")))

    made = dsl.pipeline(
        name="autonad-retrain", display_name="AutoNAD: retrain", description=describe(retrain_pipeline)
    )
    return made(retrain_pipeline)
