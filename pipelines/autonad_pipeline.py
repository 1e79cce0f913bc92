"""The whole pipeline: decide, and train, search or reuse; then retrain, evaluate and deliver."""

from typing import Any

from kfp import dsl

from components.profile_latency import profile_latency
from components.search import search
from components.train_supernet import train_supernet
from pipelines.chain import Chain, opened
from pipelines.cluster import Cluster
from pipelines.description import describe


def make_pipeline(cluster: Cluster | None = None) -> Any:
    """The pipeline; `cluster` holds what cannot be its parameter."""
    cluster = cluster or Cluster()

    def autonad_pipeline(
        dataset_repository: str = "generated",
        dataset_revision: str = "",
        dataset_path: str = "",
        target: str = "here",
        latency: str = "",
        latency_budget_ms: float = 0.0,
        latency_budgets_ms: list = [],  # noqa: B006 - kfp reads defaults and never changes them
        preset: str = "edge",
        force: str = "none",
        settings: str = "",
        checkpoints: str = "",
        resources: dict = {},  # noqa: B006 - kfp reads defaults and never changes them
        mlflow_uri: str = "http://mlflow:5000",
        experiment: str = "autonad",
        secret: str = "autonad",
    ) -> None:
        """Design a defect detector for a dataset and a device, and keep it up to date.

        It searches on the first run, and again only if the defects look different or the device changed; else
        it retrains what it found. The page of the run, with what was decided and found, is at `close-run`.

        Args:
            dataset_repository: "generated" for a dataset to try things out; or s3://bucket/prefix of a DVC
                remote, which needs no git; or the address of a git repository with a DVC-tracked dataset; or
                a folder on a mounted volume.
            dataset_revision: With an s3:// remote the branch that `autonad publish` moves (empty: main), or
                the md5 in the .dvc file, ending in ".dir", for a fixed version. Of a git repository its
                branch, tag or commit (empty: the newest).
            dataset_path: The dataset's path in the repository, such as data/current. Its last part names the
                dataset in MLflow.
            target: Name of a target in `targets/` of the dataset's repository; or the text of the file that
                `autonad describe-target` wrote on the device; or "here", the node that runs the first task,
                to try things out.
            latency: For a device that is no node of the cluster: the folder that `autonad profile-latency
                --kit` wrote on it, as s3://bucket/prefix, or as a path in the dataset's repository. Empty: it
                is measured here.
            latency_budget_ms: Median latency on the target that must not be exceeded, ms. 0: that of the
                settings, else no limit.
            latency_budgets_ms: Several of them in its place, such as [1, 3]: one search, and a detector for
                each.
            preset: Search space: edge (for small devices), small, table1 and released (the paper's, large),
                or tiny (to try things out). Empty: that of the settings.
            force: "search" or "train" repeats that whatever is found; "none" lets the pipeline decide.
            settings: Further settings as in params.yaml, as YAML text, such as `retrain: {epochs: 60}`. What
                this form has a field for is taken from the field.
            checkpoints: Where interrupted training goes on from: s3://bucket/prefix, or a folder on a mounted
                volume. Empty: a training whose pod is lost starts over.
            resources: What tasks that train, search or measure may use, where it differs from `{"cpu": "1",
                "memory": "2Gi", "cpu_limit": "4", "memory_limit": "8Gi", "accelerator_type":
                "nvidia.com/gpu", "accelerator_count": "0", "node_selector": {}, "tolerations": []}`. cpu and
                memory must be free on a node; the limits are never exceeded.
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
            latency=latency,
            latency_budget_ms=latency_budget_ms,
            latency_budgets_ms=latency_budgets_ms,
            preset=preset,
            force=force,
            settings=settings,
            checkpoints=checkpoints,
            resources=resources,
            secret=secret,
            mlflow_uri=mlflow_uri,
            experiment=experiment,
        ) as chain:
            start = chain.start
            with dsl.If(start["Output"] == "train", name="train"):
                profiled = _profiled(chain)
                # One after the other: nothing else of this run is on the node while it is measured.
                trained = chain.training(train_supernet, pin=start["pin"]).after(profiled)
                _search_and_deliver(chain, trained.outputs["supernet"], profiled.outputs["latency"])
            with dsl.If(start["Output"] == "search", name="search"):
                profiled = _profiled(chain)
                _search_and_deliver(chain, start["last_supernet"], profiled.outputs["latency"])
            with dsl.If(start["Output"] == "reuse", name="reuse"):
                chain.deliver(start["last_search"], start["last_supernet"], start["last_latency"])

    made = dsl.pipeline(name="autonad", display_name="AutoNAD", description=describe(autonad_pipeline))
    return made(autonad_pipeline)


def _profiled(chain: Chain) -> dsl.PipelineTask:
    """Measures what the operators cost on the target."""
    names = ("request", "last_latency", "measured")
    return chain.placed(profile_latency, **{name: chain.start[name] for name in names})


def _search_and_deliver(chain: Chain, supernet: Any, latency: Any) -> None:
    """From a supernet to a registered detector."""
    searched = chain.training(search, pin=chain.start["pin"], supernet=supernet, latency=latency)
    chain.deliver(searched.outputs["found"], supernet, latency)
