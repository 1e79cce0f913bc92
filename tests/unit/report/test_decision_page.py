import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, Page, assert_stands_alone
from screens import Screens

from autonad.appearance.features import FEATURES
from autonad.appearance.policy import Action, BatchFinding, Decision, Reason
from autonad.report.decision import FIRST, render_page


def _drift(features: list[str]) -> dict[str, Any]:
    return {
        "p_value": 0.0005,
        "statistics": [{"name": "energy", "value": 1.5, "p": 0.001, "effect": 0.42}],
        "class_mix": {"p": 0.3},
        "shifted": [
            {"feature": name, "ks": 0.5, "p": 0.001, "reference": 1.25, "batch": 2.75} for name in features
        ],
    }


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    """A dataset of four images, a pin of two of them, and a batch of the others."""
    names = [f"{number} & <b>.png" for number in range(4)]
    manifest = pd.DataFrame({"image": names, "mask": None, "group": ["a", "b", EVIL, "d"]})
    for name in names:
        (tmp_path / name).touch()
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"image": names, **{name: rng.normal(size=4) for name in FEATURES}})
    image = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
    dataset = SimpleNamespace(root=tmp_path, manifest=manifest, read_image=lambda row: image)
    before = SimpleNamespace(key="0123456789ab", manifest=manifest[:2], features=features[:2])
    pin = SimpleNamespace(key="ba9876543210", manifest=manifest, features=features)
    return {
        "name": f"steel {EVIL}",
        "dataset": dataset,
        "before": before,
        "pin": pin,
        "batches": {EVIL: features[2:]},
        "target": EVIL,
        "costs": {
            "train-supernet": 1980.0,
            "search": 300.0,
            "retrain": 600.0,
            "evaluate": 5.0,
            "export": 15.0,
        },
    }


def _decision(features: list[str]) -> Decision:
    tested = BatchFinding(EVIL, 40, 14, 38, True, 0.01, _drift(features), "")
    small = BatchFinding("july", 2, 1, 2, False, 0.01, None, EVIL)
    reasons = (Reason("appearance_changed", EVIL),)
    return Decision("train", reasons, True, batches=(tested, small), notes=(EVIL,))


def test_the_page_stands_alone_and_hostile_names_are_text(parts: dict[str, Any]) -> None:
    text = render_page(_decision(list(FEATURES)[:3]), **parts)
    page = assert_stands_alone(text)
    assert page.text.count(EVIL) > 5
    assert [section["id"] for section in page.named("section")] == [
        "decision",
        "coming",
        "tests",
        "shifts-1",
        "typical",
        "unusual-1",
    ]
    assert len(page.named("img")) == 4
    for picture in page.named("img"):
        assert (picture["alt"] or "").endswith("& <b>.png")
    assert "appearance changed" in page.text
    assert f"Dataset steel {EVIL}, target" in page.text
    assert "1.5 0.001 0.42" in " ".join(page.text.split())
    assert text == render_page(_decision(list(FEATURES)[:3]), **parts)


def test_the_features_beyond_the_first_are_folded(parts: dict[str, Any]) -> None:
    page = assert_stands_alone(render_page(_decision(list(FEATURES)[: FIRST + 2]), **parts))
    assert len(page.named("details")) == 1
    assert "2 more" in page.text
    assert not assert_stands_alone(render_page(_decision(list(FEATURES)[:FIRST]), **parts)).named("details")


def test_a_withdrawn_image_has_no_picture(parts: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "3 & <b>.png").unlink()
    assert len(assert_stands_alone(render_page(_decision([]), **parts)).named("img")) == 3


def test_without_a_reason_the_page_says_so(parts: dict[str, Any]) -> None:
    page = assert_stands_alone(render_page(Decision("reuse", (), False, batches=(), notes=()), **parts))
    assert "the architecture stays" in page.text
    assert "tests" not in [section["id"] for section in page.named("section")]


def _told(page: Page) -> str:
    return " ".join(page.text.split())


def test_the_pin_that_now_holds_is_shown_with_the_one_that_was(parts: dict[str, Any]) -> None:
    moved = _told(assert_stands_alone(render_page(_decision([]), **parts)))
    assert "ba9876543210 is new: 4 images of 4 parts; it was 0123456789ab, 2 images" in moved
    assert "Most typical of pin 0123456789ab" in moved  # what the batches were compared with
    stays = render_page(Decision("reuse", (), False), **{**parts, "pin": parts["before"]})
    assert "0123456789ab stays: 2 images of 2 parts" in _told(assert_stands_alone(stays))
    first = render_page(Decision("train", (), True), **{**parts, "before": None})
    assert "ba9876543210 is new: 4 images" in _told(assert_stands_alone(first))


def test_what_limits_a_finding_is_said_before_any_table(parts: dict[str, Any]) -> None:
    small = BatchFinding("july", 2, 1, 2, False, 0.01, None, "too few parts to be tested")
    text = render_page(Decision("reuse", (), False, batches=(small,)), **parts)
    assert "Batch july: too few parts to be tested" in text
    assert text.index("too few parts to be tested") < text.index("<table")
    assert "not tested" in text


def test_no_part_is_shown_twice(parts: dict[str, Any]) -> None:
    manifest = parts["dataset"].manifest
    for table in (manifest, parts["before"].manifest):
        table["group"] = "a"
    page = assert_stands_alone(render_page(_decision([]), **parts))
    captions = [" ".join(text.split()) for text in re.findall(r"part a", page.text)]
    assert len(captions) == len(page.named("img")) == 2  # one of the pin, one of the batch


@pytest.mark.parametrize(
    ("action", "first", "takes"),
    [
        ("train", "train-supernet", "48 min"),
        ("search", "profile-latency", "15 min"),
        ("reuse", "retrain", "10 min"),
    ],
)
def test_what_happens_now_and_what_it_takes(
    parts: dict[str, Any], action: Action, first: str, takes: str
) -> None:
    told = _told(assert_stands_alone(render_page(Decision(action, (), False), **parts)))
    assert f"Took last time {first} " in told
    assert f"Takes about {takes} by what these steps took last time" in told
    unknown = _told(assert_stands_alone(render_page(Decision(action, (), False), **{**parts, "costs": {}})))
    assert "nothing is known of an earlier run" in unknown
    del parts["costs"]["retrain"]
    some = _told(assert_stands_alone(render_page(Decision(action, (), False), **parts)))
    assert "and more nothing is known yet of retrain" in some


def test_who_disagrees_reads_what_to_do(parts: dict[str, Any]) -> None:
    changed = _told(assert_stands_alone(render_page(_decision([]), **parts)))
    assert "git checkout HEAD -- data/current.dvc && dvc checkout" in changed
    assert "decide.minimum_effect" in changed
    by_hand = Decision("train", (Reason("forced_training", "asked for"),), True)
    assert "decide.force=none" in _told(assert_stands_alone(render_page(by_hand, **parts)))
    budget = Decision("search", (Reason("latency_budget_changed", "the budget"),), False)
    told = _told(assert_stands_alone(render_page(budget, **parts)))
    assert "set it back" in told
    assert "git checkout" not in told
    assert "decide.force=train" in _told(
        assert_stands_alone(render_page(Decision("reuse", (), False), **parts))
    )


def test_it_fits_every_screen_and_paper(parts: dict[str, Any], screens: Screens) -> None:
    screens.check(render_page(_decision(list(FEATURES)), **parts))
