"""Which MLflow server or store runs are logged to."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autonad.errors import redact

URI_VARIABLE, EXPERIMENT_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
_RELATIVE = re.compile(r"sqlite:///(?!/|:memory:)(?P<path>[^?]+)(?P<rest>\?.*)?")


@dataclass(frozen=True)
class TrackingSettings:
    """Where runs are logged.

    Attributes:
        uri: Tracking server or store.
        experiment: Experiment name.
        enabled: False logs nothing, through the same interface.
        unsent: Folder for what the server did not take; made when it is needed.
        system_seconds: Time between two samples of the machine's load; None takes none.
    """

    uri: str = "sqlite:///mlflow.db"
    experiment: str = "autonad"
    enabled: bool = True
    unsent: Path = Path("mlflow-unsent")
    system_seconds: float | None = None

    @property
    def shown(self) -> str:
        """The store and the experiment, for people: a file with its folder, a server without its password."""
        found = _RELATIVE.fullmatch(self.uri)
        uri = f"sqlite:///{Path(found['path']).resolve()}{found['rest'] or ''}" if found else redact(self.uri)
        return f"{uri}, experiment {self.experiment}"


def effective(settings: TrackingSettings, environment: Mapping[str, str] = os.environ) -> TrackingSettings:
    """Where runs go, with what MLflow's own variables and DVC say.

    `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME` count where the configuration leaves the default. `dvc
    exp run --temp` works in a copy of the project that is deleted in the end: there, a store in the working
    folder is that of the project itself.
    """
    usual = TrackingSettings()
    if settings.uri == usual.uri:
        settings = replace(settings, uri=environment.get(URI_VARIABLE) or usual.uri)
    if settings.experiment == usual.experiment:
        settings = replace(settings, experiment=environment.get(EXPERIMENT_VARIABLE) or usual.experiment)
    root = environment.get("DVC_ROOT") if environment.get("DVC_EXP_NAME") else None
    if root is None:
        return settings
    settings = replace(settings, unsent=Path(root) / settings.unsent)
    if found := _RELATIVE.fullmatch(settings.uri):
        settings = replace(settings, uri=f"sqlite:///{Path(root) / found['path']}{found['rest'] or ''}")
    return settings
