"""Versions of registered detectors: listed, added, and fetched with every file checked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.deploy import MODEL
from autonad.errors import TrackingError
from autonad.tracking.checksums import DIGESTS, digests, verify
from autonad.tracking.connection import (
    CONNECT,
    FAILURES,
    MlflowClient,
    MlflowException,
    all_pages,
    clear_failures,
    connect,
    experiment_id,
    patient,
)
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.identifiers import identifier
from autonad.tracking.registry.model_files import model_folder
from autonad.tracking.tags import CHAMPION, DECISION, DIGEST_TAG, MODEL_NAME, ONNX_SHA256
from autonad.tracking.values import MAX_TAG, text

_MAX_PART = 100  # characters of a dataset's or a target's name in a detector's


@dataclass(frozen=True)
class Version:
    """One version of a registered model.

    Attributes:
        name: The registered model.
        number: Its version, counted from 1.
        onnx_sha256: Of its ONNX file; empty if nobody recorded it.
        digests: Sha256 of its list of files; None if nobody recorded it.
        decision: What was decided about it: "champion", "refused", or empty.
        source: Where its files are.
    """

    name: str
    number: int
    onnx_sha256: str
    digests: str | None
    decision: str
    source: str

    def __str__(self) -> str:
        return f"version {self.number} of {self.name}"


def model_name(dataset: str, target: str, latency_budget_ms: float | None = None) -> str:
    """`autonad-<dataset>-<target>`, both as a registry takes them, then the budget, such as `-3ms`."""
    budget = "" if latency_budget_ms is None else f"-{latency_budget_ms:g}ms"
    return f"autonad-{identifier(dataset, limit=_MAX_PART)}-{identifier(target, limit=_MAX_PART)}{budget}"


class ModelVersions:
    """Registered models of a server or store, and their versions.

    Args:
        settings: Which one.

    Raises:
        TrackingError: It cannot be used.
    """

    def __init__(self, settings: TrackingSettings) -> None:
        self._settings = settings
        self._client: MlflowClient = connect(settings)

    def versions(self, name: str) -> list[Version]:
        """All versions of a model, oldest first; none if there is no such model."""
        with self._failures():
            found = all_pages(self._client.search_model_versions, f"name = '{name}'")
        return sorted((_version(one) for one in found), key=lambda version: version.number)

    def alias(self, name: str, alias: str) -> Version | None:
        """The version that has an alias; None if there is none."""
        try:
            model = self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            with self._failures():
                raise
        number = model.aliases.get(alias)
        if number is None:
            return None
        with self._failures():
            return _version(self._client.get_model_version(name, number))

    def fetch(self, version: Version, names: Sequence[str], folder: Path) -> None:
        """Download files of a version and check their sha256.

        Args:
            version: Which one.
            names: Files; `digests.json` comes along.
            folder: Where to.

        Raises:
            TrackingError: A file is missing or was changed, or the server cannot be reached.
        """
        for name in (DIGESTS, *names):
            self._download(version, name, folder)
        verify(folder, version.digests, set(names), str(version))

    def add(
        self,
        name: str,
        files: Mapping[str, Path],
        *,
        run_id: str | None,
        tags: Mapping[str, object],
        example: bytes,
    ) -> Version:
        """Add a version; one with the same ONNX file that is there already is returned instead.

        Args:
            name: The registered model; made if need be.
            files: Name → local file; `model.onnx` is among them.
            run_id: The run that registers.
            tags: Of the version.
            example: An image file, as the input example.

        Raises:
            TrackingError: The server refuses.
        """
        text_, digest = digests(dict(files))
        onnx = json.loads(text_)[MODEL]
        for known in self.versions(name):
            if known.onnx_sha256 == onnx:
                return known
        with tempfile.TemporaryDirectory() as temporary, self._failures():
            folder = model_folder(Path(temporary) / "model", files, example)
            (folder / DIGESTS).write_text(text_)
            experiment = experiment_id(self._client, self._settings)
            model = self._client.create_logged_model(
                experiment, name=name, source_run_id=run_id, model_type="segmentation"
            )
            with patient():
                self._client.log_model_artifacts(model.model_id, str(folder))
            self._client.finalize_logged_model(model.model_id, "READY")
            self._create(name)
            all_tags = {**tags, ONNX_SHA256: onnx, DIGEST_TAG: digest}
            made = self._client.create_model_version(
                name,
                model.artifact_location,
                run_id=run_id,
                model_id=model.model_id,
                tags={tag: text(value, MAX_TAG) for tag, value in all_tags.items()},
            )
            return _version(made)

    def _create(self, name: str) -> None:
        try:
            self._client.create_registered_model(name, tags={MODEL_NAME: name})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _download(self, version: Version, name: str, folder: Path) -> None:
        from mlflow.artifacts import download_artifacts

        folder.mkdir(parents=True, exist_ok=True)
        uri = f"{version.source}/{name}"
        try:
            with patient():
                download_artifacts(artifact_uri=uri, dst_path=str(folder), tracking_uri=self._settings.uri)
        except FAILURES as error:
            with self._failures():
                self._client.get_model_version(version.name, str(version.number))
            raise TrackingError(
                f"{version} has no file {name} that can be fetched; if it was not made by `autonad "
                "register`, "
                f"give the alias {CHAMPION} to a version that was: `autonad rollback --name {version.name} "
                "--to N`"
            ) from error

    def _failures(self) -> Any:
        return clear_failures(
            self._settings, f"{CONNECT}, then repeat the command: what was trained is still on disk"
        )


def _version(found: Any) -> Version:
    return Version(
        name=found.name,
        number=int(found.version),
        onnx_sha256=found.tags.get(ONNX_SHA256, ""),
        digests=found.tags.get(DIGEST_TAG),
        decision=found.tags.get(DECISION, ""),
        source=found.source,
    )
