"""The network that a retraining learns from beside the labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config import RetrainConfig
from autonad.detector.spec import DetectorSpec
from autonad.errors import CheckpointError, ConfigError
from autonad.files import sha256_file
from autonad.training.folders import load_model, load_supernet

if TYPE_CHECKING:
    from autonad.network import AutoNADNet

_SEEN = ("size", "keep_aspect", "mean", "std", "tiles")  # How a spec says what a network sees of an image.


@dataclass(frozen=True)
class Teacher:
    """A trained network, in evaluation mode and without gradients.

    Attributes:
        network: It.
        sha256: Of the file with its weights.
    """

    network: AutoNADNet
    sha256: str


def load_teacher(settings: RetrainConfig, folder: Path | None, student: DetectorSpec) -> Teacher | None:
    """The teacher that the settings ask for; None where they ask for none.

    Args:
        settings: `teacher` says what the folder holds.
        folder: A supernet folder, whose largest path teaches, or a model folder.
        student: Classes and input of the network that is retrained.

    Raises:
        ConfigError: No folder is named.
        StorageError: The folder holds no such thing.
        CheckpointError: The teacher knows other classes, or sees images otherwise.
    """
    if settings.teacher == "none":
        return None
    what = "supernet" if settings.teacher == "supernet-largest" else "model"
    if folder is None:
        raise ConfigError(
            f"retrain.teacher is {settings.teacher}, but no folder of a {what} is given; name it with "
            "--teacher, or set retrain.teacher to none"
        )
    if what == "supernet":
        supernet, spec, _ = load_supernet(folder)
        network = supernet.extract(supernet.space.largest())
    else:
        network, spec, _ = load_model(folder)
    _check(spec, student, folder)
    return Teacher(network.eval().requires_grad_(False), sha256_file(folder / f"{what}.safetensors"))


def _check(teacher: DetectorSpec, student: DetectorSpec, folder: Path) -> None:
    """Make sure that logits of teacher and student mean the same.

    Raises:
        CheckpointError: They do not.
    """
    if teacher.classes != student.classes:
        raise CheckpointError(
            f"the teacher in {folder} knows the classes {', '.join(teacher.classes)}, the network to be "
            f"trained {', '.join(student.classes)}; give a teacher of the same dataset, or set "
            "retrain.teacher to none"
        )
    other = [name for name in _SEEN if getattr(teacher, name) != getattr(student, name)]
    if other:
        raise CheckpointError(
            f"the teacher in {folder} sees images otherwise than the network to be trained (other "
            f"{', '.join(other)}); give a teacher of the same dataset and input, or set retrain.teacher "
            "to none"
        )
