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
START_OVER = "give --replace to start over"


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


def load_weights(
    path: Path, what: str, remedy: str = "run the step that writes it again"
) -> dict[str, Tensor]:
    """Read a safetensors file.

    Args:
        path: The file.
        what: What messages call it.
        remedy: What they advise if it is of no use.

    Raises:
        CheckpointError: It is missing or damaged, or holds a number that is none.
    """
    try:
        weights = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{what} is not at {path}; check the folder, or {remedy}") from error
    # Of a type that torch does not know the library lets a KeyError through.
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"{what} at {path} is damaged: {folded(one_line(error))}; {remedy}") from error
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(
                f"{what} at {path} is of no use: {folded(name, 60)} holds a number that is not finite; "
                f"{remedy}, with a lower learning rate if it ended so"
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
        """Write everything that resuming needs, then point to it, then drop what the previous one needed."""
        name = f"step-{progress.step:08d}"
        target = self.folder / name
        save_weights(target / "model.safetensors", model.state_dict())
        save_weights(target / "optimizer.safetensors", _flatten(optimizer.state_dict()["state"]))
        random = {"torch": torch.get_rng_state()}
        if torch.cuda.is_available():
            random["cuda"] = torch.cuda.get_rng_state()
        save_weights(target / "random.safetensors", random)
        save_weights(target / "extra.safetensors", extra)
        write_json(
            self.folder / POINTER,
            {"checkpoint": name, "identity": self.identity, "progress": asdict(progress)},
        )
        remove_leftovers(self.folder)
        for old in self.folder.glob("step-*"):
            if old.name != name:
                shutil.rmtree(old, ignore_errors=True)
        for old in self.folder.glob("best-*.safetensors"):
            if progress.best_epoch is None or old != self._best(progress.best_epoch):
                old.unlink(missing_ok=True)

    def save_best(self, epoch: int, model: nn.Module) -> None:
        """Write the best weights so far beside those of before, which the last checkpoint still needs."""
        save_weights(self._best(epoch), model.state_dict())

    def load_best(self, epoch: int) -> dict[str, Tensor]:
        """The weights that `save_best` wrote after an epoch.

        Raises:
            CheckpointError: They are missing or damaged.
        """
        return load_weights(self._best(epoch), "the best weights", START_OVER)

    def _best(self, epoch: int) -> Path:
        return self.folder / f"best-{epoch:05d}.safetensors"

    def exists(self) -> bool:
        """Whether there is anything to resume."""
        return (self.folder / POINTER).is_file()

    def resumes(self, resume: Resume) -> bool:
        """Whether a run goes on from here; with "or-restart" only from a whole checkpoint of this run."""
        return self.exists() and (self._matches() if resume == "or-restart" else resume)

    def _matches(self) -> bool:
        try:
            pointer = self._pointer()
            if pointer["identity"] != self.identity:
                return False
            self._files(pointer)
        except CheckpointError:
            return False
        return True

    def _pointer(self) -> dict[str, Any]:
        try:
            pointer: dict[str, Any] = read_json(self.folder / POINTER, "the checkpoint", PointerFile)
        except StorageError as error:
            raise CheckpointError(f"{error}, or {START_OVER}") from error
        return pointer

    def _files(self, pointer: dict[str, Any]) -> tuple[dict[str, Tensor], ...]:
        """Model, optimiser, random state and extra tensors; the best weights must be readable too."""
        best = pointer["progress"]["best_epoch"]
        if best is not None:
            self.load_best(best)
        source = self.folder / pointer["checkpoint"]
        return tuple(
            load_weights(source / f"{name}.safetensors", f"the checkpoint's {what}", START_OVER)
            for name, what in (
                ("model", "model"),
                ("optimizer", "optimiser"),
                ("random", "random state"),
                ("extra", "averaged weights"),
            )
        )

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
        pointer = self._pointer()
        different = sorted(_differences(pointer["identity"], self.identity))
        if different:
            raise CheckpointError(
                f"the checkpoint in {self.folder} belongs to another configuration; it differs in "
                f"{folded(', '.join(different))}. Restore those settings, choose another --output, or "
                f"{START_OVER}"
            )
        weights, slots, random, extra = self._files(pointer)
        load_into(model, weights, "the checkpoint")
        state = optimizer.state_dict()
        state["state"] = _unflatten(slots)
        try:
            _check_slots(optimizer, state["state"])
            optimizer.load_state_dict(state)
            torch.set_rng_state(random["torch"])
            if torch.cuda.is_available() and "cuda" in random:
                torch.cuda.set_rng_state(random["cuda"])
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint in {self.folder} does not fit ({folded(one_line(error))}); {START_OVER}"
            ) from error
        return Progress(**pointer["progress"]), extra


def _flatten(state: dict[int, dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{index}.{name}": tensor for index, slots in state.items() for name, tensor in slots.items()}


def _unflatten(tensors: dict[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        if not index.isdecimal():
            raise CheckpointError(
                f"the checkpoint's optimiser holds {folded(key, 60)!r}, which belongs to no parameter; "
                f"{START_OVER}"
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
