"""Turn what a person enters in the Kubeflow interface into a checked configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from autonad.config import Config, parse_config
from autonad.config.context import Context
from autonad.data.versions import DatasetVersion, resolve
from autonad.errors import ConfigError
from autonad.steps.step import tracking_settings

if TYPE_CHECKING:
    from autonad.latency.target import Target

HERE = "here"


@dataclass(frozen=True)
class PipelineInput:
    """What all later tasks of a pipeline work with.

    Attributes:
        config: The configuration as YAML.
        target: The target as JSON.
        version: The dataset, with where its content is.
    """

    config: str
    target: str
    version: DatasetVersion


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a person enters in the Kubeflow interface.

    Attributes:
        settings: Sections of params.yaml as YAML text; what is left out keeps its default.
        preset: Search space; empty keeps that of the settings, as it does for the following ones.
        target: Text of a target file, or "here" for the machine that runs this.
        latency_budget_ms: Zero keeps that of the settings.
        supernet_epochs: Zero keeps that of the settings.
        retrain_epochs: Zero keeps that of the settings.
        force: "none", "search" or "train"; "none" keeps that of the settings.
        repository: See `versions.resolve`.
        revision: See `versions.resolve`.
        path: See `versions.resolve`.
        mlflow_uri: Empty keeps that of the settings.
        experiment: Empty keeps that of the settings.
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


def configure(context: Context, form: Form) -> PipelineInput:
    """Check everything that can be known to be wrong before anything is computed.

    Args:
        context: Told which dataset is meant.
        form: What was entered.

    Raises:
        ConfigError: A setting, the preset or the target is wrong.
        DatasetError: The dataset's repository, revision or path do not exist.
        StorageError: The dataset's remote cannot be used.
        TrackingError: MLflow does not answer.
    """
    from autonad.space import SearchSpace
    from autonad.tracking.connection import connect

    entered: dict[str, Any] = {
        "space.preset": form.preset,
        "search.latency_budget_ms": form.latency_budget_ms,
        "train_supernet.epochs": form.supernet_epochs,
        "retrain.epochs": form.retrain_epochs,
        "decide.force": "" if form.force == "none" else form.force,
        "tracking.uri": form.mlflow_uri,
        "tracking.experiment": form.experiment,
    }
    overrides = [
        f"{name}={yaml.safe_dump(value).splitlines()[0]}" for name, value in entered.items() if value
    ]
    config = parse_config(form.settings, overrides, source="the pipeline's parameters")
    SearchSpace.preset(config.space.preset, config.space.operators)
    device = _target(form.target)
    if config.tracking.enabled:
        connect(tracking_settings(config))
    version = resolve(form.repository, form.revision, form.path)
    if config.tracking.dataset:
        version = replace(version, name=config.tracking.dataset)
    context.console.report(f"dataset {version.name} {version.md5}".rstrip())
    tracking = config.tracking.model_copy(update={"dataset": version.name})
    target_text = json.dumps(device.model_dump(), sort_keys=True)
    return PipelineInput(config_text(config.model_copy(update={"tracking": tracking})), target_text, version)


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
