"""Checkpoints that survive being killed: written whole or not at all, safetensors and JSON only."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import ConfigDict, Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autonad.errors import CheckpointError, StorageError, one_line
from autonad.files import read_json, remove_leftovers, write_atomic, write_json
from autonad.reading.bounds import folded
from autonad.reading.shape_checks import Shape
from autonad.storage.checkpoints import Resume

POINTER = "latest.json"


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch: Epochs that are complete.
        step: Optimiser steps that are complete.
        best_miou: Best validation mIoU so far, a fraction; None before the first validation.
        best_epoch: The epoch after which it was reached.
        history: One row of metrics per epoch.
        losses: Of each step of the epoch under way that is complete; empty between epochs.
    """

    epoch: int = 0
    step: int = 0
    best_miou: float | None = None
    best_epoch: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)


class ProgressFile(Shape):
    """A `Progress` as JSON."""

    model_config = ConfigDict(extra="forbid")

    epoch: int = Field(ge=0)
    step: int = Field(ge=0)
    best_miou: float | None = Field(ge=0, le=1)
    best_epoch: int | None = Field(ge=0)
    history: list[dict[str, float | None]]
    losses: list[float]


class PointerFile(Shape):
    """`latest.json`."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: str = Field(pattern=r"^step-\d+$", max_length=40)
    identity: dict[str, Any]
    progress: ProgressFile


def save_weights(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write tensors as safetensors, atomically.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(contiguous, temporary)
        except SafetensorError as error:
            # The library wraps the system's error; a full disk must look like one to the caller.
            raise OSError(str(error)) from error

    write_atomic(path, write)


def load_weights(path: Path, what: str) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        CheckpointError: It is missing or damaged, or holds a number that is none.
    """
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{what} is not at {path}; check the folder, or run the step that writes it"
        ) from error
    # Of a type that torch does not know the library lets a KeyError through.
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{what} at {path} is damaged: {folded(one_line(error))}; run the step that writes it again"
        ) from error
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{what} at {path} is of no use: {folded(name, 60)} holds a number that is not finite; run "
                "the step that writes it again, with a lower learning rate if it ended so"
            )
    return weights


