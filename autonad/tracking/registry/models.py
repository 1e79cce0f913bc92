"""The model registry: versions of a detector, and which of them is in use.

A registered model has two aliases: `champion`, the version in use, and `previous`, the one before it. Which
version got the alias last is kept in a tag, so that an alias that somebody moved or removed is noticed.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.errors import TrackingError
from autonad.tracking.checksums import DIGEST_TAG, DIGESTS, digests, verify
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
from autonad.tracking.registry.model_files import model_folder
from autonad.tracking.runs.run import TrackingSettings
from autonad.tracking.values import MAX_TAG, text

CHAMPION, PREVIOUS = "champion", "previous"
NAME_TAG, ONNX_TAG, DECISION_TAG = "autonad.model", "autonad.onnx_sha256", "autonad.decision"
MODEL = "model.onnx"


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


def model_name(dataset: str, target: str) -> str:
    """`autonad-<dataset>-<target>`, with "_" for what a registry does not take."""
    return "autonad-" + "-".join(re.sub(r"[^0-9A-Za-z_.-]", "_", part) for part in (dataset, target))


class Registry:
    """The registry of a server or store.

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

    def champion(self, name: str) -> Version | None:
        """The version in use; None if the model is new or no version of it was ever good enough.

        Raises:
            TrackingError: The model was renamed, or its alias was removed, by hand.
        """
        champion = self.alias(name, CHAMPION)
        if champion is not None:
            return champion
        versions = self.versions(name)
        once = [version for version in versions if version.decision == CHAMPION]
        if once:
            raise TrackingError(
                f"no version of {name} has the alias {CHAMPION}, which {once[-1]} had: somebody took it "
                "away; give "
                f"it back with `autonad rollback --name {name} --to {once[-1].number}`, then register again"
            )
        if not versions:
            self._check_renamed(name)
        return None

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
        example: Any,
        classes: int,
    ) -> Version:
        """Add a version; one with the same ONNX file that is there already is returned instead.

        Args:
            name: The registered model; made if need be.
            files: Name → local file; `model.onnx` is among them.
            run_id: The run that registers.
            tags: Of the version.
            example: float32 (1, 3, H, W), normalised: the input example, which gives the signature.
            classes: Classes of the output.

        Raises:
            TrackingError: The server refuses.
        """
        text_, digest = digests(dict(files))
        onnx = _sha256_of(text_, MODEL)
        for known in self.versions(name):
            if known.onnx_sha256 == onnx:
                return known
        with tempfile.TemporaryDirectory() as temporary, self._failures():
            folder = model_folder(Path(temporary) / "model", files, example, classes)
            (folder / DIGESTS).write_text(text_)
            experiment = experiment_id(self._client, self._settings)
            model = self._client.create_logged_model(
                experiment, name=name, source_run_id=run_id, model_type="segmentation"
            )
            with patient():
                self._client.log_model_artifacts(model.model_id, str(folder))
            self._client.finalize_logged_model(model.model_id, "READY")
            self._create(name)
            all_tags = {**tags, ONNX_TAG: onnx, DIGEST_TAG: digest}
            made = self._client.create_model_version(
                name,
                model.artifact_location,
                run_id=run_id,
                model_id=model.model_id,
                tags={tag: text(value, MAX_TAG) for tag, value in all_tags.items()},
            )
            return _version(made)

    def decide(self, version: Version, *, promote: bool, description: str) -> None:
        """Record what was decided about a version, and give it the alias if it won.

        The old champion becomes `previous` first: a crash in between leaves it in use.
        """
        with self._failures():
            client, number = self._client, str(version.number)
            client.update_model_version(version.name, number, description)
            if promote:
                old = self.alias(version.name, CHAMPION)
                if old is not None and old.number != version.number:
                    client.set_registered_model_alias(version.name, PREVIOUS, str(old.number))
                client.set_registered_model_alias(version.name, CHAMPION, number)
                client.set_registered_model_tag(version.name, "autonad.champion", number)
            client.set_model_version_tag(
                version.name, number, DECISION_TAG, CHAMPION if promote else "refused"
            )

    def moved_by_hand(self, champion: Version) -> int | None:
        """The version that was given the alias last, if it is another one than the one that has it."""
        with self._failures():
            tag = self._client.get_registered_model(champion.name).tags.get("autonad.champion")
        return int(tag) if tag is not None and int(tag) != champion.number else None

    def rollback(self, name: str, to: int | None = None) -> tuple[Version, Version | None]:
        """Give the alias back to the previous champion, or to a version of one's choice.

        Args:
            name: The registered model.
            to: A version; None takes the one with the alias `previous`.

        Returns:
            The new champion, and the one before.

        Raises:
            TrackingError: There is no such model, version or previous champion.
        """
        versions = {version.number: version for version in self.versions(name)}
        if not versions:
            self._check_renamed(name)
            raise TrackingError(
                f"there is no registered model {name!r}; known are {', '.join(self.models()) or 'none'}"
            )
        old, previous = self.alias(name, CHAMPION), self.alias(name, PREVIOUS)
        if to is None and previous is None:
            raise TrackingError(
                f"{name} has no version with the alias {PREVIOUS}, so there is nothing to go back to; name "
                f"one with --to (it has {', '.join(map(str, versions))})"
            )
        chosen = versions.get(previous.number if to is None and previous else to or 0)
        if chosen is None:
            raise TrackingError(f"{name} has no version {to}; it has {', '.join(map(str, versions))}")
        with self._failures():
            note = self._client.get_model_version(name, str(chosen.number)).description or ""
            line = f"Put back in use by a rollback{f' from version {old.number}' if old else ''}."
        self.decide(chosen, promote=True, description=f"{note}\n\n{line}".strip())
        return chosen, old if old is not None and old.number != chosen.number else None

    def models(self) -> list[str]:
        """Names of all registered models of ours."""
        with self._failures():
            return sorted(m.name for m in self._client.search_registered_models() if NAME_TAG in m.tags)

    def _create(self, name: str) -> None:
        try:
            self._client.create_registered_model(name, tags={NAME_TAG: name})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _check_renamed(self, name: str) -> None:
        with self._failures():
            renamed = [
                model.name
                for model in self._client.search_registered_models()
                if model.tags.get(NAME_TAG) == name and model.name != name
            ]
        if renamed:
            raise TrackingError(
                f"the registered model {name} was renamed to {renamed[0]}, so its champion is not found; "
                "rename "
                "it back in MLflow, then repeat the command"
            )

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
        onnx_sha256=found.tags.get(ONNX_TAG, ""),
        digests=found.tags.get(DIGEST_TAG),
        decision=found.tags.get(DECISION_TAG, ""),
        source=found.source,
    )


def _sha256_of(listing: str, name: str) -> str:
    import json

    return str(json.loads(listing)[name])
