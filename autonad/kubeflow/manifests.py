"""A pipeline as objects of Kubernetes, for installations that keep pipelines there."""

from __future__ import annotations

import re
from typing import Any

from autonad.errors import ConfigError
from autonad.kubeflow.package import Package

VERSION = "pipelines.kubeflow.org/v2beta1"
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def as_objects(package: Package, version: str, namespace: str | None) -> list[dict[str, Any]]:
    """A `Pipeline` and a `PipelineVersion` of it.

    Args:
        package: The pipeline.
        version: Name of the version; a new one each time, because versions never change.
        namespace: Where it is added; None leaves that to whoever applies it.

    Raises:
        ConfigError: Kubernetes takes no such name.
    """
    if not _NAME.fullmatch(version):
        raise ConfigError(
            f"version {version!r} is no name of Kubernetes; use lower-case letters, digits, dashes and dots"
        )
    place = {} if namespace is None else {"namespace": namespace}
    about = {"description": package.description}
    title = str(package.spec["pipelineInfo"].get("displayName") or package.name)
    return [
        {
            "apiVersion": VERSION,
            "kind": "Pipeline",
            "metadata": {"name": package.name, **place},
            "spec": {"displayName": title, **about},
        },
        {
            "apiVersion": VERSION,
            "kind": "PipelineVersion",
            "metadata": {"name": f"{package.name}-{version}", **place},
            "spec": {
                "displayName": version,
                "pipelineName": package.name,
                "pipelineSpec": package.spec,
                "platformSpec": package.platform,
                **about,
            },
        },
    ]
