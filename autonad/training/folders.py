"""The supernet, search and model folders: weights as safetensors, everything else as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from pydantic import Field

from autonad.detector.spec import DetectorSpec
from autonad.errors import ArchitectureError, CheckpointError, StorageError
from autonad.files import read_json, write_atomic, write_json, write_text_atomic
from autonad.network import AutoNADNet, SuperNet
from autonad.reading.bounds import read_bytes
from autonad.reading.shape_checks import Shape
from autonad.space import Architecture, SearchSpace
from autonad.training.checkpoint import check_fit, load_into, load_weights, save_weights

if TYPE_CHECKING:
    import pandas as pd

SUPERNET, MODEL = "supernet.json", "model.json"
"""What completes a folder: the description of its weights."""

History = list[dict[str, float]]


class SupernetFile(Shape):
    """`supernet.json`."""

    space: dict[str, Any]
    sharing: Literal["cross", "entangled", "classical"]
    spec: dict[str, Any]
    provenance: dict[str, Any]


class ModelFile(Shape):
    """`model.json`."""

    spec: dict[str, Any]
    provenance: dict[str, Any]


class FinalistFile(Shape):
    """A finalist of `search.json`."""

    key: str
    measured_ms: float | None = Field(None, ge=0)
    predicted_ms: float | None = Field(None, ge=0)


class SearchFile(Shape):
    """What a retraining and an export rely on in `search.json`."""

    spec: dict[str, Any] | None = None
    architecture_key: str | None = None
    finalists: list[FinalistFile] = Field([])
    target: str | None = None
    hardware_key: str | None = None
    latency_budget_ms: float | None = Field(None, gt=0)


def save_supernet(
    folder: Path,
    supernet: SuperNet,
    spec: DetectorSpec,
    *,
    records: pd.DataFrame,
    history: History,
    provenance: dict[str, Any],
) -> tuple[str, ...]:
    """Write a supernet folder; `supernet.json` completes it.

    Args:
        folder: The folder.
        supernet: With its trained weights.
        spec: Classes, input and normalisation.
        records: Forward times that were taken in training.
        history: One row of metrics per epoch.
        provenance: Where the weights come from.

    Returns:
        Names of the files, the description first.
    """
    write_atomic(folder / "records.parquet", lambda path: records.to_parquet(path, index=False))
    _save_curves(folder, history)
    (folder / SUPERNET).unlink(missing_ok=True)  # An old one would describe new weights after a kill.
    save_weights(folder / "supernet.safetensors", supernet.state_dict())
    write_json(
        folder / SUPERNET,
        {
            "space": supernet.space.to_dict(),
            "space_key": supernet.space.key,
            "sharing": supernet.sharing,
            "spec": spec.to_dict(),
            "provenance": provenance,
        },
    )
    return SUPERNET, "supernet.safetensors", "records.parquet", "curves.csv"


def load_supernet(folder: Path) -> tuple[SuperNet, DetectorSpec, dict[str, Any]]:
    """Read a supernet folder.

    Returns:
        The supernet in evaluation mode on the CPU, its spec, and its provenance.

    Raises:
        StorageError: It is not there or incomplete.
        CheckpointError: Weights and description do not fit.
    """
    description = read_json(folder / "supernet.json", "the supernet", SupernetFile)
    spec = DetectorSpec.from_dict(description["spec"])
    space = SearchSpace.from_dict(description["space"])
    weights = load_weights(folder / "supernet.safetensors", "the supernet's weights")
    what = f"the supernet in {folder}"
    with torch.device("meta"):  # What a damaged description asks for may be larger than the memory.
        check_fit(SuperNet(space, spec.num_classes, description["sharing"]), weights, what)
    supernet = SuperNet(space, spec.num_classes, description["sharing"])
    load_into(supernet, weights, what)
    return supernet.eval(), spec, description["provenance"]


def save_model(
    folder: Path, network: AutoNADNet, spec: DetectorSpec, *, history: History, provenance: dict[str, Any]
) -> tuple[str, ...]:
    """Write a model folder; `model.json` completes it.

    Args:
        folder: The folder.
        network: With its trained weights.
        spec: Classes, input and normalisation.
        history: One row of metrics per epoch.
        provenance: Where the weights come from.

    Returns:
        Names of the files, the description first.
    """
    table = _save_curves(folder, history)
    write_atomic(folder / "history.parquet", lambda path: table.to_parquet(path, index=False))
    (folder / MODEL).unlink(missing_ok=True)  # An old one would describe new weights after a kill.
    save_weights(folder / "model.safetensors", network.state_dict())
    write_text_atomic(folder / "architecture.json", network.architecture.to_json())
    write_json(
        folder / MODEL,
        {
            "architecture_key": network.architecture.key,
            "parameters": network.num_parameters,
            "spec": spec.to_dict(),
            "provenance": provenance,
        },
    )
    return MODEL, "model.safetensors", "architecture.json", "history.parquet"


def load_model(folder: Path) -> tuple[AutoNADNet, DetectorSpec, dict[str, Any]]:
    """Read a model folder.

    Returns:
        The network in evaluation mode on the CPU, its spec, and its provenance.

    Raises:
        StorageError: It is not there or incomplete.
        CheckpointError: Weights and architecture do not fit.
    """
    description = read_json(folder / "model.json", "the model", ModelFile)
    spec = DetectorSpec.from_dict(description["spec"])
    architecture = load_architecture(folder / "architecture.json")
    weights = load_weights(folder / "model.safetensors", "the model's weights")
    what = f"the model in {folder}"
    with torch.device("meta"):  # What a damaged description asks for may be larger than the memory.
        check_fit(AutoNADNet(architecture, spec.num_classes), weights, what)
    network = AutoNADNet(architecture, spec.num_classes)
    load_into(network, weights, what)
    return network.eval(), spec, description["provenance"]


def save_search(folder: Path, network: AutoNADNet, description: dict[str, Any]) -> None:
    """Write `inherited.safetensors`, `architecture.json`, then `search.json`, which completes the folder.

    Args:
        folder: The folder.
        network: The winner, with the weights that it inherits.
        description: Content of `search.json`, beside what the network says of itself.
    """
    (folder / "search.json").unlink(missing_ok=True)  # An old one would describe new weights after a kill.
    save_weights(folder / "inherited.safetensors", network.state_dict())
    write_text_atomic(folder / "architecture.json", network.architecture.to_json())
    facts = {"architecture_key": network.architecture.key, "parameters": network.num_parameters}
    write_json(folder / "search.json", {**description, **facts})


def load_architecture(path: Path) -> Architecture:
    """Read an `architecture.json`.

    Raises:
        StorageError: The file is missing.
        ArchitectureError: It is no architecture.
    """
    try:
        return Architecture.from_json(read_bytes(path).decode())
    except (OSError, ValueError) as error:
        raise StorageError(
            f"there is no readable architecture at {path}; run `autonad search` or name its folder"
        ) from error
    except ArchitectureError as error:
        raise ArchitectureError(f"{path}: {error}") from error


def load_search_spec(folder: Path) -> DetectorSpec:
    """Classes, input and normalisation that a search folder's inherited weights were trained with.

    Raises:
        StorageError: There is no `search.json`.
        CheckpointError: It is of something else.
    """
    spec = read_json(folder / "search.json", "the search", SearchFile).get("spec")
    if spec is None:
        raise CheckpointError(
            f"the search in {folder} does not say what its weights were trained with; run `autonad search` "
            "again, or set retrain.weights=scratch"
        )
    return DetectorSpec.from_dict(spec)


def searched_for(folder: Path) -> dict[str, Any]:
    """The target that a search folder's architecture was searched for, and its median latency there.

    Returns:
        `target` (name), `target_threads`, `hardware_key`, `target_ms` (predicted, if it could not be
        measured), which of both that is (`target_latency`) and, where one was set, `latency_budget_ms`;
        nothing if the folder holds an architecture alone.

    Raises:
        StorageError: `search.json` is damaged.
    """
    path = folder / "search.json"
    if not path.is_file():
        return {}
    found = read_json(path, "the search", SearchFile)
    winner: dict[str, Any] = next(
        (f for f in found.get("finalists", ()) if f["key"] == found.get("architecture_key")), {}
    )
    facts = {
        "target": found.get("target"),
        "target_threads": found.get("target_threads"),
        "hardware_key": found.get("hardware_key"),
        "target_latency": "predicted" if winner.get("measured_ms") is None else "measured",
        # Where the target is another machine than the search's, its table says what can be known.
        "target_ms": winner.get("measured_ms") or winner.get("predicted_ms"),
        "latency_budget_ms": found.get("latency_budget_ms"),
    }
    return {name: value for name, value in facts.items() if value is not None}


def _save_curves(folder: Path, history: History) -> pd.DataFrame:
    """The history as CSV, which every program reads.

    Its columns are sorted: those of a run that was resumed come from JSON, in another order.
    """
    import pandas as pd

    table = pd.DataFrame(history)
    table = table[sorted(table.columns, key=lambda name: (name != "epoch", name))]
    write_atomic(folder / "curves.csv", lambda path: table.to_csv(path, index=False))
    return table


def pick_device() -> torch.device:
    """The first CUDA device where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def numpy_forward(network: AutoNADNet) -> Callable[[np.ndarray], np.ndarray]:
    """A network on its device as a function: normalised images float32 (B, 3, H, W) → logits (B, C, H, W)."""
    device = pick_device()
    network = network.to(device).eval()

    @torch.inference_mode()
    def forward(images: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(images).to(device)).float().cpu().numpy()

    return forward
