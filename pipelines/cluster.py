"""How tasks run on a cluster: resources, secrets, time limits, retries, identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kfp import dsl, kubernetes

from autonad.kubeflow.supervisor import RETRIES
from autonad.steps import SECRET_KEYS

CHECKPOINTS = "/checkpoints"
# Where people open MLflow, if that is not the address that tasks use: each installation has its own.
ADDRESS = "AUTONAD_MLFLOW_UI"
# What a task asks a node for that computes a minute or less: it fits beside others on the smallest node, and
# may use what is free. Tasks that train, search or measure ask for what the form's `resources` say.
LIGHT_CPU, LIGHT_MEMORY = "200m", "512Mi"
RESOURCES = (
    "cpu",
    "memory",
    "cpu_limit",
    "memory_limit",
    "accelerator_type",
    "accelerator_count",
    "node_selector",
    "tolerations",
)


@dataclass(frozen=True)
class Cluster:
    """What Kubeflow takes when a pipeline is compiled and not as a parameter.

    Attributes:
        retries: Attempts after the first one of a task whose pod is lost, and of one whose process dies.
        backoff: Wait before the first new pod; it doubles from one to the next.
        training_hours: Time limit of a task that trains, searches or measures.
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

    def closing(self, task: dsl.PipelineTask, secret: Any) -> dsl.PipelineTask:
        """The task that runs last, however the others ended; Kubeflow repeats none of its kind."""
        task.set_caching_options(enable_caching=False)
        kubernetes.set_timeout(task, int(3600 * self.hours))
        task.set_cpu_request(LIGHT_CPU).set_memory_request(LIGHT_MEMORY)
        task.set_env_variable(RETRIES, str(self.retries))
        credentials(task, secret)
        return self.with_checkpoints(task)

    def light(self, task: dsl.PipelineTask, secret: Any) -> dsl.PipelineTask:
        """A task that computes a minute or less."""
        self._any(task, secret, self.hours)
        task.set_cpu_request(LIGHT_CPU).set_memory_request(LIGHT_MEMORY)
        return task

    def placed(self, task: dsl.PipelineTask, secret: Any, use: dict[str, Any]) -> dsl.PipelineTask:
        """A task that computes where and with what the form says.

        Args:
            task: The task.
            secret: Name of the Secret.
            use: Outputs of `prepare` of the names in `RESOURCES`.
        """
        self._any(task, secret, self.training_hours)
        # Channels that no argument carries do not reach a nested group of themselves.
        task.register_pipeline_channels([use[name] for name in RESOURCES])
        task.set_cpu_request(use["cpu"]).set_cpu_limit(use["cpu_limit"])
        task.set_memory_request(use["memory"]).set_memory_limit(use["memory_limit"])
        kubernetes.add_node_selector_json(task, use["node_selector"])
        kubernetes.add_toleration_json(task, use["tolerations"])
        return task

    def placed_light(self, task: dsl.PipelineTask, secret: Any, use: dict[str, Any]) -> dsl.PipelineTask:
        """A task that computes a minute or less where the form says; it never waits for a large node."""
        self.placed(task, secret, use)
        task.set_cpu_request(LIGHT_CPU).set_memory_request(LIGHT_MEMORY)
        return task

    def training(self, task: dsl.PipelineTask, secret: Any, use: dict[str, Any]) -> dsl.PipelineTask:
        """A task that trains: accelerators, shared memory, and a place for checkpoints."""
        self.placed(task, secret, use)
        task.set_accelerator_type(use["accelerator_type"]).set_accelerator_limit(use["accelerator_count"])
        kubernetes.empty_dir_mount(
            task,
            volume_name="shared-memory",
            mount_path="/dev/shm",  # nosec B108 # a mount point of a pod
            medium="Memory",
            size_limit=self.shared_memory,
        )
        return self.with_checkpoints(task)

    def with_checkpoints(self, task: dsl.PipelineTask) -> dsl.PipelineTask:
        """A task that sees the volume of the checkpoints, where there is one."""
        if self.checkpoint_volume is not None:
            kubernetes.mount_pvc(task, pvc_name=self.checkpoint_volume, mount_path=CHECKPOINTS)
        return task

    def _any(self, task: dsl.PipelineTask, secret: Any, hours: float) -> None:
        """Credentials, identity, a time limit, new pods for lost ones; nothing is taken from a cache.

        No user id is set: where the platform gives a random one (OpenShift), a fixed one would be refused.
        """
        task.set_caching_options(enable_caching=False)
        seconds = int(3600 * hours)
        kubernetes.set_timeout(task, seconds)
        task.set_retry(
            self.retries,
            backoff_duration=self.backoff,
            backoff_factor=2.0,
            # Without it Argo stops to repeat a task that is an hour old.
            backoff_max_duration=f"{seconds}s",
        )
        task.set_env_variable(RETRIES, str(self.retries))
        credentials(task, secret)


def credentials(task: dsl.PipelineTask, secret: Any) -> None:
    """What a Secret holds, the run's id, and a user that is not root."""
    names = {name: name for name in (*SECRET_KEYS, ADDRESS)}
    kubernetes.use_secret_as_env(task, secret, names, optional=True)
    # The run's id names the execution in MLflow.
    kubernetes.use_field_path_as_env(task, "KFP_RUN_ID", "metadata.labels['pipeline/runid']")
    kubernetes.set_security_context(task, run_as_non_root=True)
