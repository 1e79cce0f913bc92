"""Rows of a manifest, in groups, as splitting them needs."""

from __future__ import annotations

import numpy as np
import pandas as pd


def table(seed: int, groups_per_class: list[int], mixed: float = 0.15) -> pd.DataFrame:
    """Groups of one to six images; some images show a second class."""
    rng = np.random.default_rng(seed)
    rows, group = [], 0
    for index, count in enumerate(groups_per_class, start=1):
        for _ in range(count):
            for _ in range(int(rng.integers(1, 7))):
                pixels = [100] + [0] * len(groups_per_class)
                pixels[index] = int(rng.integers(1, 50))
                if rng.random() < mixed:
                    pixels[int(rng.integers(1, len(pixels)))] = 5
                rows.append({"group": f"g{group}", "pixels": pixels})
            group += 1
    return pd.DataFrame(rows).sample(frac=1, random_state=seed).reset_index(drop=True)
