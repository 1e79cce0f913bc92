"""From a dataset and its configuration to what training and evaluation read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from autonad.config import InputConfig, TrainingConfig
from autonad.detector.spec import DetectorSpec
from autonad.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData

# What a training keeps of its samples in memory, and in a temporary file what this does not hold, MiB.
KEPT_MIB = (1024, 16 * 1024)


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


def detector_spec(
    dataset: Dataset, config: InputConfig, say: Callable[[str], None] = lambda text: None
) -> DetectorSpec:
    """Classes, input, tiles and the normalisation of the training split.

    Args:
        dataset: The dataset.
        config: Section `input`.
        say: Hears whether images are cut into tiles, and why, where that follows from the dataset.
    """
    from autonad.data.tile_choice import TileWish, tiling_of
    from autonad.detector.normalise import Normalisation

    normalisation = Normalisation.of(dataset.read_image(row) for row in dataset.split("train").itertuples())
    return DetectorSpec(
        classes=dataset.classes,
        height=config.height,
        width=config.width,
        keep_aspect=config.keep_aspect,
        mean=normalisation.mean,
        std=normalisation.std,
        tiles=tiling_of(dataset, TileWish.of(config), say),
    )


def training_data(dataset: Dataset, spec: DetectorSpec, config: TrainingConfig, seed: int) -> TrainingData:
    """The training split, augmented; rare classes are repeated and weighted as the settings say.

    Where images are cut into tiles, the samples are tiles: see `training_tiles`.
    """
    import numpy as np
    import torch

    from autonad.data.tile_samples import training_tiles
    from autonad.data.transforms import PRESETS, Augmentation
    from autonad.training.losses import balanced_weights
    from autonad.training.samplers import repeat_factors

    settings = PRESETS[config.augmentation]
    if config.defect_crop:
        settings = replace(settings, crop=config.defect_crop)
    rows, samples = dataset.split("train"), None
    shown: list[Sequence[int]] = list(rows["pixels"])
    if spec.tiles is not None:
        masks = (dataset.read_mask(row) for row in rows.itertuples())
        samples = training_tiles(
            masks, spec.tiles, num_classes=spec.num_classes, empty_share=config.empty_tiles, seed=seed
        )
        shown = [sample.pixels for sample in samples]
    repeats = weights = None
    if config.repeat_threshold:
        repeats = repeat_factors(shown, config.repeat_threshold)
    if config.class_balance:
        weights = balanced_weights(torch.from_numpy(np.array(shown).sum(axis=0)), config.class_balance)
    images = image_data(
        dataset,
        rows,
        spec,
        samples=samples,
        augmentation=Augmentation(settings),
        seed=seed,
        kept_mib=KEPT_MIB,
    )
    return TrainingData(images, repeats, weights)


def evaluation_data(dataset: Dataset, spec: DetectorSpec, split: str) -> SegmentationData:
    """A split as it is, for validation and testing; all tiles of images that are cut."""
    return image_data(dataset, dataset.split(split), spec)


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


def image_data(dataset: Dataset, rows: pd.DataFrame, spec: DetectorSpec, **options: Any) -> SegmentationData:
    """Some rows of a dataset as a network sees them.

    Args:
        dataset: The dataset.
        rows: Of its manifest.
        spec: What the network needs.
        options: The other arguments of `SegmentationData`.

    Raises:
        DatasetError: A file is another than the manifest names.
    """
    from autonad.data.loader import SegmentationData
    from autonad.data.unchanged import require_unchanged
    from autonad.detector.normalise import Normalisation

    require_unchanged(dataset, rows)
    return SegmentationData(
        dataset,
        rows,
        size=spec.size,
        keep_aspect=spec.keep_aspect,
        normalisation=Normalisation(spec.mean, spec.std),
        tiling=spec.tiles,
        **options,
    )
