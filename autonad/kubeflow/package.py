"""Compiled pipelines: the YAML that is run, uploaded and scheduled, with another image if need be."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import Field, model_validator

from autonad.config.explaining import quoted
from autonad.errors import ConfigError
from autonad.files import write_text_atomic
from autonad.kubeflow.supervisor import RETRIES
from autonad.reading.bounds import (
    LARGEST_DOCUMENTS,
    Unreadable,
    folded,
    parse_documents,
    parse_yaml,
    read_bytes,
)
from autonad.reading.shape_checks import Shape, check_shape

PIPELINES = ("autonad", "retrain")
RUN_NAME = "{{$.pipeline_job_name}}"


class ParameterFile(Shape):
    """A parameter of a pipeline."""

    parameterType: Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "STRUCT", "LIST"]
    defaultValue: Any = None

    @model_validator(mode="after")
    def _default_is_of_its_type(self) -> Self:
        default, whole = self.defaultValue, self.parameterType == "NUMBER_INTEGER"
        if whole and default is not None and not (isinstance(default, int | float) and default % 1 == 0):
            raise ValueError("the default is no whole number")
        return self


class InputsFile(Shape):
    """What a pipeline takes."""

    parameters: dict[str, ParameterFile]


class RootFile(Shape):
    """The pipeline as a task."""

    inputDefinitions: InputsFile


class ContainerFile(Shape):
    """Where a task runs."""

    image: str


class ExecutorFile(Shape):
    """How a task runs."""

    container: ContainerFile


class DeploymentFile(Shape):
    """How tasks run."""

    executors: dict[str, ExecutorFile] = Field(min_length=1)


class AboutFile(Shape):
    """What a pipeline is called."""

    name: str
    description: str = ""


class SpecFile(Shape):
    """The first document: what runs."""

    pipelineInfo: AboutFile
    root: RootFile
    deploymentSpec: DeploymentFile


class PlatformFile(Shape):
    """The second document: how Kubernetes runs it."""

    platforms: dict[str, Any]


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        spec: The first document: what runs.
        platform: The second one: how Kubernetes runs it.
    """

    spec: dict[str, Any]
    platform: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Package:
        """One of the pipelines that come with AutoNAD, or a YAML file.

        Raises:
            ConfigError: There is no such pipeline, or the file is none.
        """
        path = _shipped(name) if name in PIPELINES else Path(name)
        try:
            documents = parse_documents(read_bytes(path, LARGEST_DOCUMENTS).decode())
            if len(documents) != 2:
                raise Unreadable(f"it has {len(documents)}")
            spec, platform = check_shape(documents[0], SpecFile), check_shape(documents[1], PlatformFile)
        except OSError as error:
            raise ConfigError(
                f"there is no pipeline {name!r}; use {', '.join(PIPELINES)}, or a file that "
                "`autonad pipeline compile` wrote"
            ) from error
        except ValueError as error:
            raise ConfigError(
                f"{path} is no compiled pipeline of two documents ({folded(str(error))}); write it with "
                "`autonad pipeline compile`"
            ) from error
        return cls(spec, platform)

    @property
    def name(self) -> str:
        """What Kubeflow calls the pipeline."""
        return str(self.spec["pipelineInfo"]["name"])

    @property
    def description(self) -> str:
        """What the interface says about it."""
        return str(self.spec["pipelineInfo"].get("description", ""))

    @property
    def summary(self) -> str:
        """Its first paragraph."""
        return self.description.partition("\n\n")[0]

    @property
    def defaults(self) -> dict[str, Any]:
        """Parameters with their defaults."""
        parameters = self.spec["root"]["inputDefinitions"]["parameters"]
        return {name: _default(entry) for name, entry in parameters.items()}

    def arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """Values for parameters, checked; text is read as YAML where the parameter is no text.

        Raises:
            ConfigError: A parameter is unknown, or a value is of the wrong type.
        """
        parameters = self.spec["root"]["inputDefinitions"]["parameters"]
        unknown = sorted(given.keys() - parameters.keys())
        if unknown:
            raise ConfigError(
                f"pipeline {self.name} has no parameter {unknown[0]}; it has {', '.join(sorted(parameters))}"
            )
        return {name: _typed(name, parameters[name]["parameterType"], value) for name, value in given.items()}

    def with_image(self, image: str) -> Package:
        """The same pipeline with its tasks in another image."""
        deployment = self.spec["deploymentSpec"]
        executors = {
            name: {**entry, "container": {**entry["container"], "image": image}}
            for name, entry in deployment["executors"].items()
        }
        about = {**self.spec["pipelineInfo"], "description": self.description.replace(image_of(self), image)}
        spec = {**self.spec, "pipelineInfo": about, "deploymentSpec": {**deployment, "executors": executors}}
        return Package(spec, self.platform)

    def with_retries(self, number: int) -> Package:
        """The same pipeline with another number of retries, the first of them after a second."""
        policy = {"maxRetryCount": number, "backoffDuration": "1s", "backoffFactor": 2.0}
        variable = {"name": RETRIES, "value": str(number)}

        def change(value: Any) -> Any:
            if isinstance(value, list):
                return [variable if is_named(item, RETRIES) else change(item) for item in value]
            if not isinstance(value, dict):
                return value
            return {
                key: policy if key == "retryPolicy" else change(inner)
                for key, inner in value.items()
                if number or key != "retryPolicy"
            }

        return Package(change(self.spec), self.platform)

    def with_run_name(self, name: str) -> Package:
        """The same pipeline with the run's name in it, which a cluster fills in."""

        def change(value: Any) -> Any:
            if isinstance(value, dict):
                return {key: change(inner) for key, inner in value.items()}
            return name if value == RUN_NAME else value

        return Package(change(self.spec), self.platform)

    def save(self, path: Path) -> None:
        """Write both documents."""
        write_text_atomic(path, yaml.safe_dump_all([self.spec, self.platform], sort_keys=True))


