"""A trained network as one ONNX file that carries what is needed to use it, checked against torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autonad.deploy.shipped import METADATA_KEY
from autonad.detector.rules import Rules
from autonad.detector.spec import DetectorSpec
from autonad.errors import ExportError
from autonad.files import write_bytes_atomic
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx


@dataclass(frozen=True)
class Parity:
    """How far ONNX Runtime and torch differ on the same images.

    Attributes:
        images: Number of images compared.
        max_difference: Largest difference of a logit.
        mean_difference: Mean absolute difference of a logit.
        disagreement: Share of pixels whose class differs.
        tolerance: What was allowed for `max_difference`.
    """

    images: int
    max_difference: float
    mean_difference: float
    disagreement: float
    tolerance: float

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def export_onnx(network: AutoNADNet, spec: DetectorSpec, path: Path, provenance: dict[str, Any]) -> None:
    """Write the network as ONNX: input "image" (batch, 3, H, W) normalised float32, output "logits".

    The file's metadata hold classes, input, normalisation, rules, architecture and provenance as JSON, so
    that a detector needs nothing but the file.

    Raises:
        ExportError: The network cannot be expressed or the file is not valid ONNX.
        StorageError: The file cannot be written.
    """
    import onnx

    content = module_to_onnx(network, (1, 3, *spec.size), dynamic_batch=True)
    model = onnx.load_from_string(content)
    metadata = {
        "spec": spec.to_dict(),
        "rules": Rules.default(spec.classes).to_dict(),
        "architecture": network.architecture.to_dict(),
        "architecture_key": network.architecture.key,
        "parameters": network.num_parameters,
        "provenance": provenance,
    }
    onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(metadata, sort_keys=True)})
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ExportError(
            f"the exported network is not valid ONNX: {error}; please report the architecture"
        ) from error
    write_bytes_atomic(path, model.SerializeToString())


def export_checked(
    network: AutoNADNet,
    spec: DetectorSpec,
    path: Path,
    provenance: dict[str, Any],
    *,
    images: NDArray[np.float32],
    tolerance: float,
) -> Parity:
    """Export a network and compare the file with it; see `export_onnx` and `check_parity`.

    A file that does not match its network never takes the place of one that does.
    """
    candidate = path.with_name(f".{path.name}.tmp")
    try:
        export_onnx(network, spec, candidate, provenance)
        parity = check_parity(candidate, network, images, tolerance)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
    return parity


def check_parity(path: Path, network: AutoNADNet, images: NDArray[np.float32], tolerance: float) -> Parity:
    """Run the same images through ONNX Runtime and torch.

    Args:
        path: The ONNX file.
        network: What it was exported from.
        images: (N, 3, H, W), normalised; real images, since random ones hide saturated paths.
        tolerance: Largest allowed difference of a logit.

    Raises:
        ExportError: They differ by more than `tolerance`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    network = network.eval()
    worst: list[float] = []
    means: list[float] = []
    disagreements = pixels = 0
    for image in images:
        batch = image[None]
        (found,) = session.run(["logits"], {"image": batch})
        with torch.inference_mode():
            wanted = network(torch.from_numpy(batch)).numpy()
        difference = np.abs(found - wanted)
        worst.append(difference.max())
        means.append(difference.mean())
        disagreements += int((found.argmax(1) != wanted.argmax(1)).sum())
        pixels += found.shape[2] * found.shape[3]
    # numpy's maximum keeps a NaN where Python's drops it, and the comparison below is written so that it
    # fails.
    largest = float(np.max(worst))
    parity = Parity(len(images), largest, float(np.mean(means)), disagreements / pixels, tolerance)
    if not largest <= tolerance:
        raise ExportError(
            f"ONNX Runtime and torch differ by {largest:.2g} in a logit on {len(images)} images, more than "
            f"export.tolerance = {tolerance:g}; raise the tolerance only if the predictions agree (here "
            f"{100 * parity.disagreement:.3f} % of the pixels do not)"
        )
    return parity
