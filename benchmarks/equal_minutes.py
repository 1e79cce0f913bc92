"""Trainings of the product's loop that take equal processor minutes, whatever a step costs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from autonad.config import Config, TrainingConfig
from autonad.data.dataset import Dataset
from autonad.detector.spec import DetectorSpec
from autonad.files import write_text_atomic
from autonad.network import AutoNADNet, SuperNet
from autonad.space.configured import configured_space
from autonad.steps.retrain import retrain_task
from autonad.steps.step import seed_everything
from autonad.steps.train_supernet import supernet_task
from autonad.training.checkpoint import Checkpoints, Progress
from autonad.training.equal_time import fit_epochs
from autonad.training.folders import load_supernet, save_supernet
from autonad.training.inputs import detector_spec
from autonad.training.loop import Task, train
from autonad.training.probing import PROBED
from autonad.training.teacher import Teacher
from autonad.training.world import ALONE

VALIDATIONS = 8  # of a training, the last one included
PROBED_PATHS = 60  # steps of a supernet that are timed
TRAINED = 0.9  # share of the minutes that steps take; the rest is validation

Make = Callable[[TrainingConfig], Task]


def train_within(
    minutes: float, make: Make, settings: TrainingConfig, folder: Path, what: Any, probed: int = PROBED
) -> Progress:
    """Train for as many epochs as the minutes hold, and leave the best weights in the task's module.

    Resumable: epochs and checkpoints are kept in the folder.

    Args:
        minutes: Processor time of one thread.
        make: The task under some settings; always with the same module, seed and data.
        settings: Its epochs and validations do not count.
        folder: Where checkpoints lie.
        what: Identity of the run, JSON values.
        probed: Steps that are timed before.

    Returns:
        Where training ended.
    """
    kept = folder.with_name(f"{folder.name}-epochs.txt")
    if not kept.is_file():
        task = make(settings.model_copy(update={"epochs": 100}))
        write_text_atomic(kept, str(fit_epochs(task, TRAINED * minutes, probed=probed).epochs))
    epochs = int(kept.read_text())
    every = max(1, -(-epochs // VALIDATIONS))
    due = {"epochs": epochs, "validate_every": every, "checkpoint_every": every}
    task, checkpoints = make(settings.model_copy(update=due)), Checkpoints(folder, {"what": what})
    return train(task, checkpoints, resume=True)


def trained_supernet(
    dataset: Dataset, config: Config, minutes: float, folder: Path
) -> tuple[SuperNet, DetectorSpec]:
    """The supernet that lies in a folder, or one that is trained into it for so many minutes.

    Args:
        dataset: What it learns.
        config: Sections `space`, `input` and `train_supernet` decide.
        minutes: Processor time of one thread.
        folder: The supernet folder.
    """
    if not (folder / "supernet.json").is_file():
        seed_everything(config.seed, 1)
        spec, space = detector_spec(dataset, config.input), configured_space(config.space, config.input.size)
        net = SuperNet(space, spec.num_classes, config.train_supernet.sharing)
        progress = train_within(
            minutes,
            partial(supernet_training, net, dataset, spec, config),
            config.train_supernet,
            folder / "checkpoints",
            [dataset.fingerprint, space.key, config.seed, minutes, config.train_supernet.model_dump()],
            PROBED_PATHS,
        )
        about = {"minutes": minutes, "seed": config.seed, "epochs": progress.epoch}
        save_supernet(folder, net, spec, records=pd.DataFrame(), history=progress.history, provenance=about)
        shutil.rmtree(folder / "checkpoints")
    net, spec, _ = load_supernet(folder)
    return net, spec


def supernet_training(
    net: SuperNet, dataset: Dataset, spec: DetectorSpec, config: Config, settings: TrainingConfig
) -> Task:
    """Supernet training as `autonad train-supernet` does it, with other settings."""
    return supernet_task(
        config.model_copy(update={"train_supernet": settings}), net, dataset, spec, None, ALONE
    )


def retraining(
    network: AutoNADNet,
    dataset: Dataset,
    spec: DetectorSpec,
    config: Config,
    seed: int,
    settings: TrainingConfig,
    *,
    teacher: Teacher | None = None,
) -> Task:
    """Training of one network as `autonad retrain` does it, with other settings and seed."""
    changed = config.model_copy(update={"retrain": settings, "seed": seed})
    return retrain_task(changed, network, teacher, dataset, spec, ALONE)
