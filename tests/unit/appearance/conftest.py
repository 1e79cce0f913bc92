from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from autonad.appearance.features import FEATURES
from autonad.appearance.morphology import MORPHOLOGY

MakeTable = Callable[..., pd.DataFrame]


@pytest.fixture
def make_table() -> MakeTable:
    """Feature tables whose images resemble one another within a part."""

    def table(
        seed: int,
        parts: int,
        *,
        images: tuple[int, int] = (1, 6),
        name: str = "part",
        within: float = 0.3,
        classes: tuple[int, ...] = (1, 2),
        shift: dict[str, float] | None = None,
        free: float = 0.0,
    ) -> pd.DataFrame:
        rng = np.random.default_rng(seed)
        rows = []
        for part in range(parts):
            shown = () if rng.random() < free else (int(rng.choice(classes)),)
            look = rng.standard_normal(len(FEATURES)) + 2.0 * sum(shown)
            for image in range(int(rng.integers(images[0], images[1] + 1))):
                values = dict(zip(FEATURES, look + within * rng.standard_normal(len(FEATURES)), strict=True))
                values = {key: value + (shift or {}).get(key, 0.0) for key, value in values.items()}
                if not shown:
                    values |= dict.fromkeys(MORPHOLOGY, float("nan"))
                where = {"image": f"images/{name}{part:04d}-{image}.png", "group": f"{name}{part:04d}"}
                rows.append({**where, "batch": "b", "classes": shown, **values})
        return pd.DataFrame(rows)

    return table
