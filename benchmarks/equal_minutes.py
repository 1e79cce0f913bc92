"""Trainings of the product's loop that take equal processor minutes, whatever a step costs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from autonad.config import Config, TrainingConfig
from autonad.data.dataset import Dataset
from autonad.detector.spec import DetectorSpec
from autonad.evaluation.inherited import score
from autonad.files import write_text_atomic
from autonad.network import AutoNADNet, SuperNet
from autonad.space.configured import configured_space
from autonad.steps.step import seed_everything
from autonad.training.checkpoint import Checkpoints, Progress
from autonad.training.equal_time import fit_epochs
from autonad.training.folders import load_supernet, save_supernet
from autonad.training.inputs import detector_spec, evaluation_data, training_data
from autonad.training.loop import Task, train
from autonad.training.optimizer import total_steps
from autonad.training.path_samplers import fixed_panel, make_sampler
from autonad.training.paths import TrainingPath
from autonad.training.probing import PROBED
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
            partial(supernet_task, net, dataset, spec, config),
            config.train_supernet,
            folder / "checkpoints",
            [dataset.fingerprint, space.key, config.seed, minutes, config.train_supernet.model_dump()],
            PROBED_PATHS,
        )
        kept = {"records": pd.DataFrame(), "history": progress.history}
        about = {"minutes": minutes, "seed": config.seed, "epochs": progress.epoch}
        save_supernet(folder, net, spec, **kept, provenance=about)
        shutil.rmtree(folder / "checkpoints")
    net, spec, _ = load_supernet(folder)
    return net, spec


def supernet_task(net: SuperNet, dataset: Dataset, spec: DetectorSpec, config: Config, settings: Any) -> Task:
    """Supernet training as `autonad train-supernet` does it."""
    data = training_data(dataset, spec, settings, config.seed)
    sampler = make_sampler(net.space, settings, config.seed)
    total = total_steps(settings, len(data.images), data.repeats)
    validation = evaluation_data(dataset, spec, "val")
    panel = fixed_panel(net.space, settings.panel, config.seed)

    def paths(step: int) -> list[TrainingPath]:
        return [
            TrainingPath(partial(net, architecture=path.architecture), "first" if path.taught else None)
            for path in sampler(step, total)
        ]

    def validate(module: nn.Module) -> dict[str, float]:
        scores = [
            score(partial(module, architecture=one), validation, classes=spec.classes, world=ALONE).miou
            for one in panel
        ]
        return {"val/miou": sum(scores) / len(scores)}

    return Task(module=net, data=data, config=settings, seed=config.seed, paths=paths, validate=validate)


def network_task(
    network: AutoNADNet,
    dataset: Dataset,
    spec: DetectorSpec,
    seed: int,
    settings: TrainingConfig,
    *,
    teacher: nn.Module | None = None,
) -> Task:
    """Training of one network as `autonad retrain` does it."""
    validation = evaluation_data(dataset, spec, "val")

    def validate(module: nn.Module) -> dict[str, float]:
        return {"val/miou": score(module, validation, classes=spec.classes, world=ALONE).miou}

    return Task(
        module=network,
        data=training_data(dataset, spec, settings, seed),
        config=settings,
        seed=seed,
        paths=lambda step: [TrainingPath(network, teacher)],
        validate=validate,
    )
