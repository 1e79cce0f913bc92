"""How often unchanged batches raise an alarm, measured when the pin is made.

The tests hold their level by construction if parts are exchangeable. Whether they do on these images is
measured all the same: whole parts are drawn as a batch and compared with the rest, by the same tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from autonad.appearance.drift import MINIMUM_EFFECT, check_level
from autonad.appearance.parts import check_table, make_parts, unlabelled
from autonad.appearance.pool import Pool


@dataclass(frozen=True)
class FalseAlarms:
    """False alarms at one batch size.

    Attributes:
        images: Images of a batch, at least (whole parts are drawn).
        draws: Batches drawn; 0 if the images are too few for this size.
        alarms: Those that raised an alarm.
    """

    images: int
    draws: int
    alarms: int

    @property
    def rate(self) -> float | None:
        """Share of alarms; None if nothing was drawn."""
        return self.alarms / self.draws if self.draws else None


@dataclass(frozen=True)
class Calibration:
    """Measured false alarms of the tests on unchanged batches.

    Attributes:
        alpha: Level that was asked for.
        sizes: One entry per batch size.
    """

    alpha: float
    sizes: tuple[FalseAlarms, ...]

    @property
    def warning(self) -> str:
        """A sentence if a rate lies above 2 α, else empty."""
        bad = [size for size in self.sizes if size.rate is not None and size.rate > 2 * self.alpha]
        return "; ".join(
            f"{size.alarms} of {size.draws} unchanged batches of {size.images} images raised an alarm "
            f"({size.rate:.1%}, wanted {self.alpha:.1%}): alarms of such batches deserve a second look"
            for size in bad
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"alpha": self.alpha, "sizes": [asdict(size) for size in self.sizes]}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Calibration:
        """The calibration that `to_dict` described."""
        return cls(float(content["alpha"]), tuple(FalseAlarms(**size) for size in content["sizes"]))


def calibrate(
    features: pd.DataFrame,
    *,
    batch_images: Sequence[int] = (30, 100),
    alpha: float = 0.01,
    draws: int = 200,
    permutations: int | None = None,
    seed: int = 0,
    minimum_effect: float = MINIMUM_EFFECT,
) -> Calibration:
    """Draw unchanged batches of whole parts and count the alarms.

    Args:
        features: Table of `extract_features`. If some images are not labelled, textures alone are tested.
        batch_images: Sizes of the batches; one above half of the images is not drawn.
        alpha: Level of the tests.
        draws: Batches per size.
        permutations: Random labellings of each; None: the fewest that alpha allows, which a rate does not
            suffer from.
        seed: Of everything random.
        minimum_effect: As in `compare`.

    Raises:
        DatasetError: The table lacks columns or images, or the numbers are out of range.
    """
    permutations = math.ceil(2 / alpha) - 1 if permutations is None and alpha > 0 else permutations or 0
    check_level(alpha, permutations)
    table = check_table(features, "table of features")
    parts = make_parts(table, table.iloc[:0], labelled=not unlabelled(table).any())
    pool = Pool(parts.values, parts.strata, labelled=parts.labelled)
    sizes = []
    for images in batch_images:
        possible = len(table) >= 2 * images and len(parts) >= 2
        alarms = 0
        for draw in range(draws if possible else 0):
            rng = np.random.default_rng([seed, images, draw])
            chosen = draw_parts(parts.images, images, rng)
            test = pool.test(chosen, alpha=alpha, permutations=permutations, rng=rng)
            alarms += any(each.p <= alpha / 2 and each.effect >= minimum_effect for each in test.statistics)
        sizes.append(FalseAlarms(int(images), draws if possible else 0, alarms))
    return Calibration(alpha, tuple(sizes))


def draw_parts(images: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Whole parts at random until they have the wanted number of images.

    Args:
        images: Images of each part, int (N,).
        wanted: Images of the batch.
        rng: Source of the choice.

    Returns:
        bool (N,); at least one part stays out.
    """
    order = rng.permutation(len(images))
    count = int(np.searchsorted(np.cumsum(images[order]), wanted)) + 1
    chosen = np.zeros(len(images), dtype=bool)
    chosen[order[: min(count, len(images) - 1)]] = True
    return chosen
