"""A detector's files in MLflow's layout, so that MLflow's own tools serve it: images in, verdicts out."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from autonad.tracking.registry.shipped_code import copy_code

# The module that MLflow loads the model with; it and what it needs lie beside the model.
LOADER = "autonad.deploy.pyfunc"
_LIBRARIES = ("numpy", "onnxruntime", "pillow", "pydantic", "pyyaml")


def model_folder(folder: Path, files: Mapping[str, Path], example: bytes) -> Path:
    """Write an MLflow model: MLmodel, signature, input example, environment, code, and our files beside them.

    Args:
        folder: Folder to write; it must not exist.
        files: Name → local file; `model.onnx` is among them.
        example: An image file.
    """
    # MLflow warns of its own modules while they are imported, and of types that are none of ours.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _save(folder, example)
    for name, path in files.items():
        shutil.copyfile(path, folder / name)
    return folder


def _save(folder: Path, example: bytes) -> None:
    import pandas as pd
    from mlflow import pyfunc

    with tempfile.TemporaryDirectory() as temporary:
        copy_code(LOADER, Path(temporary))
        pyfunc.save_model(
            str(folder),
            loader_module=LOADER,
            code_paths=[str(Path(temporary, "autonad"))],
            signature=_signature(),
            input_example=pd.DataFrame({"image": [example]}),
            pip_requirements=[f"{name}=={version(name)}" for name in _LIBRARIES],
        )


def _signature() -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema
    from mlflow.types.schema import Array, Object, Property

    def numbers(*names: str, kind: DataType = DataType.double, required: bool = True) -> list[Property]:
        return [Property(name, kind, required) for name in names]

    defect = Object(
        [
            *(Property(name, DataType.string) for name in ("class_name", "verdict", "rule")),
            *numbers("area_px", kind=DataType.long),
            Property("box", Array(DataType.long)),
            *numbers("length_px", "width_px", "mean", "peak"),
            *numbers("area_mm2", "length_mm", "width_mm", required=False),
        ]
    )
    return ModelSignature(
        Schema([ColSpec(DataType.binary, "image")]),
        Schema(
            [
                ColSpec(DataType.string, "verdict"),
                ColSpec(DataType.string, "reason"),
                ColSpec(Array(defect), "defects"),
                ColSpec(DataType.long, "defect_count"),
                ColSpec(DataType.long, "too_small"),
            ]
        ),
    )
