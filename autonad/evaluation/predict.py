"""Run a network over a split and count what it got right, at its input size and at each image's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autonad.detector.resample import native_classes
from autonad.errors import CheckpointError, DatasetError
from autonad.evaluation.image_level import NEAR_PX, ImageVerdict, judge_image
from autonad.evaluation.metrics import confusion
from autonad.evaluation.result import EvaluationResult

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData
    from autonad.detector.fitting import Placement

Forward = Callable[[np.ndarray], Any]
"""(B, 3, H, W) float32 images, normalised → (B, C, H, W) logits, as a numpy array or a torch tensor."""


def evaluate_network(
    forward: Forward,
    data: SegmentationData,
    dataset: Dataset,
    *,
    batch_size: int,
    num_classes: int,
    progress: Callable[[int, int], None] | None = None,
    observe: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> EvaluationResult:
    """Evaluate a network on every image of a split.

    Args:
        forward: The network, in inference mode.
        data: The split, without augmentation.
        dataset: Where the masks at native size are.
        batch_size: Images per call of `forward`.
        num_classes: Classes including background.
        progress: Called with (images done, images in all) after every batch.
        observe: Called with (C, H, W) logits and (H, W) labels of every image, at input size.

    Raises:
        DatasetError: The split is empty, or model and dataset disagree on the classes.
        CheckpointError: The network's output is not finite.
    """
    rows = data.rows
    total, records = len(rows), list(rows.itertuples())
    if total == 0:
        raise DatasetError("the split has no images; choose another split, or import more images")
    if len(dataset.classes) != num_classes:
        raise DatasetError(
            f"the dataset has {len(dataset.classes)} classes and the model {num_classes}; "
            "evaluate the model on a dataset with the classes that it was trained for"
        )
    matrices: dict[str, list[np.ndarray]] = {"input": [], "native": []}
    verdicts: list[ImageVerdict] = []
    sizes: list[tuple[int, int]] = []
    for start in range(0, total, batch_size):
        indices = list(range(start, min(start + batch_size, total)))
        names = [str(records[index].image) for index in indices]
        images, labels = data.batch(indices)
        logits = _logits(forward, images, names, num_classes)
        for index, label, image_logits in zip(indices, _numpy(labels), logits, strict=True):
            native = dataset.read_mask(records[index])
            prediction = predict_native(image_logits, data.placement(index))
            if observe is not None:
                observe(image_logits, label)
            matrices["input"].append(confusion(label, image_logits.argmax(0), num_classes))
            matrices["native"].append(confusion(native, prediction, num_classes))
            verdicts.append(judge_image(native, prediction, num_classes))
            sizes.append((native.shape[0], native.shape[1]))
        if progress is not None:
            progress(indices[-1] + 1, total)
    return EvaluationResult(
        classes=tuple(dataset.classes),
        images=tuple(map(str, rows["image"])),
        groups=tuple(map(str, rows["group"])),
        sizes=tuple(sizes),
        input_matrices=np.stack(matrices["input"]),
        native_matrices=np.stack(matrices["native"]),
        verdicts=tuple(verdicts),
        parameters={"batch_size": batch_size, "near_px": NEAR_PX},
    )


def predict_native(logits: np.ndarray, placement: Placement) -> np.ndarray:
    """Classes at an image's own size from the logits of the padded network input.

    Args:
        logits: (C, H, W) at the network's input size.
        placement: Where the image lies in the input.

    Returns:
        (height, width) uint8 classes of the native image.
    """
    return native_classes(placement.inside(logits), *placement.native)


def predict_one(forward: Forward, data: SegmentationData, index: int, num_classes: int) -> np.ndarray:
    """Classes of one image at its own size, (height, width) uint8; for panels and debugging."""
    images, _ = data.batch([index])
    logits = _logits(forward, images, [str(data.rows["image"].iloc[index])], num_classes)
    return predict_native(logits[0], data.placement(index))


def _logits(forward: Forward, images: Any, names: Sequence[str], num_classes: int) -> np.ndarray:
    logits = _numpy(forward(_numpy(images).astype(np.float32, copy=False)))
    assert logits.shape[:2] == (len(names), num_classes), f"logits are {logits.shape}"
    for name, values in zip(names, logits, strict=True):
        if not np.isfinite(values).all():
            raise CheckpointError(
                f"the network's output for {name} is not finite; its weights are damaged or its training "
                "diverged: retrain with a lower learning rate"
            )
    return logits


def _numpy(values: Any) -> np.ndarray:
    """A numpy array from an array or a torch tensor of any precision; torch is not imported for it."""
    if not hasattr(values, "detach"):
        return np.asarray(values)
    tensor = values.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
