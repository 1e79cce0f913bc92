"""How tasks run on a cluster: resources, secrets, time limits, retries, identity."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from kfp import dsl, kubernetes

# Keys of the Secret and the variables that tasks see them as.
SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
CHECKPOINTS = "/checkpoints"


@dataclass(frozen=True)
class Cluster:
    """What Kubeflow takes when a pipeline is compiled and not as a parameter.

    Attributes:
        retries: Attempts after the first one of a task that trains.
        backoff: Wait before the first of them; it doubles from one to the next.
        training_hours: Time limit of a task that trains.
        hours: Time limit of any other task.
        checkpoint_volume: PersistentVolumeClaim that is mounted at /checkpoints; None mounts none.
        shared_memory: Size limit of /dev/shm of tasks that train.
    """

    retries: int = 3
    backoff: str = "60s"
    training_hours: float = 72
    hours: float = 4
    checkpoint_volume: str | None = None
    shared_memory: str = "2Gi"


@dataclass(frozen=True)
class Resources:
    """Parameters of the pipeline that say what a task may use, and where.

    Attributes:
        cpu: Cores, requested and at most.
        memory: Memory, requested and at most.
        accelerator_type: Resource name of the accelerator.
        accelerator_count: How many of them a task that trains gets.
        node_selector: Labels that a node must have.
        tolerations: Taints of nodes that are accepted.
        secret: Name of the Secret with the credentials.
    """

    cpu: Any
    memory: Any
    accelerator_type: Any
    accelerator_count: Any
    node_selector: Any
    tolerations: Any
    secret: Any
    cluster: Cluster = field(default_factory=Cluster)

    @property
    def parameters(self) -> dict[str, Any]:
        """By name, as a nested pipeline takes them."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "cluster"}

    def light(self, task: dsl.PipelineTask, *, cached: bool = False) -> dsl.PipelineTask:
        """A task that asks servers or reads a folder; cached only where its inputs are content hashes."""
        task.set_caching_options(enable_caching=cached)
        credentials(task, self.secret)
        kubernetes.set_timeout(task, int(3600 * self.cluster.hours))
        return task

    def computing(self, task: dsl.PipelineTask, *, cached: bool = False) -> dsl.PipelineTask:
        """A task that computes on the processor."""
        self.light(task, cached=cached)
        task.set_cpu_request(self.cpu).set_cpu_limit(self.cpu)
        task.set_memory_request(self.memory).set_memory_limit(self.memory)
        kubernetes.add_node_selector_json(task, self.node_selector)
        kubernetes.add_toleration_json(task, self.tolerations)
        return task

    def training(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        """A task that trains: accelerators, and retries that go on from a checkpoint."""
        self.computing(task)
        task.set_accelerator_type(self.accelerator_type).set_accelerator_limit(self.accelerator_count)
        task.set_retry(self.cluster.retries, backoff_duration=self.cluster.backoff, backoff_factor=2.0)
        kubernetes.set_timeout(task, int(3600 * self.cluster.training_hours))
        kubernetes.empty_dir_mount(
            task,
            volume_name="shared-memory",
            mount_path="/dev/shm",
            medium="Memory",
            size_limit=self.cluster.shared_memory,
        )
        if self.cluster.checkpoint_volume is not None:
            kubernetes.mount_pvc(task, pvc_name=self.cluster.checkpoint_volume, mount_path=CHECKPOINTS)
        return task


def credentials(task: dsl.PipelineTask, secret: Any) -> dsl.PipelineTask:
    """Credentials from a Secret, the run's id, and a user that is not root.

    No user id is set: where the platform gives a random one (OpenShift), a fixed one would be refused.
    """
    kubernetes.use_secret_as_env(task, secret, {name: name for name in SECRET_KEYS}, optional=True)
    # The run's id names the execution in MLflow; as a parameter it would spoil the cache.
    kubernetes.use_field_path_as_env(task, "KFP_RUN_ID", "metadata.labels['pipeline/runid']")
    kubernetes.set_security_context(task, run_as_non_root=True)
    return task