def check_fit(module: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Make sure that weights fit exactly.

    Raises:
        CheckpointError: Names, shapes or types differ; says which.
    """
    own = module.state_dict()
    missing, unknown = sorted(own.keys() - weights.keys()), sorted(weights.keys() - own.keys())
    wrong = [
        name
        for name in own.keys() & weights.keys()
        if (own[name].shape, own[name].dtype) != (weights[name].shape, weights[name].dtype)
    ]
    if missing or unknown or wrong:
        first = folded((missing or unknown or sorted(wrong))[0], 60)
        raise CheckpointError(
            f"{what} does not fit the network: {len(missing)} tensors missing, {len(unknown)} unknown, "
            f"{len(wrong)} of another shape or type (first: {first}); use the weights of the same "
            "architecture, space and classes"
        )


def load_into(module: nn.Module, weights: dict[str, Tensor], what: str) -> None:
    """Load weights that must fit exactly.

    Raises:
        CheckpointError: See `check_fit`.
    """
    check_fit(module, weights, what)
    module.load_state_dict(weights)


class Checkpoints:
    """The checkpoint folder of one run.

    Args:
        folder: Created when first written.
        identity: What the run is (configuration, data, network), as JSON values; a checkpoint of another is
            refused.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self.folder = folder
        self.identity = json.loads(json.dumps(identity))  # As it will be read back: tuples become lists.

    def save(
        self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, extra: dict[str, Tensor]
    ) -> None:
        """Write everything that resuming needs, then point to it, then drop the previous checkpoint."""
        name = f"step-{progress.step:08d}"
        target = self.folder / name
        save_weights(target / "model.safetensors", model.state_dict())
        save_weights(target / "optimizer.safetensors", _flatten(optimizer.state_dict()["state"]))
        random = {"torch": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        save_weights(target / "random.safetensors", random)
        if extra:
            save_weights(target / "extra.safetensors", extra)
        write_json(
            self.folder / POINTER,
            {"checkpoint": name, "identity": self.identity, "progress": asdict(progress)},
        )
        remove_leftovers(self.folder)
        for old in self.folder.glob("step-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)

    def exists(self) -> bool:
        """Whether there is anything to resume."""
        return (self.folder / POINTER).is_file()

    def resumes(self, resume: Resume) -> bool:
        """Whether a run goes on from here; with "or-restart" only from a checkpoint of this very run."""
        return self.exists() and (self._matches() if resume == "or-restart" else resume)

    def _matches(self) -> bool:
        try:
            pointer = read_json(self.folder / POINTER, "the checkpoint", PointerFile)
        except StorageError:
            return False
        return bool(pointer["identity"] == self.identity)

    def clear(self) -> None:
        """Forget what is there; the pointer goes first, so that a kill leaves no pointer to nothing."""
        (self.folder / POINTER).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def restore(
        self, model: nn.Module, optimizer: torch.optim.Optimizer
    ) -> tuple[Progress, dict[str, Tensor]]:
        """Put a run back to where its last checkpoint was taken.

        Returns:
            The progress, and the extra tensors that were saved with it.

        Raises:
            CheckpointError: The checkpoint belongs to another configuration (says what differs), or is
                damaged.
        """
        try:
            pointer = read_json(self.folder / POINTER, "the checkpoint", PointerFile)
        except StorageError as error:
            raise CheckpointError(f"{error}, or give --replace to start over") from error
        different = sorted(_differences(pointer["identity"], self.identity))
        if different:
            raise CheckpointError(
                f"the checkpoint in {self.folder} belongs to another configuration; it differs in "
                f"{folded(', '.join(different))}. Restore those settings, choose another --output, or give "
                "--replace to start over"
            )
        source = self.folder / pointer["checkpoint"]
        load_into(
            model, load_weights(source / "model.safetensors", "the checkpoint's model"), "the checkpoint"
        )
        state = optimizer.state_dict()
        state["state"] = _unflatten(
            load_weights(source / "optimizer.safetensors", "the checkpoint's optimiser")
        )
        random = load_weights(source / "random.safetensors", "the checkpoint's random state")
        try:
            _check_slots(optimizer, state["state"])
            optimizer.load_state_dict(state)
            torch.set_rng_state(random["torch"])
            if torch.cuda.is_available() and "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"])
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint in {source} does not fit ({folded(one_line(error))}); leave out --resume to "
                "start over"
            ) from error
        extra = source / "extra.safetensors"
        return Progress(**pointer["progress"]), load_weights(
            extra, "the checkpoint"
        ) if extra.is_file() else {}


def _flatten(state: dict[int, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{index}.{name}": tensor for index, slots in state.items() for name, tensor in slots.items()}


def _unflatten(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        if not index.isdecimal():
            raise CheckpointError(
                f"the checkpoint's optimiser holds {folded(key, 60)!r}, which belongs to no parameter; leave "
                "out --resume to start over"
            )
        state.setdefault(int(index), {})[name] = tensor
    return state


def _check_slots(optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Tensor]]) -> None:
    """Make sure that what an optimiser remembers of a parameter has its shape, or is a number.

    Raises:
        ValueError: It has not, or belongs to no parameter.
    """
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    names = {name for slots in state.values() for name in slots}
    for index, slots in state.items():
        if slots.keys() != names:
            raise ValueError(f"parameter {index} lacks {', '.join(sorted(names - slots.keys()))}")
        if index >= len(parameters):
            raise ValueError(f"there is no parameter {index}")
        for name, tensor in slots.items():
            if tensor.shape not in (torch.Size(), parameters[index].shape):
                raise ValueError(f"{name} of parameter {index} has shape {tuple(tensor.shape)}")


def _differences(old: Any, new: Any, path: str = "") -> list[str]:
    """Dotted names of the values that differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            difference
            for key in sorted(old.keys() | new.keys())
            for difference in _differences(old.get(key), new.get(key), f"{path}.{key}" if path else key)
        ]
    return [] if old == new else [f"{path} ({old!r} there, {new!r} now)"]
