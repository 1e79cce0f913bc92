import xml.etree.ElementTree as ET

import numpy as np
import pytest

from autonad.report.drawing import EDGE_NAMES, describe, draw_architecture
from autonad.report.palette import DARK, LIGHT, contrast
from autonad.space import EDGE_OPERATORS, OPERATORS, SearchSpace


@pytest.mark.parametrize("preset", ["tiny", "small", "table1"])
@pytest.mark.parametrize("seed", range(3))
def test_every_gene_is_drawn(preset: str, seed: int) -> None:
    architecture = SearchSpace.preset(preset).sample(np.random.default_rng(seed))
    root = ET.fromstring(draw_architecture(architecture, 4))
    texts = [element.text or "" for element in root.iter("text")]
    for operator in OPERATORS:
        blocks = [
            block for stage in architecture.stages for block in stage.blocks if block.operator == operator
        ]
        assert sum(box.get("fill") == f"var(--{operator}-fill)" for box in root.iter("rect")) == len(blocks)
    assert sum(text.startswith("FFN") for text in texts) == architecture.num_blocks
    for stage in architecture.stages:
        assert str(stage.width) in texts
    for name in EDGE_OPERATORS:
        assert texts.count(EDGE_NAMES[name]) == architecture.edges.count(name)
    assert [text for text in texts if text.startswith("pool to")] == [
        f"pool to {side}×{side}" for side in architecture.pools
    ]
    assert any("4 classes" in text for text in texts)


@pytest.mark.parametrize("largest", [True, False])
def test_nothing_lies_outside_the_picture(largest: bool) -> None:
    space = SearchSpace.preset("table1")
    root = ET.fromstring(draw_architecture(space.largest() if largest else space.smallest(), 4))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for box in root.iter("rect"):
        x, y, w, h = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    for text in root.iter("text"):
        assert 0 < float(text.attrib["y"]) < height


def test_different_architectures_give_different_descriptions() -> None:
    space = SearchSpace.preset("tiny")
    rng = np.random.default_rng(0)
    samples = {space.sample(rng) for _ in range(50)}
    assert len({describe(sample) for sample in samples}) == len(samples)


@pytest.mark.parametrize("scheme", [LIGHT, DARK])
def test_text_on_operator_colours_is_readable(scheme: dict[str, str]) -> None:
    assert set(LIGHT) == set(DARK)
    for operator in OPERATORS:
        assert contrast(scheme[f"{operator}-fill"], scheme[f"{operator}-line"]) >= 4.5  # WCAG AA
        assert contrast(scheme[f"{operator}-fill"], scheme["ink"]) >= 4.5
