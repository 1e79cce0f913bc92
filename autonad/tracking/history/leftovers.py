"""What may go from MLflow: some files of a run, or a version with all of its files, and how large it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from autonad.tracking.destination import TrackingSettings

# Stage → what goes, among its artifacts. What a comparison shows stays.
HEAVY: dict[str, tuple[str, ...]] = {
    "search": (
        "pin",
        "supernet",
        "latency",
        "search/inherited.safetensors",
        "search/variants",
        "search/pareto.html",
        "digests.json",
    ),
    "train-supernet": ("supernet.safetensors", "records.parquet"),
}


@dataclass(frozen=True)
class Leftover:
    """Something that may go.

    Attributes:
        kind: Of what.
        name: Run id, or registered model.
        version: Its version; empty for a run.
        uri: Where its files are.
        paths: Which of them go; empty for all.
        num_bytes: Their size.
        why: The reason, for people.
    """

    kind: Literal["search", "train-supernet", "version"]
    name: str
    version: str
    uri: str
    paths: tuple[str, ...]
    num_bytes: int
    why: str

    def __str__(self) -> str:
        return f"version {self.version} of {self.name}" if self.version else f"{self.kind} run {self.name}"


class Artifacts:
    """The files that a server keeps, wherever it does: their sizes, and their end.

    Args:
        settings: Which server.
    """

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings = settings

    def of_run(self, run: Any, stage: Any, why: str) -> Leftover:
        """What may go of a run, which may be nothing."""
        paths = [path for path in HEAVY[stage] if self._size(run.info.artifact_uri, path) is not None]
        sizes = [self._size(run.info.artifact_uri, path) or 0 for path in paths]
        uri = run.info.artifact_uri
        return Leftover(stage, run.info.run_id, "", uri, tuple(paths), sum(sizes), why)

    def of_version(self, version: Any, why: str) -> Leftover:
        """A version, whole."""
        size = self._size(version.source, None) or 0
        return Leftover("version", version.name, str(version.version), version.source, (), size, why)

    def delete(self, leftover: Leftover) -> None:
        """Remove the files."""
        repository = self._repository(leftover.uri)
        for path in leftover.paths or (None,):
            repository.delete_artifacts(path)

    def _size(self, uri: str, path: str | None) -> int | None:
        """Bytes of a file or of all files in a folder; None where there is nothing."""
        repository = self._repository(uri)
        parent, _, _ = (path or "").rpartition("/")
        beside = repository.list_artifacts(parent or None)
        if path is None:
            return sum(_sizes(repository, beside))
        return next((sum(_sizes(repository, [entry])) for entry in beside if entry.path == path), None)

    def _repository(self, uri: str) -> Any:
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        return get_artifact_repository(uri, tracking_uri=self._settings.uri)


def _sizes(repository: Any, entries: Iterable[Any]) -> Iterable[int]:
    for entry in entries:
        if entry.is_dir:
            yield from _sizes(repository, repository.list_artifacts(entry.path))
        else:
            yield entry.file_size or 0
