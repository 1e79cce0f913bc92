from dataclasses import replace

import numpy as np
import pytest

from autonad.deploy.agreement import SampleJudge
from autonad.deploy.parity import Limits, Parity, compare_networks, require_parity
from autonad.detector.rules import ClassRule, Rules
from autonad.detector.spec import DetectorSpec
from autonad.errors import ExportError

IMAGES = np.zeros((4, 3, 5, 5), np.float32)
IMAGES[:, 0, 0, 0] = np.arange(4)


def forward(change=lambda number, logits: None):
    """Two classes, all background; `change` alters the logits of image `number`."""

    def run(batch):
        logits = np.zeros((1, 2, 5, 5), np.float32)
        logits[:, 0] = 1
        change(int(batch[0, 0, 0, 0]), logits[0])
        return logits

    return run


def defect(number, logits):
    if number == 2:
        logits[1, 1:3, 1:3] = 5


SPEC = DetectorSpec(("background", "crack"), 5, 5, True, (0.5,) * 3, (0.2,) * 3)
RULES = Rules(mm_per_pixel=None, classes={"crack": ClassRule(min_area_px=3)})
JUDGE = SampleJudge(SPEC, RULES, ((5, 5),) * 4)


def test_equal_networks_agree_at_every_level():
    parity = compare_networks(forward(defect), forward(defect), IMAGES, judge=JUDGE)
    assert parity == Parity(4, 0, 0, 0, 0, 0, 0)


def test_a_missing_defect_shows_at_every_level():
    parity = compare_networks(forward(), forward(defect), IMAGES, judge=JUDGE)
    assert parity.disagreement == 4 / 100
    assert parity.image_disagreement == parity.defect_disagreement == parity.verdict_disagreement == 1 / 4
    assert parity.max_difference == 5


def test_a_larger_defect_is_another_defect_and_the_same_verdict():
    def larger(number, logits):
        if number == 2:
            logits[1, 1:4, 1:4] = 5

    parity = compare_networks(forward(larger), forward(defect), IMAGES, judge=JUDGE)
    assert (parity.image_disagreement, parity.defect_disagreement, parity.verdict_disagreement) == (
        0,
        1 / 4,
        0,
    )


def test_without_a_judge_nothing_is_said_of_defects():
    parity = compare_networks(forward(), forward(defect), IMAGES)
    assert parity.defect_disagreement is parity.verdict_disagreement is None


def test_pixels_that_change_class_within_the_tolerance_are_refused():
    parity = Parity(4, max_difference=1e-4, mean_difference=1e-6, disagreement=2e-4, image_disagreement=0)
    with pytest.raises(
        ExportError, match=r"another class to 0.020 % of the pixels .*max_disagreement = 0.0001"
    ):
        require_parity(parity, Limits(1e-3, 1e-4))
    require_parity(parity, Limits(1e-3, 1e-3))


@pytest.mark.parametrize(("level", "what"), [("verdict", "verdicts"), ("defect", "defects")])
def test_other_verdicts_or_defects_are_refused(level, what):
    same = Parity(50, 0, 0, 0, 0, defect_disagreement=0, verdict_disagreement=0)
    other = replace(same, **{f"{level}_disagreement": 0.02})
    require_parity(same, Limits(1e-3, 1e-4))
    with pytest.raises(ExportError, match=f"{what} that differ on 1 of 50 images .*max_defect_disagreement"):
        require_parity(other, Limits(1e-3, 1e-4))
    require_parity(other, Limits(1e-3, 1e-4, max_defect_disagreement=0.02))