def is_named(item: Any, name: str) -> bool:
    """Whether an item of a list is a mapping of that name."""
    return isinstance(item, dict) and item.get("name") == name


def image_of(package: Package) -> str:
    """The image of a pipeline's tasks."""
    executors = package.spec["deploymentSpec"]["executors"].values()
    return str(next(iter(executors))["container"]["image"])


def _shipped(name: str) -> Path:
    """Beside the package in a checkout, inside it when installed."""
    inside = Path(str(resources.files("autonad"))) / "pipelines" / f"{name}_pipeline.yaml"
    beside = Path(str(resources.files("autonad"))).parent / "pipelines" / inside.name
    return inside if inside.is_file() else beside


def _default(entry: dict[str, Any]) -> Any:
    value = entry.get("defaultValue")
    return int(value) if entry["parameterType"] == "NUMBER_INTEGER" and value is not None else value


_KINDS: dict[str, Any] = {
    "STRING": str,
    "NUMBER_INTEGER": int,
    "NUMBER_DOUBLE": (int, float),
    "BOOLEAN": bool,
    "STRUCT": dict,
    "LIST": list,
}


def _typed(name: str, kind: str, value: Any) -> Any:
    if kind == "STRING":
        return str(value)
    if isinstance(value, str):
        try:
            value = parse_yaml(value)
        except Unreadable as error:
            raise ConfigError(
                f"parameter {name}: {quoted(value)} cannot be read as YAML ({error})"
            ) from error
    # A bool of Python is an int too.
    if not isinstance(value, _KINDS[kind]) or isinstance(value, bool) != (kind == "BOOLEAN"):
        needed = kind.lower().replace("_", " ").replace("struct", "mapping")
        raise ConfigError(f"parameter {name} is {quoted(value)}; it needs a {needed}")
    return float(value) if kind == "NUMBER_DOUBLE" else value
