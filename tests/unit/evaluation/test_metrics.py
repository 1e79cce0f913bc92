import json
import math

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_jaccard_index,
)

from autonad.errors import DatasetError
from autonad.evaluation.metrics import ConfusionMatrix, compute_metrics

NAMES = ("background", "crack", "hole", "stain")


def _pixels(seed: int, ignore_share: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(4, size=(3, 20, 17), p=[0.7, 0.15, 0.1, 0.05])
    predictions = np.where(rng.random(labels.shape) < 0.6, labels, rng.integers(0, 4, labels.shape))
    labels[rng.random(labels.shape) < ignore_share] = 255
    return labels, predictions


@pytest.mark.parametrize("seed", range(5))
def test_agrees_with_torchmetrics(seed: int) -> None:
    labels, predictions = _pixels(seed)
    matrix = ConfusionMatrix(4)
    matrix.update(labels, predictions)
    metrics = compute_metrics(matrix.matrix, NAMES)
    guess, truth = torch.from_numpy(predictions), torch.from_numpy(labels)
    options = {"num_classes": 4, "ignore_index": 255}
    assert (matrix.matrix == multiclass_confusion_matrix(guess, truth, **options).numpy()).all()
    assert metrics.miou == pytest.approx(multiclass_jaccard_index(guess, truth, **options).item(), abs=1e-6)
    assert metrics.mf1 == pytest.approx(
        multiclass_f1_score(guess, truth, average="macro", **options).item(), abs=1e-6
    )
    accuracy = multiclass_accuracy(guess, truth, average="micro", **options).item()
    assert metrics.pixel_accuracy == pytest.approx(accuracy, abs=1e-6)
    ious = multiclass_jaccard_index(guess, truth, average="none", **options).tolist()
    assert [entry.iou for entry in metrics.classes] == pytest.approx(ious, abs=1e-6)
    assert metrics.foreground_miou == pytest.approx(sum(ious[1:]) / 3, abs=1e-6)


def test_a_perfect_prediction_scores_exactly_one() -> None:
    labels, _ = _pixels(0, ignore_share=0)
    matrix = ConfusionMatrix(4)
    matrix.update(labels, labels)
    metrics = compute_metrics(matrix.matrix, NAMES)
    assert (metrics.miou, metrics.mf1, metrics.foreground_miou, metrics.pixel_accuracy) == (
        1.0,
        1.0,
        1.0,
        1.0,
    )


def test_image_by_image_equals_all_at_once() -> None:
    labels, predictions = _pixels(1)
    whole, gathered = ConfusionMatrix(4), ConfusionMatrix(4)
    whole.update(labels, predictions)
    for label, prediction in zip(labels, predictions, strict=True):
        gathered.update(label, prediction)
    assert whole.matrix.dtype == np.int64
    assert (whole.matrix == gathered.matrix).all()


def test_what_is_predicted_on_ignored_pixels_changes_nothing() -> None:
    labels, predictions = _pixels(2, ignore_share=0.3)
    other = np.where(labels == 255, (predictions + 1) % 4, predictions)
    assert (other != predictions).any()
    one, two = ConfusionMatrix(4), ConfusionMatrix(4)
    one.update(labels, predictions)
    two.update(labels, other)
    assert (one.matrix == two.matrix).all()


def test_rows_are_truth_and_columns_predictions() -> None:
    matrix = ConfusionMatrix(3)
    matrix.update(np.array([1, 1, 2]), np.array([2, 1, 2]))
    assert matrix.matrix[1, 2] == 1
    assert matrix.matrix[2, 1] == 0


def test_bytes_do_not_overflow() -> None:
    # 16 classes squared exceed a byte, and masks are bytes.
    matrix = ConfusionMatrix(20)
    matrix.update(np.full(10, 19, np.uint8), np.full(10, 18, np.uint8))
    assert matrix.matrix[19, 18] == 10


def test_an_absent_class_is_skipped_and_named() -> None:
    matrix = np.zeros((4, 4), int)
    matrix[:2, :2] = [[90, 2], [3, 5]]
    metrics = compute_metrics(matrix, NAMES)
    assert metrics.skipped_classes == ("hole", "stain")
    assert metrics.miou == pytest.approx((90 / 95 + 5 / 10) / 2)
    assert metrics.classes[2].iou is None
    assert metrics.classes[2].f1 is None


def test_a_class_only_in_labels_or_only_in_predictions_counts_as_zero() -> None:
    missed = np.array([[90, 0], [10, 0]])
    metrics = compute_metrics(missed, NAMES[:2])
    assert metrics.skipped_classes == ()
    assert metrics.classes[1].iou == 0
    assert metrics.classes[1].precision is None
    assert metrics.classes[1].recall == 0
    assert metrics.miou == pytest.approx(0.45)
    invented = compute_metrics(missed.T, NAMES[:2])
    assert invented.classes[1].recall is None
    assert invented.classes[1].precision == 0
    assert invented.foreground_miou == 0


def test_clean_images_rightly_left_alone_have_no_foreground_mean() -> None:
    metrics = compute_metrics(np.diag([100, 0, 0, 0]), NAMES)
    assert metrics.miou == 1
    assert metrics.foreground_miou is None


@pytest.mark.parametrize("seed", range(10))
def test_json_holds_no_nan(seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 3, (4, 4)) * (rng.random((4, 4)) < 0.3)
    matrix[0, 0] += 1
    values = compute_metrics(matrix, NAMES).to_dict()
    json.dumps(values, allow_nan=False)
    assert all(math.isfinite(values[name]) for name in ("miou", "mf1", "pixel_accuracy"))
    assert set(values["classes"]) == set(NAMES)


def test_an_empty_matrix_is_an_error_and_not_a_score() -> None:
    with pytest.raises(DatasetError, match="no pixel to score"):
        compute_metrics(np.zeros((4, 4), int), NAMES)


@pytest.mark.parametrize(("labels", "predictions"), [([0, 7], [0, 1]), ([0, 1], [0, 4]), ([0, 1], [0, 255])])
def test_a_value_that_is_no_class_is_named(labels: list[int], predictions: list[int]) -> None:
    with pytest.raises(DatasetError, match=r"holds \[(7|4|255)\]; it may hold 0 to 3"):
        ConfusionMatrix(4).update(np.array(labels), np.array(predictions))


def test_shapes_must_agree() -> None:
    with pytest.raises(DatasetError, match="same pixels"):
        ConfusionMatrix(4).update(np.zeros((4, 4), int), np.zeros((4, 5), int))
