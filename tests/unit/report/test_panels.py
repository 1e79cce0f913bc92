import io
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toy_split import blind, oracle

from autonad.evaluation.predict import evaluate_network
from autonad.report.palette import channels, class_colour
from autonad.report.panels import Panel, choose_images, collect_panels, pictures
from autonad.report.thumbnails import PICTURE_SIDE, overlay

CLASSES = ("background", "crack", "hole", "stain")


def _table(rows: list[tuple[float, int, bool]]) -> pd.DataFrame:
    """(miou, class shown or 0, false alarm) per image."""
    records = []
    for n, (miou, k, alarm) in enumerate(rows):
        matrix = np.zeros((4, 4), int)
        matrix[0, 0] = 100
        matrix[k, k] += 10
        records.append(
            {
                "image": f"{n:02d}",
                "miou": miou,
                "defect": k > 0,
                "false_alarm": alarm,
                "predicted_px": n,
                "confusion_native": matrix.ravel().tolist(),
            }
        )
    return pd.DataFrame(records).astype({"miou": "Float64"})


def test_best_middle_and_worst_are_what_they_say() -> None:
    table = _table([(0.1 * n, 1, False) for n in (5, 2, 9, 1, 7, 3, 8)])
    chosen = dict(choose_images(table, CLASSES, count=3))
    by_reason = {reason: table["miou"][row] for row, reason in chosen.items()}
    assert by_reason == pytest.approx({"best": 0.9, "middle": 0.5, "worst": 0.1})


def test_every_class_is_shown() -> None:
    table = _table([(0.1 * n, 1, False) for n in range(1, 8)] + [(0.45, 2, False), (0.44, 3, False)])
    chosen = choose_images(table, CLASSES, count=5)
    assert len({row for row, _ in chosen}) == len(chosen) == 5
    truth = [np.reshape(table["confusion_native"][row], (4, 4)).sum(1) for row, _ in chosen]
    assert all(any(support[k] for support in truth) for k in (1, 2, 3))
    assert {reason for _, reason in chosen} >= {"best", "middle", "worst"}


def test_the_count_is_kept() -> None:
    table = _table([(0.01 * n, n % 3 + 1, False) for n in range(50)])
    for count in (1, 4, 12):
        assert len(choose_images(table, CLASSES, count=count)) == count


def test_the_largest_false_alarm_is_shown_and_a_quiet_clean_image_is_not() -> None:
    table = _table([(0.5, 1, False), (0.9, 0, True), (0.8, 0, True), (1.0, 0, False)])
    chosen = dict(choose_images(table, CLASSES))
    assert chosen[2].startswith("largest false alarm")
    assert 1 not in chosen
    assert 3 not in chosen


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_few_images_are_enough(count: int) -> None:
    chosen = choose_images(_table([(0.5, 1, False)] * count + [(1.0, 0, False)]), CLASSES)
    assert len(chosen) == count


def test_panels_carry_what_was_evaluated(split: SimpleNamespace) -> None:
    result = evaluate_network(oracle, split.data, split.dataset, batch_size=4, num_classes=4)
    panels = collect_panels(oracle, split.data, split.dataset, result.per_image())
    assert {panel.reason for panel in panels} >= {"best", "middle", "worst"}
    for panel in panels:
        index = result.images.index(panel.name)
        assert (panel.truth == split.dataset.masks[index]).all()
        assert panel.prediction.shape == panel.truth.shape
        right = (panel.prediction == panel.truth).sum()
        assert right == np.trace(result.native_matrices[index])
    without = collect_panels(blind, split.data, split.dataset, result.per_image())
    assert all((panel.prediction == 0).all() for panel in without)


def test_an_overlay_colours_defects_and_leaves_background_alone() -> None:
    image = np.full((20, 30, 3), 100, np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[5:10, 5:15] = 2
    result = overlay(image, mask)
    assert (result[mask == 0] == 100).all()
    colour = list(channels(class_colour(2)))
    assert result[5, 5].tolist() == colour
    assert np.abs(result[7, 10] - (55 + 0.45 * np.array(colour))).max() <= 1
    mask[:] = 255
    assert (overlay(image, mask) == 128).any()


def test_pictures_are_small_and_keep_their_aspect() -> None:
    image = np.random.default_rng(0).integers(0, 255, (400, 1000, 3), dtype=np.uint8)
    panel = Panel("a", "best", 0.5, image, np.zeros((400, 1000), np.uint8), np.ones((400, 1000), np.uint8))
    shown = dict(pictures(panel))
    assert list(shown) == ["image", "truth", "prediction"]
    for content in shown.values():
        assert Image.open(io.BytesIO(content)).size == (PICTURE_SIDE, round(PICTURE_SIDE * 0.4))
        assert len(content) < 200_000
