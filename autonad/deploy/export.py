"""A trained network as one ONNX file that carries what is needed to use it, checked against torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from autonad.deploy.parity import Judge, Limits, Parity, compare_networks, require_parity
from autonad.detector.rules import Rules
from autonad.detector.session import METADATA_KEY
from autonad.detector.spec import DetectorSpec
from autonad.errors import ExportError
from autonad.files import temporary_beside, write_bytes_atomic
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx


def export_onnx(
    network: AutoNADNet,
    spec: DetectorSpec,
    path: Path,
    provenance: dict[str, Any],
    rules: Rules | None = None,
) -> None:
    """Write the network as ONNX: input "image" (batch, 3, H, W) normalised float32, output "logits".

    The file's metadata hold classes, input, normalisation, rules, architecture and provenance as JSON, so
    that a detector needs nothing but the file. Without rules it gets the usual ones.

    Raises:
        ExportError: The network cannot be expressed or the file is not valid ONNX.
        StorageError: The file cannot be written.
    """
    import onnx

    content = module_to_onnx(network, (1, 3, *spec.size), dynamic_batch=True)
    model = onnx.load_from_string(content)
    metadata = {
        "spec": spec.to_dict(),
        "rules": (rules or Rules.default(spec.classes)).to_dict(),
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
    limits: Limits,
    judge: Judge | None = None,
    rules: Rules | None = None,
) -> Parity:
    """Export a network and compare the file with it; see `export_onnx` and `check_parity`.

    A file that does not match its network never takes the place of one that does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    candidate = temporary_beside(path)
    try:
        export_onnx(network, spec, candidate, provenance, rules)
        parity = check_parity(candidate.read_bytes(), network, images, judge=judge)
        require_parity(parity, limits)
        candidate.replace(path)
    finally:
        candidate.unlink(missing_ok=True)
    return parity


def check_parity(
    model: bytes, network: AutoNADNet, images: NDArray[np.float32], *, judge: Judge | None = None
) -> Parity:
    """Run the same images through ONNX Runtime on the processor and through torch.

    Args:
        model: The ONNX file.
        network: What it was exported from.
        images: (N, 3, H, W), normalised; real images, since random ones hide saturated paths.
        judge: What a detector makes of the logits; None compares no defects and verdicts.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    network = network.eval()

    @torch.inference_mode()
    def trained(batch: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(batch)).numpy()

    def exported(batch: np.ndarray) -> np.ndarray:
        return np.asarray(session.run(["logits"], {"image": batch})[0])

    return compare_networks(exported, trained, images, judge=judge)
