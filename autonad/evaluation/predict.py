"""Run a network over a split and count what it got right, at its input size and at each image's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autonad.detector.resample import likeliest
from autonad.detector.tiles import Box
from autonad.errors import CheckpointError, DatasetError
from autonad.evaluation.image_level import NEAR_PX, ImageVerdict, judge_image
from autonad.evaluation.metrics import confusion
from autonad.evaluation.result import EvaluationResult

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.data.loader import SegmentationData

Forward = Callable[[np.ndarray], Any]
"""(B, 3, H, W) float32 images, normalised → (B, C, H, W) logits, as a numpy array or a torch tensor."""

Sample = tuple[np.ndarray, np.ndarray]
"""Logits (C, H, W) and labels (H, W) of an image, or of a tile of one, at input size."""


class Counted(NamedTuple):
    """One image: what was confused with what, (C, C) at both sizes, and what that was, at its own size."""

    at_input: np.ndarray
    at_native: np.ndarray
    truth: np.ndarray
    prediction: np.ndarray


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
        data: The split, without augmentation; all tiles of its images where they are cut.
        dataset: Where the masks at native size are.
        batch_size: Images or tiles per call of `forward`.
        num_classes: Classes including background.
        progress: Called with (images done, images in all) after every batch.
        observe: Called with (C, H, W) logits and (H, W) labels of every image, or of
            every tile with "ignore" where another one counts, at input size.

    Raises:
        DatasetError: The split is empty, or model and dataset disagree on the classes.
        CheckpointError: The network's output is not finite.
    """
    rows = data.rows
    total = len(rows)
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
    counted = count_images(
        forward, data, dataset, range(total), batch_size=batch_size, num_classes=num_classes, observe=observe
    )
    for done, (at_input, at_native, truth, prediction) in enumerate(counted, start=1):
        matrices["input"].append(at_input)
        matrices["native"].append(at_native)
        verdicts.append(judge_image(truth, prediction, num_classes))
        sizes.append((truth.shape[0], truth.shape[1]))
        if progress is not None and (done % batch_size == 0 or done == total):
            progress(done, total)
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


def count_images(
    forward: Forward,
    data: SegmentationData,
    dataset: Dataset,
    images: Sequence[int],
    *,
    batch_size: int,
    num_classes: int,
    observe: Callable[[np.ndarray, np.ndarray], None] | None = None,
) -> Iterator[Counted]:
    """Run a network over some images of a split and count, image by image.

    Args:
        forward: The network, in inference mode.
        data: The split, without augmentation; all tiles of its images where they are cut.
        dataset: Where the masks at native size are.
        images: Positions of the images among its rows, rising.
        batch_size: Images or tiles per call of `forward`.
        num_classes: Classes including background.
        observe: See `evaluate_network`.

    Raises:
        CheckpointError: The network's output is not finite.
    """
    records, wanted = data.rows.iloc[list(images)].itertuples(), set(images)
    own = [sample for sample in range(len(data)) if data.image_of(sample) in wanted]
    samples = _samples(forward, data, own, batch_size, num_classes)
    for image, record in zip(images, records, strict=True):
        truth = dataset.read_mask(record)
        seen = np.zeros((num_classes, num_classes), dtype=np.int64)

        def note(logits: np.ndarray, labels: np.ndarray, seen: np.ndarray = seen) -> None:
            if observe is not None:
                observe(logits, labels)
            seen += confusion(labels, logits.argmax(0), num_classes)

        prediction = _predicted(samples, data, image, note)
        yield Counted(seen, confusion(truth, prediction, num_classes), truth, prediction)


def predict_one(forward: Forward, data: SegmentationData, index: int, num_classes: int) -> np.ndarray:
    """Classes of one image at its own size, (height, width) uint8; for panels and debugging.

    Args:
        forward: The network.
        data: The split, without augmentation.
        index: Position of the image among its rows.
        num_classes: Classes including background.
    """
    own = [sample for sample in range(len(data)) if data.image_of(sample) == index]
    return _predicted(_samples(forward, data, own, 1, num_classes), data, index, lambda logits, labels: None)


def _predicted(
    samples: Iterator[Sample],
    data: SegmentationData,
    index: int,
    note: Callable[[np.ndarray, np.ndarray], None],
) -> np.ndarray:
    """Classes of an image at its own size, from its samples, which are the next ones."""

    def logits_of(box: Box) -> np.ndarray:
        logits, labels = next(samples)
        note(logits, labels)
        return logits

    native = (int(data.rows["height"].iloc[index]), int(data.rows["width"].iloc[index]))
    return likeliest(data.native_logits(index, logits_of), native)


def _samples(
    forward: Forward, data: SegmentationData, indices: Sequence[int], batch_size: int, num_classes: int
) -> Iterator[Sample]:
    """What the network says of some samples, one after the other, and what is true.

    Raises:
        CheckpointError: The network's output is not finite.
    """
    for start in range(0, len(indices), batch_size):
        chosen = indices[start : start + batch_size]
        images, labels = data.batch(chosen)
        logits = _numpy(forward(_numpy(images).astype(np.float32, copy=False)))
        assert logits.shape[:2] == (len(chosen), num_classes), f"logits are {logits.shape}"
        for index, values, truth in zip(chosen, logits, _numpy(labels), strict=True):
            if not np.isfinite(values).all():
                raise CheckpointError(
                    f"the network's output for {data.rows['image'].iloc[data.image_of(index)]} is not "
                    "finite; its weights are damaged or its training diverged: retrain with a lower "
                    "learning rate"
                )
            yield values, truth


def _numpy(values: Any) -> np.ndarray:
    """A numpy array from an array or a torch tensor of any precision; torch is not imported for it."""
    if not hasattr(values, "detach"):
        return np.asarray(values)
    tensor = values.detach()
    return (tensor.float() if tensor.is_floating_point() else tensor).cpu().numpy()
