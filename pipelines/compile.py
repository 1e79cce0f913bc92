"""Pipelines as YAML, which is all that Kubeflow needs: `autonad pipeline compile`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import compiler

from autonad.files import write_text_atomic
from components.prepare import prepare
from pipelines import autonad_pipeline, retrain_pipeline
from pipelines.cluster import Cluster

PIPELINES: dict[str, Callable[[Cluster | None], Any]] = {
    "autonad": autonad_pipeline.make_pipeline,
    "retrain": retrain_pipeline.make_pipeline,
}

# What `prepare` hands to a nested group: the interface shows these names in its graph.
_ARTIFACTS = "|".join(
    name for name, output in prepare.component_spec.outputs.items() if output.type.startswith("system.")
)
_CHANNEL = re.compile(rf"pipelinechannel--prepare-({_ARTIFACTS})\b")


def file_name(pipeline: str) -> str:
    """Name of a pipeline's YAML file."""
    return f"{pipeline}_pipeline.yaml"


def compile_pipeline(pipeline: str, path: Path, cluster: Cluster | None = None) -> None:
    """Write a pipeline as YAML of two documents: what runs, and how Kubernetes runs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiler.Compiler().compile(PIPELINES[pipeline](cluster), str(path))
    write_text_atomic(path, _CHANNEL.sub(r"\1", path.read_text()))
