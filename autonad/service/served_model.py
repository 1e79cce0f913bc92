"""The model that is served: a file, or what an alias in MLflow means, open and ready."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from autonad.data.pixels.scaling import ImageReading
from autonad.data.single_image import image_reading
from autonad.detector.engine import Detector
from autonad.detector.rules import Rules
from autonad.detector.session import OnnxNetwork
from autonad.errors import AutonadError, ConfigError, ExportError, first_line
from autonad.files import sha256_file
from autonad.reading.bounds import folded
from autonad.service.schemas import ModelIdentity

REGISTERED = "models:/"


@dataclass(frozen=True)
class ServedModel:
    """A detector, ready, and what it is.

    Attributes:
        detector: The network and the rules in force.
        identity: Which one it is.
        reading: How images are read.
    """

    detector: Detector
    identity: ModelIdentity
    reading: ImageReading


class ModelSource(Protocol):
    """Where the model comes from."""

    @property
    def name(self) -> str:
        """A path, or models:/name@alias."""

    def stamp(self) -> str:
        """Changes whenever another model is meant."""

    def local(self, stamp: str) -> AbstractContextManager[Path]:
        """A file with the model that a stamp means."""

    def version(self, stamp: str) -> str | None:
        """Its version in a registry."""


@dataclass(frozen=True)
class FileSource:
    """A file; another one in its place is another model."""

    path: Path

    @property
    def name(self) -> str:
        """The path."""
        return str(self.path)

    def stamp(self) -> str:
        """By size, time and place on the disk.

        Raises:
            ExportError: There is no such file.
        """
        return file_stamp(self.path)

    def local(self, stamp: str) -> AbstractContextManager[Path]:
        """The file itself."""
        return nullcontext(self.path)

    def version(self, stamp: str) -> str | None:
        """None: a file has no versions."""
        return None


@dataclass(frozen=True)
class RegisteredSource:
    """A registered model's alias or version.

    Attributes:
        name: models:/name@alias or models:/name/version.
        current: Version that is meant now.
        fetch: Writes the file of a version to a folder and returns its path.
    """

    name: str
    current: Callable[[], str]
    fetch: Callable[[str, Path], Path]

    def stamp(self) -> str:
        """The version that is meant.

        Raises:
            TrackingError: There is none, or MLflow cannot be reached.
        """
        return self.current()

    @contextmanager
    def local(self, stamp: str) -> Iterator[Path]:
        """A temporary copy.

        Raises:
            TrackingError: It cannot be fetched, or was changed.
        """
        with tempfile.TemporaryDirectory(prefix="autonad-") as folder:
            yield self.fetch(stamp, Path(folder))

    def version(self, stamp: str) -> str | None:
        """The version."""
        return stamp


@dataclass(frozen=True)
class Opening:
    """How a model is opened.

    Attributes:
        source: Where from.
        rules: rules.yaml; None takes the rules in the model.
        mm_per_pixel: Side of a pixel, mm; None takes the rules'.
        threads: Threads of one call of the network.
        provider: "cpu", "cuda" or "tensorrt".
    """

    source: ModelSource
    rules: Path | None = None
    mm_per_pixel: float | None = None
    threads: int = 1
    provider: str = "cpu"

    def stamp(self) -> str:
        """Changes whenever `open` would give something else."""
        return self.source.stamp() + ("" if self.rules is None else f" {file_stamp(self.rules)}")

    def open(self) -> ServedModel:
        """Open the model, and let it run once: the first request shall not wait.

        Raises:
            ExportError: The model is no file of ours, cannot run, or its output is not finite.
            ConfigError: The rules cannot be used, or the provider is not here.
            TrackingError: MLflow cannot be used.
        """
        stamp = self.source.stamp()
        with self.source.local(stamp) as path:
            network = OnnxNetwork.open(path, threads=self.threads, provider=self.provider)
            digest = sha256_file(path)
        spec = network.spec
        rules = network.rules if self.rules is None else Rules.load(self.rules, spec.classes)
        detector = Detector(network.forward, spec, rules.scaled(self.mm_per_pixel))
        try:
            detector.detect(np.zeros((*spec.size, 3), dtype=np.uint8))
        except AutonadError:
            raise
        except Exception as error:  # ONNX Runtime's errors share no base class of their own.
            raise ExportError(
                f"{self.source.name} can be opened, but cannot run ({folded(first_line(error))}); free some "
                "memory, or use another model"
            ) from error
        key = str(network.told.get("architecture_key", ""))
        identity = ModelIdentity(key=key, sha256=digest, version=self.source.version(stamp))
        return ServedModel(detector, identity, image_reading(spec.reading))


def file_stamp(path: Path) -> str:
    """Changes whenever a file is replaced or written.

    Raises:
        ExportError: There is no such file.
    """
    try:
        about = path.stat()
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror}; check the path") from error
    return f"{about.st_size:x}-{about.st_mtime_ns:x}-{about.st_ino:x}"


def parse_registered(text: str) -> tuple[str, str | None, int | None]:
    """Name, alias and version that models:/name@alias or models:/name/version says.

    Raises:
        ConfigError: It says neither.
    """
    body = text.removeprefix(REGISTERED)
    name, _, alias = body.partition("@")
    if name and alias and "/" not in body:
        return name, alias, None
    name, _, version = body.rpartition("/")
    if name and version.isdecimal() and "/" not in name:
        return name, None, int(version)
    raise ConfigError(
        f"{text} names no registered model; write models:/NAME@ALIAS, such as "
        "models:/autonad-neu-cpu@champion, or models:/NAME/VERSION"
    )
