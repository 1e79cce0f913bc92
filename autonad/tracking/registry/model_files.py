"""A detector's files in MLflow's layout, so that MLflow's own tools can load and serve it."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from autonad.deploy import MODEL
from autonad.deploy.shipped import load_graph


def model_folder(folder: Path, files: Mapping[str, Path], example: Any, classes: int) -> Path:
    """Write an MLflow model: MLmodel, signature, input example, environment, and our files beside them.

    Args:
        folder: Folder to write; it must not exist.
        files: Name → local file; `model.onnx` is among them.
        example: float32 (1, 3, H, W), normalised.
        classes: Classes of the output.
    """
    # MLflow warns of its own modules while they are imported, and of types that are none of ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _save(folder, load_graph(files[MODEL]), np.round(np.asarray(example, dtype=np.float32), 3), classes)
    # MLflow writes the graph anew; ours goes on top, so that the file is the exported one bit for bit.
    for name, path in files.items():
        shutil.copyfile(path, folder / name)
    return folder


def _save(folder: Path, graph: Any, example: np.ndarray, classes: int) -> None:
    from mlflow import onnx as flavor
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    _, _, height, width = example.shape
    kind = np.dtype("float32")
    flavor.save_model(
        graph,
        str(folder),
        signature=ModelSignature(
            Schema([TensorSpec(kind, (-1, 3, height, width), "image")]),
            Schema([TensorSpec(kind, (-1, classes, height, width), "logits")]),
        ),
        input_example={"image": example},
        pip_requirements=[f"{name}=={version(name)}" for name in ("onnx", "onnxruntime", "numpy")],
        onnx_execution_providers=["CPUExecutionProvider"],
        save_as_external_data=False,
    )
