import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from autonad.evaluation.precision_recall import PrecisionRecall
from autonad.report.class_charts import confusion_figure, precision_recall_figure

CLASSES = ("background", "crack", "hole")


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 255], size=(40, 50), p=[0.8, 0.15, 0.05])
    logits = rng.normal(size=(3, 40, 50)).astype(np.float32)
    logits[1] += 1.5 * (labels == 1)
    return logits, labels


def test_average_precision_is_the_reference_within_the_bins() -> None:
    found = PrecisionRecall(3, bins=4000)
    scores, truths = [], []
    for seed in range(3):
        logits, labels = scene(seed)
        found.update(logits, labels)
        odds = np.exp(logits) / np.exp(logits).sum(0)
        scores.append(odds[1][labels != 255])
        truths.append(labels[labels != 255] == 1)
    expected = average_precision_score(np.concatenate(truths), np.concatenate(scores))
    assert found.average_precision(1) == pytest.approx(expected, abs=2e-3)


def test_curves_are_monotone_and_end_where_everything_is_found() -> None:
    found = PrecisionRecall(3)
    found.update(*scene(0))
    curve = found.curve(1)
    assert curve is not None
    assert curve["recall"].is_monotonic_increasing
    assert curve["threshold"].is_monotonic_decreasing
    assert curve["recall"].iloc[-1] == 1
    labels = scene(0)[1]
    assert curve["precision"].iloc[-1] == pytest.approx((labels == 1).sum() / (labels != 255).sum())


def test_a_class_that_does_not_occur_has_no_curve() -> None:
    found = PrecisionRecall(3)
    found.update(*scene(0))
    assert found.curve(2) is None
    assert found.average_precision(2) is None
    assert set(found.curves(CLASSES)) == {"crack"}


def test_figures_are_drawn_whatever_occurs() -> None:
    found = PrecisionRecall(3)
    ET.fromstring(precision_recall_figure(found.curves(CLASSES)))
    found.update(*scene(0))
    drawn = precision_recall_figure(found.curves(CLASSES))
    ET.fromstring(drawn)
    assert "crack, average" in drawn or "<use" in drawn
    matrix = np.array([[90, 10, 0], [3, 7, 0], [0, 0, 0]])
    ET.fromstring(confusion_figure(matrix, CLASSES))
    assert confusion_figure(matrix, CLASSES) == confusion_figure(matrix, CLASSES)


def test_the_roc_curve_is_the_reference_within_the_bins() -> None:
    found = PrecisionRecall(3, bins=4000)
    logits, labels = scene(0)
    found.update(logits, labels)
    curve = found.roc(points=400)
    odds = np.exp(logits) / np.exp(logits).sum(0)
    defect = 1 - odds[0][labels != 255]
    expected = roc_auc_score(labels[labels != 255] > 0, defect)

    area = np.trapezoid(curve["detection_rate"], curve["false_alarm_rate"])
    assert area == pytest.approx(expected, abs=2e-3)
    assert tuple(curve.iloc[0]) == (1.0, 0.0, 0.0)
    assert tuple(curve.iloc[-1])[1:] == (1.0, 1.0)
    assert curve["threshold"].is_monotonic_decreasing
    assert len(curve) <= 401


def test_without_defects_there_is_no_roc_curve() -> None:
    found = PrecisionRecall(3)
    found.update(scene(0)[0], np.zeros((40, 50), dtype=int))

    assert found.roc().empty
