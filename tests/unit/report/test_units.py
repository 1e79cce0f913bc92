from __future__ import annotations

import pytest

from autonad.report.units import per_image


@pytest.mark.parametrize(
    ("tiles", "text"), [(1, ""), (12, " a tile, 30.0 ms an image of 12 tiles"), (None, " a tile")]
)
def test_a_latency_says_what_an_image_takes(tiles: int | None, text: str) -> None:
    assert per_image(2.5, tiles) == text
