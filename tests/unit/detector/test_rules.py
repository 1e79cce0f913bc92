from __future__ import annotations

from pathlib import Path

import pytest

from autonad.detector.rules import Rules
from autonad.errors import ConfigError

CLASSES = ("background", "crack", "hole")


def rules(data: object) -> Rules:
    return Rules.from_dict(data, CLASSES, "rules.yaml")


def test_nothing_said_is_the_default() -> None:
    assert rules({}) == rules(None) == Rules.default(CLASSES)
    assert list(rules({}).classes) == ["crack", "hole"]


def test_rules_survive_being_written() -> None:
    told = rules({"mm_per_pixel": 0.1, "classes": {"hole": {"probability": 0.3, "min_length_mm": 2}}})

    assert rules(told.to_dict()) == told


def test_a_class_says_more_than_the_defaults_and_those_more_than_nothing() -> None:
    found = rules({"defaults": {"review": 0.8, "min_count": 2}, "classes": {"crack": {"review": 0.55}}})

    assert [found.classes[name].review for name in ("crack", "hole")] == [0.55, 0.8]
    assert {rule.min_count for rule in found.classes.values()} == {2}


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"classes": {"crak": {}}}, "knows no class 'crak'; did you mean crack"),
        ({"classes": {"zebra": {}}}, "its classes are crack, hole"),
        ({"classes": {"background": {}}}, "background is no defect"),
        ({"classes": {"crack": {"min_area": 3}}}, "min_area is no known key: did you mean min_area_"),
        ({"classes": {"crack": {"probability": 0}}}, "classes.crack: probability is 0"),
        ({"classes": {"crack": {"probability": 1.5}}}, "probability is 1.5"),
        ({"classes": {"crack": {"min_count": 0}}}, "min_count is 0"),
        ({"classes": {"crack": {"min_area_px": True}}}, "true and false"),
        ({"classes": ["crack"]}, "no mapping"),
        ({"thresholds": {}}, "thresholds is no known key"),
        ({"mm_per_pixel": -1}, "mm_per_pixel is -1"),
        ("crack: 0.5", "no mapping"),
    ],
)
def test_what_is_wrong_is_named(data: object, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        rules(data)

    assert str(caught.value).startswith("rules.yaml")
    assert "\n" not in str(caught.value)


def test_millimetres_need_a_scale() -> None:
    in_mm = rules({"classes": {"hole": {"min_area_mm2": 0.5}}})

    with pytest.raises(ConfigError, match=r"rules of hole are in millimetres.*--scale"):
        in_mm.scaled(None)

    assert in_mm.scaled(0.05).mm_per_pixel == 0.05
    assert rules({"mm_per_pixel": 0.1, **in_mm.to_dict()} | {"mm_per_pixel": 0.1}).scaled(None)


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("classes:\n  crack: {probability: 0.25}\n")

    assert Rules.load(path, CLASSES).classes["crack"].probability == 0.25


@pytest.mark.parametrize("text", ["classes: {crack: [", "a: b: c"])
def test_a_file_that_is_no_yaml_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=r"rules\.yaml cannot be read as YAML"):
        Rules.load(path, CLASSES)
    with pytest.raises(ConfigError, match="there are no rules at"):
        Rules.load(tmp_path / "none.yaml", CLASSES)
