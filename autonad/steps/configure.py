"""Turn what a person enters in the Kubeflow interface into a checked configuration."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from autonad.config import Config, parse_config
from autonad.config.context import Context
from autonad.data.versions import GENERATED, DatasetVersion, resolve
from autonad.errors import ConfigError
from autonad.steps.resources import PodResources
from autonad.steps.step import tracking_settings

if TYPE_CHECKING:
    from autonad.latency.target import Target

HERE, REUSE, NO_SECRET = "here", "reuse", "none"
# Variables that the Secret gives a task; each of its keys is optional.
SECRET_KEYS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_DEFAULT_REGION",
    "AWS_REQUEST_CHECKSUM_CALCULATION",
    "AWS_RESPONSE_CHECKSUM_VALIDATION",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a person enters in the Kubeflow interface.

    Attributes:
        repository: See `versions.resolve`.
        revision: See `versions.resolve`.
        path: See `versions.resolve`.
        target: Text of a target file, its name in the dataset's repository, or "here" for the machine that
            runs this.
        latency: Where a device's measurements are, see `versions.fetch_folder`; empty measures here.
        latency_budget_ms: Zero keeps that of the settings.
        latency_budgets_ms: Several in its place; empty for none.
        preset: Search space; empty keeps that of the settings.
        force: "none", "search" or "train"; "none" keeps that of the settings. "reuse" decides nothing.
        settings: Sections of params.yaml as YAML text; what is left out keeps its default.
        checkpoints: Where trainings keep checkpoints; empty for nowhere.
        resources: See `PodResources`.
        secret: Name of the Secret with the credentials; "none" goes without.
        mlflow_uri: Empty keeps that of the settings.
        experiment: Empty keeps that of the settings.
    """

    repository: str
    revision: str
    path: str
    target: str
    latency: str
    latency_budget_ms: float
    latency_budgets_ms: list[Any]
    preset: str
    force: str
    settings: str
    checkpoints: str
    resources: dict[str, Any]
    secret: str
    mlflow_uri: str
    experiment: str


@dataclass(frozen=True)
class PipelineInput:
    """What all later tasks of a pipeline work with.

    Attributes:
        config: The configuration.
        target: The target.
        version: The dataset, with where its content is.
        resources: What later tasks may use.
        decides: Whether it is decided what is to be done; if not, the last search is reused.
    """

    config: Config
    target: Target
    version: DatasetVersion
    resources: PodResources
    decides: bool


def configure(context: Context, form: Form, measured: Path) -> PipelineInput:
    """Check everything that can be known to be wrong before anything is computed.

    Args:
        context: Told which dataset is meant.
        form: What was entered.
        measured: Folder for a device's measurements; left alone where none are named.

    Raises:
        ConfigError: A setting, the preset, the target or a resource is wrong, or the secret is missing.
        LatencyError: The measurements are damaged, of another space or of another device.
        DatasetError: The dataset's repository, revision or path do not exist.
        StorageError: The dataset's remote, or the place of the checkpoints, cannot be used.
        TrackingError: MLflow does not answer.
    """
    from autonad.space.configured import configured_space
    from autonad.storage.writable import check_writable
    from autonad.tracking.connection import connect

    form = _forgiven(form)
    resources = PodResources.of(form.resources)
    _check_secret(form.secret, os.environ)
    force = form.force.lower() or "none"
    entered: dict[str, Any] = {
        "space.preset": form.preset.lower(),
        "search.latency_budget_ms": _budgets(form),
        "decide.force": "" if force in ("none", REUSE) else force,
        "tracking.uri": form.mlflow_uri,
        "tracking.experiment": form.experiment,
    }
    overrides = [
        f"{name}={yaml.safe_dump(value, default_flow_style=True, width=math.inf).splitlines()[0]}"
        for name, value in entered.items()
        if value
    ]
    config = parse_config(form.settings, overrides, source="the form's settings")
    configured_space(config.space, config.input.size)
    if config.tracking.enabled:
        connect(tracking_settings(config))
    if form.checkpoints:
        check_writable(form.checkpoints)
    version = resolve(form.repository, form.revision, form.path)
    if config.tracking.dataset:
        version = replace(version, name=config.tracking.dataset)
    context.console.report(f"dataset {version.name} {version.md5}".rstrip())
    target = _measured(form, config, measured) if form.latency else _target(form, resources)
    tracking = config.tracking.model_copy(update={"dataset": version.name})
    return PipelineInput(
        config.model_copy(update={"tracking": tracking}), target, version, resources, force != REUSE
    )


def _forgiven(form: Form) -> Form:
    """Without the blanks around what was entered, and with the words that have a meaning in lower case.

    Checkpoints stay as they are: the trainings are given them as they were entered.
    """
    kept = ("settings", "checkpoints")
    texts = {name: text for name, text in vars(form).items() if isinstance(text, str) and name not in kept}
    entered: dict[str, Any] = {name: text.strip() for name, text in texts.items()}
    words = {"repository": GENERATED, "secret": NO_SECRET}
    entered |= {name: word for name, word in words.items() if entered[name].lower() == word}
    return replace(form, **entered)


def _budgets(form: Form) -> float | list[Any]:
    """The latency budget as a setting takes it.

    Raises:
        ConfigError: Both fields are filled in.
    """
    several = form.latency_budgets_ms
    if several and form.latency_budget_ms:
        raise ConfigError(
            f"latency_budget_ms is {form.latency_budget_ms:g} and latency_budgets_ms is {several}; fill in "
            "the first for one detector, or the second for a detector for each budget"
        )
    return several[0] if len(several) == 1 else several or form.latency_budget_ms


def config_text(config: Config) -> str:
    """A configuration as YAML, whole."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=True)


def _check_secret(name: str, environment: Mapping[str, str]) -> None:
    """A Secret that is not there is no error to Kubernetes, because its keys are optional."""
    if name != NO_SECRET and not any(environment.get(key) for key in SECRET_KEYS):
        raise ConfigError(
            f"Secret {name!r} is not in this namespace, or gives neither AWS_* nor MLFLOW_TRACKING_*; apply "
            "a copy of deploy/kubernetes/secrets.template.yaml that is filled in, or enter "
            f"{NO_SECRET!r} to go without"
        )


def _target(form: Form, resources: PodResources) -> Target:
    """The target that was entered, as text, by name, or as this machine."""
    from autonad.cores import usable_cores
    from autonad.data.versions import read_target
    from autonad.latency.target import Target

    text = form.target.strip()
    if text.startswith("{"):
        return Target.parse(text)
    if text.lower() != HERE:
        return Target.parse(read_target(form.repository, form.revision, text))
    if resources.node_selector:
        raise ConfigError(
            f"target {HERE!r} is the node of this task, and the others run where `resources.node_selector` "
            "says; describe such a node with `autonad describe-target` and enter that file's text"
        )
    # Later tasks are limited, and this one is not.
    cores = min(usable_cores(), resources.cores)
    return Target.describe(HERE, threads=cores).model_copy(update={"cores": cores})


def _measured(form: Form, config: Config, folder: Path) -> Target:
    """The target of a device's measurements, checked to be of this space and of the target that was entered.

    Raises:
        LatencyError: They are not.
    """
    from autonad.data.versions import fetch_folder
    from autonad.steps.profile_latency import check_measured

    fetch_folder(form.latency, form.repository, form.revision, folder)
    named = form.target.strip().lower()
    device = None if named in ("", HERE) else _target(form, PodResources())
    found = check_measured(folder, device, config)
    return found.target if device is None else device
