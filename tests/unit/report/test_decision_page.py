from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from html_page import EVIL, assert_stands_alone

from autonad.appearance.features import FEATURES
from autonad.appearance.policy import BatchFinding, Decision, Reason
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
    manifest = pd.DataFrame({"image": names, "mask": None, "group": ["a", "a", EVIL, EVIL]})
    for name in names:
        (tmp_path / name).touch()
    rng = np.random.default_rng(0)
    features = pd.DataFrame({"image": names, **{name: rng.normal(size=4) for name in FEATURES}})
    image = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
    dataset = SimpleNamespace(root=tmp_path, manifest=manifest, read_image=lambda row: image)
    pin = SimpleNamespace(key="0123456789ab", manifest=manifest[:2], features=features[:2])
    return {
        "name": f"steel {EVIL}",
        "dataset": dataset,
        "pin": pin,
        "batches": {EVIL: features[2:]},
        "target": EVIL,
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
    assert "1.5, p 0.001, effect 0.42" in page.text
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
