"""What the report and the model card say of the line."""

from __future__ import annotations

from dataclasses import replace

from toy_candidates import drawn

from autonad.evaluation.choosing import Goal
from autonad.evaluation.line_result import fit_line
from autonad.report.line_section import on_the_line, recall_rows

GOAL = Goal("overkill", 0.05, 0.1, 0.95, (4.0,))


def test_a_class_that_is_never_found_is_red() -> None:
    val, test = (drawn(seed, clean=60, defective=60) for seed in (0, 1))
    blind = test.value != 1
    kept = blind[test.hit_region] & (test.defect_class[test.hit_defect] != 1)
    test = replace(test, hit_region=test.hit_region[kept], hit_defect=test.hit_defect[kept])
    result = fit_line({"val": val, "test": test}, GOAL, resamples=50, seed=0)
    section = on_the_line(result)

    cells = dict(section["classes"].rows)
    assert "Never found: crack." in result.told[-1]
    assert "Never found" not in result.told[-2]
    assert cells["crack"][0].heat is not None
    assert cells["hole"][0].heat is None
    assert [drawing[:4] for drawing in section["curves"]] == ["<svg"] * 2


def test_a_class_that_the_test_split_lacks_is_no_warning() -> None:
    val, test = drawn(0, clean=60, defective=60), drawn(1, clean=60, defective=1)
    result = fit_line({"val": val, "test": test}, GOAL, resamples=50, seed=0)

    assert ("hole", "none in the test split", "none in the test split") in recall_rows(
        result.operating["test"]
    )
    assert "Never found: hole" not in result.told[-1]
