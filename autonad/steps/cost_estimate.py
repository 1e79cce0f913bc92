"""What a run costs on this machine, and how many epochs and evaluations fit into a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config import Config, SearchConfig, TrainingConfig
from autonad.config.context import Context
from autonad.console import duration
from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.detector.spec import DetectorSpec
    from autonad.network import SuperNet
    from autonad.space import Architecture
    from autonad.training.world import World

# Steps and architectures that are timed, and after how long no more of them are begun, s.
STEPS, RETRAINING_STEPS, ARCHITECTURES = 20, 8, 4
STEP_SECONDS, RETRAINING_SECONDS, EVALUATION_SECONDS = 20.0, 8.0, 8.0
MOST_IMAGES = 32  # validation images that these are timed on
# What measuring takes, s: so long are pieces and networks called, however fast the machine is.
PIECE_SECONDS, NETWORK_SECONDS = 0.3, 1.5
# Evaluating, rules and export: so many passes over validation and test, and what does not depend on them, s.
LAST_PASSES, LAST_SECONDS = 6, 20.0
# The least that is worth a run: steps of the supernet and of retraining, and architectures.
LEAST_STEPS, LEAST_RETRAINING, LEAST_EVALUATIONS = 300, 150, 60
MOST_TIMES = 4.0  # as many epochs as set; more time than these take brings nothing


@dataclass(frozen=True)
class Pace:
    """What was timed on this machine.

    Attributes:
        step: Of the supernet's training, mean over its schedule, s.
        retraining_step: Of a network from the whole space, s.
        evaluation: An architecture on the validation split, s.
        steps: Steps of an epoch of the supernet.
        retraining_steps: Steps of an epoch of retraining.
        pieces: Pieces of the space whose latency is measured.
        test_share: Test images for each validation image.
        gpus: That share every batch of a training.
    """

    step: float
    retraining_step: float
    evaluation: float
    steps: float
    retraining_steps: float
    pieces: int
    test_share: float
    gpus: int = 1

    def costs(self, config: Config) -> dict[str, float]:
        """What the steps take under some settings, s, by their names, in their order."""
        supernet, search, retrain = config.train_supernet, config.search, config.retrain
        judged = supernet.panel * _validations(supernet) * self.evaluation
        evaluations = search.population * search.generations
        last = LAST_PASSES * (1 + self.test_share) * self.evaluation + LAST_SECONDS
        return {
            "latency": PIECE_SECONDS * self.pieces + NETWORK_SECONDS * config.profile_latency.networks,
            "supernet": supernet.epochs * self.steps * self.step * self._share(supernet) + judged,
            "search": evaluations * self.evaluation,
            "finalists": self._finalists(search),
            "retraining": len(search.budgets_ms)
            * (
                retrain.epochs * self.retraining_steps * self.retraining_step * self._share(retrain)
                + _validations(retrain) * self.evaluation
            ),
            "evaluation and export": len(search.budgets_ms) * last,
        }

    def _share(self, training: TrainingConfig) -> float:
        """Of a batch, what one GPU has of it; a step was timed on one. Processes on a CPU share its cores."""
        return math.ceil(training.batch_size / self.gpus) / training.batch_size

    def _finalists(self, search: SearchConfig) -> float:
        """What the finalists of all budgets learn, s; one alone learns nothing."""
        if not search.finalists_learn or search.finalists == 1:
            return 0.0
        learning = search.finalist_epochs * self.steps * self.retraining_step + self.evaluation
        return len(search.budgets_ms) * search.finalists * learning


def describe_costs(costs: dict[str, float], config: Config) -> str:
    """What a run costs, in one line."""
    search = config.search
    told = {
        "supernet": f" ({config.train_supernet.epochs} epochs)",
        "search": f" ({search.population * search.generations} evaluations)",
        "finalists": f" ({search.finalists} × {search.finalist_epochs} epochs)",
        "retraining": f" ({config.retrain.epochs} epochs)",
    }
    return f"about {duration(sum(costs.values()))} on this machine: {_listed(costs, told)}"


def describe_left(costs: dict[str, float], left: dict[str, float]) -> str:
    """What is still to come of a run, in one line.

    Args:
        costs: Of all steps, s.
        left: The share of each that is not done, from 0 to 1.
    """
    remaining = {name: seconds * left[name] for name, seconds in costs.items() if left[name]}
    if not remaining:
        return "nothing: all steps have finished"
    return f"about {duration(sum(remaining.values()))}: {_listed(remaining, {})}"


def _listed(costs: dict[str, float], told: dict[str, str]) -> str:
    return ", ".join(
        f"{name} {duration(seconds)}{told.get(name, '')}" for name, seconds in costs.items() if seconds
    )


def fit_to_minutes(config: Config, pace: Pace, minutes: float) -> Config:
    """Settings whose epochs and evaluations fit into a time, in the proportions that the settings have.

    Args:
        config: The settings as they are.
        pace: What this machine takes.
        minutes: The time for everything.

    Raises:
        ConfigError: It is too little for anything that is worth it.
    """
    least = _scaled(config, pace, 0.0)
    needed = pace.costs(least)
    if sum(needed.values()) > 60 * minutes:
        raise ConfigError(
            f"--minutes {minutes:g} is too little for these images: the least that is worth it takes "
            f"{describe_costs(needed, least)}. Give --minutes {math.ceil(sum(needed.values()) / 60)} or "
            "more, a smaller input.height and input.width, or space.preset=small"
        )
    low, high = 0.0, MOST_TIMES
    for _ in range(40):
        middle = (low + high) / 2
        fits = sum(pace.costs(_scaled(config, pace, middle)).values()) <= 60 * minutes
        low, high = (middle, high) if fits else (low, middle)
    return _scaled(config, pace, low)


def measure_pace(context: Context, dataset: Path) -> Pace:
    """Time a few steps and evaluations of what is going to be trained on a dataset.

    Args:
        context: The settings.
        dataset: Dataset folder.

    Raises:
        ConfigError: There are fewer GPUs than processes.
        DatasetError: There are no training or no validation images.
    """
    import numpy as np

    from autonad.data.dataset import Dataset
    from autonad.latency.pieces import piece_groups
    from autonad.network import SuperNet
    from autonad.space.configured import configured_space
    from autonad.steps.step import seed_everything
    from autonad.steps.train_supernet import supernet_task
    from autonad.training.folders import pick_device
    from autonad.training.inputs import detector_spec
    from autonad.training.optimizer import total_steps
    from autonad.training.probing import probe_steps
    from autonad.training.processes import processes_of
    from autonad.training.world import World

    config, world = context.config, World(pick_device())
    seed_everything(config.seed, config.threads)
    source = Dataset.open(dataset)
    spec = detector_spec(source, config.input)
    space = configured_space(config.space, config.input.size)
    net = SuperNet(space, spec.num_classes, config.train_supernet.sharing).to(world.device)
    task = supernet_task(config, net, source, spec, None, world)
    images, repeats = task.data.images, task.data.repeats
    rng = np.random.default_rng(config.seed)
    panel = [space.sample(rng) for _ in range(ARCHITECTURES)]
    groups = piece_groups(space, spec.num_classes, spec.size)
    validation = len(source.split("val"))
    return Pace(
        step=probe_steps(task, STEPS, seconds=STEP_SECONDS),
        # The searched network is one of the whole space, so steps of the time of growth do not count.
        retraining_step=probe_steps(
            task, RETRAINING_STEPS, since=config.train_supernet.growth, seconds=RETRAINING_SECONDS
        ),
        evaluation=_evaluation_seconds(net, panel, source, spec, world),
        steps=total_steps(_once(config.train_supernet), len(images), repeats),
        retraining_steps=total_steps(_once(config.retrain), len(images), repeats),
        pieces=sum(map(len, groups)),
        test_share=len(source.split("test")) / max(1, validation),
        gpus=processes_of(config) if world.device.type == "cuda" else 1,
    )


def _evaluation_seconds(
    net: SuperNet, panel: list[Architecture], source: Dataset, spec: DetectorSpec, world: World
) -> float:
    """Mean time of an architecture on the validation split, s."""
    import time
    from functools import partial

    from autonad.evaluation.inherited import score_sizes
    from autonad.training.inputs import image_data

    net.eval()
    rows = source.split("val")
    data = image_data(source, rows.head(MOST_IMAGES), spec)

    def once(architecture: Architecture) -> float:
        begun = time.monotonic()
        score_sizes(partial(net, architecture=architecture), data, classes=spec.classes, world=world)
        return time.monotonic() - begun

    once(panel[0])  # Warms up.
    taken: list[float] = []
    for architecture in panel:
        taken.append(once(architecture))
        if sum(taken) > EVALUATION_SECONDS:
            break
    return sum(taken) / len(taken) * len(rows) / max(1, min(len(rows), MOST_IMAGES))


def _scaled(config: Config, pace: Pace, times: float) -> Config:
    """Settings with so many times the epochs and generations, and no less than is worth it."""
    supernet = _epochs(config.train_supernet, times, LEAST_STEPS / pace.steps)
    retrain = _epochs(config.retrain, times, LEAST_RETRAINING / pace.retraining_steps)
    search: SearchConfig = config.search
    least = min(search.generations, math.ceil(LEAST_EVALUATIONS / search.population))
    generations = max(least, round(times * search.generations))
    learnt = min(search.finalist_epochs, max(1, round(times * search.finalist_epochs)))
    return config.model_copy(
        update={
            "train_supernet": config.train_supernet.model_copy(update={"epochs": supernet}),
            "retrain": config.retrain.model_copy(update={"epochs": retrain}),
            "search": search.model_copy(update={"generations": generations, "finalist_epochs": learnt}),
        }
    )


def _epochs(settings: TrainingConfig, times: float, least: float) -> int:
    return max(min(settings.epochs, math.ceil(least)), round(times * settings.epochs))


def _validations(settings: TrainingConfig) -> int:
    return math.ceil(settings.epochs / settings.validate_every)


def _once(settings: TrainingConfig) -> TrainingConfig:
    return settings.model_copy(update={"epochs": 1})
