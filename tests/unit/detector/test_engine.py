from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dark_detector import BRIGHT, CLASSES, dark_spec, forward, surface

from autonad.deploy.shipped import ShippedNetwork
from autonad.detector.engine import Detector, classify
from autonad.detector.judged import Verdict
from autonad.detector.rules import Rules
from autonad.errors import ExportError


def detector(**rules: object) -> Detector:
    return Detector(forward, dark_spec(), Rules.from_dict(rules, CLASSES, "rules"))


def verdicts(found) -> list[tuple[str, str]]:
    return [(defect.class_name, str(defect.verdict)) for defect in found.judgement.defects]


def test_a_clean_part_is_ok() -> None:
    found = detector().detect(surface())

    assert found.judgement.verdict is Verdict.OK
    assert found.judgement.reason == "no defect"
    assert not found.mask.any()


def test_defects_are_found_where_they_are() -> None:
    image = surface((10, 20, 14, 50))
    image[40:50, 5:15] = BRIGHT

    found = detector(mm_per_pixel=0.5).detect(image)

    assert found.judgement.verdict is Verdict.NG
    assert {(d.class_name, d.box, d.area_px) for d in found.judgement.defects} == {
        ("crack", (10, 20, 14, 50), 120),
        ("hole", (40, 5, 50, 15), 100),
    }
    crack = found.judgement.defects[0]
    assert (crack.area_mm2, crack.length_mm) == (30, pytest.approx(crack.length_px / 2, rel=1e-3))


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ({"min_area_px": 120}, True),
        ({"min_area_px": 121}, False),
        ({"min_length_px": 30}, True),
        ({"min_length_px": 31}, False),
        ({"min_area_mm2": 1.2}, True),
        ({"min_area_mm2": 1.21}, False),
        ({"min_length_mm": 3.0}, True),
        ({"min_length_mm": 3.1}, False),
    ],
)
def test_what_is_too_small_does_not_count(rule: dict[str, float], kept: bool) -> None:
    found = detector(mm_per_pixel=0.1, classes={"crack": rule}).detect(surface((10, 20, 14, 50)))

    assert bool(found.judgement.defects) is kept
    assert found.judgement.ignored == (not kept)
    assert found.judgement.verdict == ("NG" if kept else "OK")


def test_an_unsure_defect_is_for_a_person() -> None:
    faint = surface((10, 20, 30, 50), level=60)  # its probability is about 0.65

    assert verdicts(detector(defaults={"review": 0.6}).detect(faint)) == [("crack", "NG")]
    assert verdicts(detector(defaults={"review": 0.9}).detect(faint)) == [("crack", "REVIEW")]
    assert verdicts(detector(defaults={"probability": 0.8}).detect(faint)) == []


def test_a_lower_probability_finds_what_is_not_the_likeliest_class() -> None:
    fainter = surface((10, 20, 30, 50), level=72)  # background is likelier

    assert verdicts(detector().detect(fainter)) == []
    assert verdicts(detector(classes={"crack": {"probability": 0.2}}).detect(fainter)) == [
        ("crack", "REVIEW")
    ]
    assert verdicts(detector(classes={"hole": {"probability": 0.2}}).detect(fainter)) == []


def test_few_defects_of_a_class_do_not_count() -> None:
    two = surface((10, 10, 14, 20), (40, 10, 44, 20))

    assert detector(classes={"crack": {"min_count": 2}}).detect(two).judgement.verdict is Verdict.NG
    allowed = detector(classes={"crack": {"min_count": 3}}).detect(two).judgement
    assert allowed.verdict is Verdict.OK
    assert [defect.rule for defect in allowed.defects] == ["count 2 < min_count 3"] * 2


def test_a_verdict_is_the_worst_of_its_defects() -> None:
    image = surface((10, 10, 20, 30), level=60)
    image[40:50, 5:15] = BRIGHT

    found = detector(classes={"crack": {"review": 0.9}}).detect(image).judgement

    assert found.verdict is Verdict.NG
    assert found.reason == "1 hole NG, 1 crack REVIEW"


def test_at_a_half_classes_are_the_likeliest_ones() -> None:
    logits = np.random.default_rng(0).normal(0, 3, (4, 50, 70)).astype(np.float32)
    probabilities = np.exp(logits) / np.exp(logits).sum(0)
    sure = probabilities.max(0) >= 0.5

    found = classify(iter([(0, logits[:, :20]), (20, logits[:, 20:])]), (50, 70), (0.5, 0.5, 0.5))

    np.testing.assert_array_equal(found.mask[sure], logits.argmax(0)[sure])
    assert not found.mask[~sure].any()
    shown = found.mask > 0
    np.testing.assert_allclose(found.score[shown], probabilities.max(0)[shown], rtol=1e-5)


@pytest.mark.parametrize("native", [(64, 64), (200, 117), (33, 90)])
def test_the_line_and_the_evaluation_see_the_same(dark_model: Path, native: tuple[int, int]) -> None:
    shipped = ShippedNetwork.open(dark_model)
    image = np.random.default_rng(1).integers(0, 256, (*native, 3), dtype=np.uint8)
    line = Detector(shipped.forward, shipped.spec, shipped.network.rules)

    found, wanted = line.detect(image).mask, shipped.mask(image)

    assert (found == wanted)[found > 0].all()
    assert (found != wanted).mean() < 0.02  # three classes: the likeliest may be below a half


def test_a_network_that_says_nothing_is_no_ok() -> None:
    broken = Detector(lambda images: forward(images) * np.nan, dark_spec(), Rules.default(CLASSES))

    with pytest.raises(ExportError, match="not finite"):
        broken.detect(surface())
