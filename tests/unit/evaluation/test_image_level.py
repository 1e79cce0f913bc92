import numpy as np
import pytest
from scipy import ndimage

from autonad.evaluation.image_level import dilate, judge_image, summarise_images

CLASSES = ("background", "crack", "hole")


def _canvas(*boxes: tuple[int, int, int]) -> np.ndarray:
    """A 40×40 image with a 3×3 square of class k at (row, column), for every (row, column, k)."""
    canvas = np.zeros((40, 40), np.uint8)
    for row, column, k in boxes:
        canvas[row : row + 3, column : column + 3] = k
    return canvas


def test_a_miss_is_a_defect_image_without_any_predicted_defect() -> None:
    truth = _canvas((5, 5, 1))
    assert judge_image(truth, _canvas(), 3).missed
    assert not judge_image(truth, _canvas((30, 30, 2)), 3).missed
    assert not judge_image(_canvas(), _canvas(), 3).missed


def test_any_prediction_on_a_clean_image_is_a_false_alarm() -> None:
    assert judge_image(_canvas(), _canvas((30, 30, 2)), 3).false_alarm
    assert not judge_image(_canvas(), _canvas(), 3).false_alarm


@pytest.mark.parametrize(("column", "stray"), [(12, False), (13, True)])
def test_near_is_measured_from_the_closest_pixels(column: int, stray: bool) -> None:
    # The true square ends in column 7; a square from column 12 has its closest pixel 5 away.
    verdict = judge_image(_canvas((5, 5, 1)), _canvas((5, column, 1)), 3, near_px=5)
    assert verdict.false_alarm is stray


def test_a_wrong_name_at_the_right_place_is_no_false_alarm() -> None:
    verdict = judge_image(_canvas((5, 5, 1)), _canvas((5, 5, 2)), 3)
    assert not verdict.false_alarm
    assert not verdict.missed


def test_a_class_partly_near_is_not_stray_but_another_one_is() -> None:
    truth = _canvas((5, 5, 1))
    verdict = judge_image(truth, _canvas((5, 5, 1), (30, 30, 1), (30, 5, 2)), 3)
    assert verdict.stray_classes == (2,)


def test_ignored_pixels_count_neither_as_truth_nor_as_prediction() -> None:
    truth = _canvas()
    truth[20:] = 255
    verdict = judge_image(truth, _canvas((30, 30, 1)), 3)
    assert not verdict.false_alarm
    assert sum(verdict.predicted_pixels[1:]) == 0


def test_an_ignored_area_is_no_defect_to_be_near_to() -> None:
    truth = _canvas((5, 5, 1))
    truth[30:] = 255
    assert judge_image(truth, _canvas((5, 5, 1), (26, 26, 2)), 3).stray_classes == (2,)


@pytest.mark.parametrize("radius", [0, 1, 5, 60])
def test_dilation_equals_scipy(radius: int) -> None:
    mask = np.random.default_rng(0).random((31, 45)) < 0.01
    expected = ndimage.binary_dilation(mask, np.ones((2 * radius + 1,) * 2))
    assert (dilate(mask, radius) == expected).all()


def test_counts_carry_their_denominators() -> None:
    pairs = [
        (_canvas((5, 5, 1)), _canvas((5, 5, 1))),  # found
        (_canvas((5, 5, 1)), _canvas()),  # missed
        (_canvas((5, 5, 1)), _canvas((5, 5, 1), (30, 30, 2))),  # found, and a stray hole
        (_canvas(), _canvas((5, 5, 2))),  # false alarm
        (_canvas(), _canvas()),
    ]
    summary = summarise_images([judge_image(truth, guess, 3) for truth, guess in pairs], CLASSES)
    assert summary["misses"] == {"count": 1, "of": 3, "rate": pytest.approx(1 / 3)}
    assert summary["false_alarms_clean"] == {"count": 1, "of": 2, "rate": 0.5}
    assert summary["false_alarms_defect"] == {"count": 1, "of": 3, "rate": pytest.approx(1 / 3)}
    assert summary["misses_by_class"]["crack"] == {"count": 1, "of": 3, "rate": pytest.approx(1 / 3)}
    assert summary["misses_by_class"]["hole"] == {"count": 0, "of": 0, "rate": None}


def test_a_rate_without_images_is_none() -> None:
    summary = summarise_images([judge_image(_canvas((5, 5, 1)), _canvas(), 3)], CLASSES)
    assert summary["false_alarms_clean"] == {"count": 0, "of": 0, "rate": None}
