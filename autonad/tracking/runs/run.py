"""What a step can do with its run, whether tracking is on or off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from autonad.tracking.names import check_names
from autonad.tracking.runs.dataset_facts import DatasetFacts


class Run(Protocol):
    """One step's run. No method raises because of the server: the work matters more than its record."""

    @property
    def id(self) -> str | None:
        """MLflow's run id; None when tracking is off."""

    def log(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Log values at a step.

        Args:
            metrics: By names of `autonad.tracking.METRICS`; an unknown name is an AssertionError, None is
                left out.
            step: Epoch or generation.
        """

    def params(self, values: Mapping[str, Any]) -> None:
        """Log parameters, nested ones with dotted names; a value that is too long is cut and says so."""

    def tag(self, name: str, value: object) -> None:
        """Set a tag."""

    def headline(self, line: str, red_flags: Sequence[str] = ()) -> None:
        """Say in one line what the step found; the parent's note collects these lines.

        Args:
            line: What it found.
            red_flags: What makes that doubtful, a line each; the parent's tag collects them.
        """

    def dataset(self, data: DatasetFacts, context: str) -> None:
        """Log a dataset as an input, and tag the run with its name, fingerprint and DVC md5.

        Args:
            data: The dataset.
            context: What it was used for: "training", "validation", "test".
        """

    def text(self, content: str, name: str) -> None:
        """Upload text as a file, such as a figure in SVG."""

    def artifact(self, path: Path) -> None:
        """Upload a file."""

    def artifacts(self, path: Path, folder: str | None = None) -> None:
        """Upload everything in a folder, optionally into a folder of the run's artifacts."""

    def bundle(self, files: Mapping[str, Path], tags: Mapping[str, str]) -> bool:
        """Upload files that belong together, with a list of their sha256.

        Args:
            files: Name among the run's artifacts ("pin/pin.json") → local file of the same last name.
            tags: Set when all files have arrived, together with the sha256 of the list.

        Returns:
            Whether all arrived.

        Raises:
            StorageError: A file is missing.
        """


class NullRun:
    """A run that logs nothing; metric names are checked all the same."""

    @property
    def id(self) -> str | None:
        """There is none."""
        return None

    def log(self, metrics: Mapping[str, float | None], step: int = 0) -> None:
        """Check the names."""
        check_names(metrics)

    def params(self, values: Mapping[str, Any]) -> None:
        """Do nothing."""

    def tag(self, name: str, value: object) -> None:
        """Do nothing."""

    def headline(self, line: str, red_flags: Sequence[str] = ()) -> None:
        """Do nothing."""

    def dataset(self, data: DatasetFacts, context: str) -> None:
        """Do nothing."""

    def text(self, content: str, name: str) -> None:
        """Do nothing."""

    def artifact(self, path: Path) -> None:
        """Do nothing."""

    def artifacts(self, path: Path, folder: str | None = None) -> None:
        """Do nothing."""

    def bundle(self, files: Mapping[str, Path], tags: Mapping[str, str]) -> bool:
        """Do nothing."""
        return False
