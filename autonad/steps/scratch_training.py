"""Architectures trained from scratch at equal cost, one after the other, each of which can be cut off."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.console import SILENT

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from autonad.config import Config, RetrainConfig
    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData
    from autonad.detector.spec import DetectorSpec
    from autonad.evaluation.result import Size
    from autonad.space import Architecture
    from autonad.training.equal_time import Budget
    from autonad.training.inputs import TrainingData
    from autonad.training.loop import Task


class ScratchTraining:
    """Trains architectures on one dataset, by the settings of retraining, with one thread.

    Each is validated at the end of its schedule alone: the best of many validations would flatter those that
    are validated often.

    Args:
        config: Sections `retrain` and `assess_supernet` decide.
        dataset: The dataset.
        spec: Its classes, input and normalisation.
        folder: Where checkpoints are kept.
    """

    def __init__(self, config: Config, dataset: Dataset, spec: DetectorSpec, folder: Path) -> None:
        from autonad.training.folders import pick_device
        from autonad.training.world import World

        self._config, self._dataset, self._spec, self._folder = config, dataset, spec, folder
        self._settings = config.retrain.resolved().model_copy(update={"weights": "scratch"})
        self._world = World(pick_device())

    def score(self, forward: Callable[[Tensor], Tensor]) -> dict[Size, float]:
        """Validation mIoU of a network at both sizes, fractions."""
        from autonad.evaluation.inherited import score_sizes

        found = score_sizes(forward, self._validation, classes=self._spec.classes, world=self._world)
        return {size: metrics.miou for size, metrics in found.items()}

    def budget(self, architecture: Architecture) -> Budget:
        """How many epochs an architecture is trained for.

        Raises:
            DatasetError: There are no training images, or the loss diverges.
        """
        from autonad.training.equal_time import fit_epochs, one_thread

        with one_thread():
            task = self._task(architecture, self._settings.epochs)
            return fit_epochs(task, self._config.assess_supernet.minutes, self._folder / "timing")

    def run(self, architecture: Architecture, epochs: int, *, resumed: bool) -> dict[str, float]:
        """Train an architecture.

        Args:
            architecture: What to train.
            epochs: For how many epochs.
            resumed: Whether to go on from a checkpoint of this very training, if there is one.

        Returns:
            `trained_miou` and `trained_native_miou` on the validation split, fractions.

        Raises:
            DatasetError: There are no training images, or the loss diverges.
        """
        from autonad.training.equal_time import one_thread
        from autonad.training.resumable import run_training

        with one_thread():
            trained = run_training(
                self._task(architecture, epochs),
                identity={
                    "stage": "assess-supernet",
                    "architecture": architecture.key,
                    "seed": self._config.seed,
                    "settings": self._of(epochs).model_dump(),
                    "spec": self._spec.to_dict(),
                    "dataset": self._dataset.fingerprint,
                },
                output=self._folder,
                resume="or-restart" if resumed else False,
                copies=None,
                owner=None,
                log=lambda metrics, epoch: None,
                console=SILENT,
                world=self._world,
            )
        last = trained.history[-1]
        return {"trained_miou": last["val/miou"], "trained_native_miou": last["val/native_miou"]}

    @cached_property
    def _data(self) -> TrainingData:
        from autonad.training.inputs import training_data

        return training_data(self._dataset, self._spec, self._settings, self._config.seed)

    @cached_property
    def _validation(self) -> SegmentationData:
        from autonad.training.inputs import evaluation_data

        return evaluation_data(self._dataset, self._spec, "val")

    def _of(self, epochs: int) -> RetrainConfig:
        return self._settings.model_copy(
            update={"epochs": epochs, "validate_every": epochs, "checkpoint_every": max(1, epochs // 20)}
        )

    def _task(self, architecture: Architecture, epochs: int) -> Task:
        import torch

        from autonad.network import AutoNADNet
        from autonad.training.loop import Task
        from autonad.training.paths import TrainingPath

        # The weights depend on the seed and the architecture alone, whichever was trained before.
        torch.manual_seed(self._config.seed)
        network = AutoNADNet(architecture, self._spec.num_classes).to(self._world.device)
        path = TrainingPath(network)

        def validate(module: torch.nn.Module) -> dict[str, float]:
            scores = self.score(module)
            return {"val/miou": scores["input"], "val/native_miou": scores["native"]}

        return Task(
            module=network,
            data=self._data,
            config=self._of(epochs),
            seed=self._config.seed,
            paths=lambda number: [path],
            validate=validate,
        )
