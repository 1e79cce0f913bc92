from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from autonad.deploy.agreement import SampleJudge, same_defects
from autonad.detector.engine import Detector
from autonad.detector.judged import Defect, Judgement, Verdict
from autonad.detector.rules import ClassRule, Rules
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Tiling

SPEC = DetectorSpec(("background", "crack", "hole"), 32, 48, True, (0.5,) * 3, (0.2,) * 3)
RULES = Rules(
    mm_per_pixel=None,
    classes={"crack": ClassRule(probability=0.4, review=0.8, min_area_px=30), "hole": ClassRule()},
)


def colours(batch):
    """Logits that are colours: crack where it is red, hole where it is green."""
    red, green = batch[:, 0], batch[:, 1]
    return np.stack([np.zeros_like(red), 2 * red, 2 * green], axis=1).astype(np.float32)


def picture(height, width):
    image = np.zeros((height, width, 3), np.uint8)
    image[5:20, 10:40, 0] = 255
    image[30:44, 50:70, 1] = 200
    image[50:53, 50:53, 0] = 255
    return image


@pytest.mark.parametrize("keep_aspect", [True, False])
@pytest.mark.parametrize("native", [(64, 96), (90, 80), (60, 200)])
def test_logits_are_judged_as_the_detector_judges_the_image(native, keep_aspect):
    spec = replace(SPEC, keep_aspect=keep_aspect)
    seen = []

    def forward(batch):
        seen.append(colours(batch)[0])
        return colours(batch)

    wanted = Detector(forward, spec, RULES).detect(picture(*native)).judgement
    assert {defect.class_name for defect in wanted.defects} == {"crack", "hole"}
    assert SampleJudge(spec, RULES, ((7, 7), native))(1, seen[0]) == wanted


def test_a_tile_is_judged_at_its_own_size():
    spec = replace(SPEC, tiles=Tiling(40, 60, 10))
    data = SimpleNamespace(rows=pd.DataFrame({"height": [400], "width": [600]}), image_of=lambda sample: 0)
    assert SampleJudge.of(spec, RULES, data, [3, 9]).natives == ((40, 60), (40, 60))


def test_samples_have_the_sizes_of_their_images():
    data = SimpleNamespace(
        rows=pd.DataFrame({"height": [40, 50, 60], "width": [41, 51, 61]}), image_of=lambda sample: sample
    )
    assert SampleJudge.of(SPEC, RULES, data, [2, 0]).natives == ((60, 61), (40, 41))


def defect(name="crack", area=100, box=(0, 0, 10, 10)):
    return Defect(name, area, box, 10.0, 10.0, 0.9, 0.9, Verdict.NG, "")


def judged(*defects):
    return Judgement(Verdict.NG, "", defects, 0, tuple(range(len(defects))))


@pytest.mark.parametrize(
    ("ours", "theirs", "same"),
    [
        ([], [], True),
        ([defect()], [], False),
        ([], [defect()], False),
        ([defect()], [defect("hole")], False),
        ([defect(box=(0, 0, 10, 10))], [defect(box=(1, 0, 10, 9))], True),
        ([defect(box=(0, 0, 10, 10))], [defect(box=(0, 0, 10, 12))], False),
        ([defect(area=100)], [defect(area=102)], True),
        ([defect(area=100)], [defect(area=103)], False),
        ([defect(area=10_000)], [defect(area=10_100)], True),
        ([defect(area=10_000)], [defect(area=10_200)], False),
        ([defect(), defect("hole")], [defect("hole"), defect()], True),
        ([defect(), defect()], [defect(), defect("hole")], False),
        ([defect(), defect(area=50)], [defect(area=50), defect(area=50)], False),
    ],
)
def test_same_defects(ours, theirs, same):
    assert same_defects(judged(*ours), judged(*theirs)) is same
