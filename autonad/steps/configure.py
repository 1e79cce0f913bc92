"""Turn what a person enters in the Kubeflow interface into a checked configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from autonad.config import Config, parse_config
from autonad.config.context import Context
from autonad.data.versions import Source, resolve
from autonad.errors import ConfigError
from autonad.steps.context import tracking_settings

if TYPE_CHECKING:
    from autonad.latency.target import Target

HERE = "here"


@dataclass(frozen=True)
class PipelineInput:
    """What all later tasks of a pipeline work with.

    Attributes:
        config: The configuration as YAML.
        target: The target as JSON.
        source: Where the dataset's content is.
    """

    config: str
    target: str
    source: Source


@dataclass(frozen=True)
class Entered:
    """What a person enters in the interface; empty or zero keeps what the settings say.

    Attributes:
        settings: Sections of params.yaml as YAML text; what is left out keeps its default.
        preset: Search space.
        target: Text of a target file, or "here" for the machine that runs this.
        latency_budget_ms: Median latency that must not be exceeded, ms.
        supernet_epochs: Passes over the training images for the supernet.
        retrain_epochs: Passes over the training images for the found architecture.
        force: "search" or "train" repeats that; "none" keeps what the settings say.
        repository: See `autonad.data.versions.resolve`.
        revision: Likewise.
        path: Likewise.
        mlflow_uri: The MLflow server.
        experiment: The experiment in MLflow.
    """

    settings: str
    preset: str
    target: str
    latency_budget_ms: float
    supernet_epochs: int
    retrain_epochs: int
    force: str
    repository: str
    revision: str
    path: str
    mlflow_uri: str
    experiment: str

    @property
    def overrides(self) -> list[str]:
        """What replaces the settings, as `section.key=value`."""
        values: dict[str, Any] = {
            "space.preset": self.preset,
            "search.latency_budget_ms": self.latency_budget_ms,
            "train_supernet.epochs": self.supernet_epochs,
            "retrain.epochs": self.retrain_epochs,
            "decide.force": "" if self.force == "none" else self.force,
            "tracking.uri": self.mlflow_uri,
            "tracking.experiment": self.experiment,
        }
        return [f"{name}={yaml.safe_dump(value).splitlines()[0]}" for name, value in values.items() if value]


def configure(context: Context, entered: Entered) -> PipelineInput:
    """Check everything that can be known to be wrong before anything is computed.

    Args:
        context: Told which dataset is meant.
        entered: What a person entered.

    Raises:
        ConfigError: A setting, the preset or the target is wrong.
        DatasetError: The dataset's repository, revision or path do not exist.
        StorageError: The dataset's remote cannot be used.
        TrackingError: MLflow does not answer.
    """
    from autonad.space import SearchSpace
    from autonad.tracking.connection import connect

    config = parse_config(entered.settings, entered.overrides, source="the pipeline's parameters")
    SearchSpace.preset(config.space.preset, config.space.operators)
    device = _target(entered.target)
    if config.tracking.enabled:
        connect(tracking_settings(config))
    source = resolve(entered.repository, entered.revision, entered.path)
    if config.tracking.dataset:
        source = replace(source, name=config.tracking.dataset)
    context.console.report(f"dataset {source.name} {source.md5}".rstrip())
    tracking = config.tracking.model_copy(update={"dataset": source.name})
    target_text = json.dumps(device.model_dump(), sort_keys=True)
    return PipelineInput(config_text(config.model_copy(update={"tracking": tracking})), target_text, source)


def config_text(config: Config) -> str:
    """A configuration as YAML, whole."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=True)


def _target(text: str) -> Target:
    from autonad.errors import LatencyError
    from autonad.latency.target import Target

    if text.strip() == HERE:
        return Target.describe(HERE)
    try:
        return Target.parse(text)
    except LatencyError as error:
        raise ConfigError(
            f"target {text[:40]!r} is neither {HERE!r} nor the text of a target file; make one on the device "
            "with `autonad describe-target`"
        ) from error
