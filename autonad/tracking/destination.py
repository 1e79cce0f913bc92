"""Which MLflow server or store runs are logged to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
