"""The whole pipeline: decide, and train, search or reuse; then retrain, evaluate, export and register."""

from typing import Any

from kfp import dsl

from components.decide import decide
from components.profile_latency import profile_latency
from components.search import search
from components.train_supernet import train_supernet
from pipelines.cluster import Cluster, Resources
from pipelines.delivery import make_delivery
from pipelines.opening import opened


def make_pipeline(cluster: Cluster | None = None) -> Any:
    """The pipeline; `cluster` holds what cannot be its parameter."""
    cluster = cluster or Cluster()
    delivery = make_delivery(cluster)

    @dsl.pipeline(name="autonad", display_name="AutoNAD")
    def autonad_pipeline(
        dataset_repository: str = "generated",
        dataset_revision: str = "",
        dataset_path: str = "",
        preset: str = "small",
        target: str = "here",
        latency_budget_ms: float = 0.0,
        supernet_epochs: int = 100,
        retrain_epochs: int = 45,
        force: str = "none",
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
        """Design a defect detector for a dataset and a device, and keep it up to date.

        It searches on the first run, and again only if the defects look different or the device changed; else
        it retrains what it found.

        Args:
            dataset_repository: "generated" for a dataset to try things out; or the address of a git
                repository with a DVC-tracked dataset; or s3://bucket/prefix of its DVC remote, which needs no
                git; or a folder on a mounted volume.
            dataset_revision: Branch, tag or commit of the repository (empty: the newest). With an s3://
                remote the md5 in the .dvc file, ending in ".dir".
            dataset_path: The dataset's path in the repository, such as data/current. Its last part names the
                dataset in MLflow.
            preset: Search space: tiny, small, table1 or released.
            target: Text of the target file that `autonad describe-target` wrote on the device; or "here", the
                node that runs the first task, to try things out.
            latency_budget_ms: Median latency on the target that must not be exceeded, ms. 0: no limit.
            supernet_epochs: Passes over the training images for the supernet. 0: as in the settings.
            retrain_epochs: Passes over the training images for the found architecture. 0: as in the settings.
            force: "search" or "train" repeats that whatever is found; "none" lets the pipeline decide.
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
            preset=preset,
            target=target,
            latency_budget_ms=latency_budget_ms,
            supernet_epochs=supernet_epochs,
            retrain_epochs=retrain_epochs,
            force=force,
            repository=dataset_repository,
            revision=dataset_revision,
            path=dataset_path,
            mlflow_uri=mlflow_uri,
            experiment=experiment,
        ) as start:
            config, device, dataset, last = start.config, start.target, start.dataset, start.last
            decided = use.computing(
                decide(
                    config=config,
                    target=device,
                    dataset=dataset,
                    last_pin=last["pin"],
                    last_search=last["search"],
                    champion=last["champion"],
                )
            )
            action, pin = decided.outputs["Output"], decided.outputs["pin"]

            def profiled() -> Any:
                """Latency table of the target: cached, because configuration and target say all about it."""
                return use.computing(profile_latency(config=config, target=device), cached=True)

            def searched(supernet: Any, latency: Any) -> Any:
                return use.training(
                    search(
                        config=config,
                        checkpoints=checkpoints,
                        dataset=dataset,
                        pin=pin,
                        supernet=supernet,
                        latency=latency,
                    )
                )

            def deliver(found: Any, latency: Any) -> None:
                delivery(
                    config=config,
                    target=device,
                    checkpoints=checkpoints,
                    dataset=dataset,
                    found=found,
                    latency=latency,
                    **use.parameters,
                )

            with dsl.If(action == "train", name="train"):
                trained = use.training(
                    train_supernet(config=config, checkpoints=checkpoints, dataset=dataset, pin=pin)
                )
                latency = profiled().outputs["latency"]
                found = searched(trained.outputs["supernet"], latency).outputs["found"]
                deliver(found, latency)
            with dsl.Elif(action == "search", name="search"):
                latency = profiled().outputs["latency"]
                found = searched(last["supernet"], latency).outputs["found"]
                deliver(found, latency)
            with dsl.Else(name="reuse"):
                deliver(last["search"], last["latency"])

    return autonad_pipeline
