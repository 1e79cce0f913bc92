"""Short trainings of architectures, one after the other, each of which can be cut off."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.console import SILENT

if TYPE_CHECKING:
    from torch import Tensor, nn

    from autonad.config import TrainingConfig
    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData
    from autonad.detector.spec import DetectorSpec
    from autonad.evaluation.result import Size
    from autonad.network import AutoNADNet
    from autonad.space import Architecture
    from autonad.training.equal_time import Budget
    from autonad.training.inputs import TrainingData
    from autonad.training.loop import Task


def finalist_settings(train_supernet: TrainingConfig) -> TrainingConfig:
    """With which a search trains finalists: at half the learning rate, as their weights are trained already.

    Args:
        train_supernet: What trained the supernet.
    """
    # Averages of so few steps would be those of the first weights.
    return train_supernet.model_copy(
        update={"learning_rate": train_supernet.learning_rate / 2, "ema_decay": None}
    )


class ShortTraining:
    """Trains architectures on one dataset.

    Each is validated at the end of its schedule alone: the best of many validations would flatter those that
    are validated often.

    Args:
        settings: Of every training; its `epochs` do not count.
        dataset: The dataset.
        spec: Its classes, input and normalisation.
        network_of: What an architecture begins with; the same weights whenever it is asked.
        seed: Of order and augmentation.
        identity: What `network_of` depends on, and the `stage`, as JSON values.
        folder: Where checkpoints are kept.
    """

    def __init__(
        self,
        settings: TrainingConfig,
        dataset: Dataset,
        spec: DetectorSpec,
        *,
        network_of: Callable[[Architecture], AutoNADNet],
        seed: int,
        identity: dict[str, Any],
        folder: Path,
    ) -> None:
        from autonad.training.folders import pick_device
        from autonad.training.world import World

        self._settings, self._dataset, self._spec, self._folder = settings, dataset, spec, folder
        self._network_of, self._seed, self._identity = network_of, seed, identity
        self._world = World(pick_device())

    def score(self, forward: Callable[[Tensor], Tensor]) -> dict[Size, float]:
        """Validation mIoU of a network at both sizes, fractions."""
        from autonad.evaluation.inherited import score_sizes

        found = score_sizes(forward, self._validation, classes=self._spec.classes, world=self._world)
        return {size: metrics.miou for size, metrics in found.items()}

    def budget(self, architecture: Architecture, minutes: float | None) -> Budget:
        """For how many epochs an architecture is trained; see `fit_epochs`."""
        from autonad.training.equal_time import fit_epochs

        return fit_epochs(self._task(architecture, self._settings.epochs), minutes)

    def run(self, architecture: Architecture, epochs: int, *, resumed: bool) -> dict[Size, float]:
        """Train an architecture.

        Args:
            architecture: What to train.
            epochs: For how many epochs.
            resumed: Whether to go on from a checkpoint of this very training, if there is one.

        Returns:
            Its mIoU on the validation split at both sizes, fractions.

        Raises:
            DatasetError: There are no training images, or the loss diverges.
        """
        from autonad.training.resumable import run_training

        trained = run_training(
            self._task(architecture, epochs),
            identity={
                **self._identity,
                "architecture": architecture.key,
                "seed": self._seed,
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
        return {"input": last["val/miou"], "native": last["val/native_miou"]}

    @cached_property
    def _data(self) -> TrainingData:
        from autonad.training.inputs import training_data

        return training_data(self._dataset, self._spec, self._settings, self._seed)

    @cached_property
    def _validation(self) -> SegmentationData:
        from autonad.training.inputs import evaluation_data

        return evaluation_data(self._dataset, self._spec, "val")

    def _of(self, epochs: int) -> TrainingConfig:
        return self._settings.model_copy(
            update={"epochs": epochs, "validate_every": epochs, "checkpoint_every": max(1, epochs // 20)}
        )

    def _task(self, architecture: Architecture, epochs: int) -> Task:
        from autonad.training.loop import Task
        from autonad.training.paths import TrainingPath

        network = self._network_of(architecture).to(self._world.device)
        path = TrainingPath(network)

        def validate(module: nn.Module) -> dict[str, float]:
            scores = self.score(module)
            return {"val/miou": scores["input"], "val/native_miou": scores["native"]}

        return Task(
            module=network,
            data=self._data,
            config=self._of(epochs),
            seed=self._seed,
            paths=lambda number: [path],
            validate=validate,
        )
