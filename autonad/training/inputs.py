"""From a dataset and its configuration to what training and evaluation read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from autonad.config import InputConfig, TrainingConfig
from autonad.detector.spec import DetectorSpec
from autonad.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData
    from autonad.data.transforms import Augmentation


class Batches(Protocol):
    """Images on demand; sample i of epoch e is always the same."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def batch(self, indices: Sequence[int], epoch: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Images (B, 3, H, W), normalised, and labels (B, H, W), 255 = ignore."""
        ...


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from.

    Attributes:
        images: Augmented images.
        repeats: (N,) how often each is shown per epoch; None is once.
        class_weights: (C,) weights of the classes in the cross-entropy; None weighs all alike.
    """

    images: Batches
    repeats: NDArray[np.float64] | None
    class_weights: Tensor | None


def detector_spec(dataset: Dataset, config: InputConfig) -> DetectorSpec:
    """Classes, input and the normalisation of the training split."""
    from autonad.detector.normalise import Normalisation

    normalisation = Normalisation.of(dataset.read_image(row) for row in dataset.split("train").itertuples())
    return DetectorSpec(
        classes=dataset.classes,
        height=config.height,
        width=config.width,
        keep_aspect=config.keep_aspect,
        mean=normalisation.mean,
        std=normalisation.std,
    )


def training_data(dataset: Dataset, spec: DetectorSpec, config: TrainingConfig, seed: int) -> TrainingData:
    """The training split, augmented; rare classes are repeated and weighted as the settings say."""
    import numpy as np
    import torch

    from autonad.data.transforms import PRESETS, Augmentation
    from autonad.training.losses import balanced_weights
    from autonad.training.samplers import repeat_factors

    settings = PRESETS[config.augmentation]
    if config.defect_crop:
        settings = replace(settings, crop=config.defect_crop)
    rows = dataset.split("train")
    repeats = weights = None
    if config.repeat_threshold:
        repeats = repeat_factors(list(rows["pixels"]), config.repeat_threshold)
    if config.class_balance:
        pixels = np.array(rows["pixels"].tolist()).sum(axis=0)
        weights = balanced_weights(torch.from_numpy(pixels), config.class_balance)
    return TrainingData(_data(dataset, spec, "train", Augmentation(settings), seed), repeats, weights)


def evaluation_data(dataset: Dataset, spec: DetectorSpec, split: str) -> SegmentationData:
    """A split as it is, for validation and testing."""
    return _data(dataset, spec, split, None, 0)


def check_classes(dataset: Dataset, spec: DetectorSpec, what: str) -> None:
    """Make sure that a network and a dataset mean the same classes.

    Raises:
        DatasetError: They differ; names both.
    """
    if dataset.classes != spec.classes:
        raise DatasetError(
            f"{what} was trained for the classes {', '.join(spec.classes)}; the dataset has "
            f"{', '.join(dataset.classes)}. Use the dataset that it was trained on, or train again"
        )


def _data(
    dataset: Dataset, spec: DetectorSpec, split: str, augmentation: Augmentation | None, seed: int
) -> SegmentationData:
    from autonad.data.loader import SegmentationData
    from autonad.detector.normalise import Normalisation

    rows = dataset.split(split)
    return SegmentationData(
        dataset,
        rows,
        size=spec.size,
        keep_aspect=spec.keep_aspect,
        normalisation=Normalisation(spec.mean, spec.std),
        augmentation=augmentation,
        seed=seed,
    )
