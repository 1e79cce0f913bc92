"""What a pipeline does last, however it ended: the execution's status in MLflow, and the page of the run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from autonad.config import parse_config
from autonad.errors import AutonadError
from autonad.files import write_text_atomic
from autonad.kubeflow.tasks import tracking_text
from autonad.steps.step import tracking_settings


@dataclass(frozen=True)
class Closed:
    """A closed execution.

    Attributes:
        text: What was recorded, or why nothing could be, in a line.
        page: The page of the run as HTML.
    """

    text: str
    page: str = ""

    def save(self, path: Path) -> None:
        """Write the page."""
        write_text_atomic(path, self.page)

    def __str__(self) -> str:
        return self.text


def close(settings: str, *, uri: str, experiment: str, state: str, message: str | None, name: str) -> Closed:
    """Give the execution's parent run its last status; what a pipeline does last, however it ended.

    Args:
        settings: The pipeline's settings as YAML.
        uri: MLflow, as the pipeline was given it; empty for that of the settings.
        experiment: Likewise.
        state: What Kubeflow says the pipeline ended with; see `autonad.tracking.runs.outcome`.
        message: What Kubeflow says about a failure.
        name: What the pipeline's run is called.
    """
    from autonad.tracking.runs.ending import close_execution
    from autonad.tracking.runs.origin import NAME_VARIABLE, execution_of

    os.environ[NAME_VARIABLE] = name
    execution = execution_of(os.environ)
    try:
        config = parse_config(tracking_text(settings, uri, experiment), source="the pipeline's parameters")
        if not config.tracking.enabled or execution is None:
            return Closed("nothing to close: tracking is off, or there is no execution")
        ended = close_execution(
            tracking_settings(config), execution, state=state, message=message or ""
        ).outcome
    except AutonadError as error:
        return Closed(f"the parent run cannot be closed: {error}")
    words = {"FINISHED": "is finished", "FAILED": "failed", "KILLED": "was ended"}[ended.status]
    return Closed(f"{execution.title} {words}" + (f": {ended.reason}" if ended.reason else ""))
