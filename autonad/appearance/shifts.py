"""Which features changed, and which way; which classes became more or less frequent.

Neither decides whether the appearance changed. Kolmogorov-Smirnov statistics only give the change a name; a
changed mix of known classes is reported apart, because known defects in other proportions look as before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autonad.appearance.features import FEATURES
from autonad.appearance.parts import Parts, standardise
from autonad.appearance.statistics import chunks, p_value, permute


@dataclass(frozen=True)
class Shift:
    """A feature whose distribution differs between the batch and the reference.

    Attributes:
        feature: Name, one of `FEATURES`.
        ks: Largest distance between the two distributions within classes, 0 to 1.
        p: Its p-value, adjusted for looking at all features (largest studentised statistic).
        reference: Median over the reference's parts, in the feature's unit.
        batch: Median over the batch's parts.
        direction: "higher", "lower" or "spread differently".
    """

    feature: str
    ks: float
    p: float
    reference: float
    batch: float
    direction: str

    @property
    def words(self) -> str:
        """The shift in words."""
        medians = f"median {self.reference:.3g} → {self.batch:.3g}"
        return f"{self.feature} {self.direction} ({FEATURES[self.feature]}): {medians}"


@dataclass(frozen=True)
class ClassMix:
    """How often parts show each class, in the reference and in the batch.

    Attributes:
        p: P-value of "the mix is the same", from permuting parts; None if it cannot be tested.
        reference: Class index → share of images that show it; 0: no defect.
        batch: The same of the batch.
    """

    p: float | None
    reference: dict[int, float]
    batch: dict[int, float]


def feature_shifts(
    parts: Parts, active: np.ndarray, labels: np.ndarray, names: tuple[str, ...]
) -> list[Shift]:
    """All features by significance.

    Args:
        parts: The pool.
        active: Which parts can be compared, bool (N,).
        labels: Labellings of all parts, the observed one first, bool (P, N).
        names: Features to look at.
    """
    columns = {name: position for position, name in enumerate(FEATURES)}
    found, statistics = [], []
    for name in names:
        values = parts.values[:, columns[name]]
        rows = np.flatnonzero(active & ~np.isnan(values))
        own = labels[:, rows]
        if not 0 < own[0].sum() < len(rows):
            continue
        centred = standardise(values[rows, None], parts.strata[rows])
        if not centred.shape[1]:
            continue
        ks = kolmogorov_smirnov(centred[:, 0], own)
        statistics.append((ks - ks.mean()) / max(float(ks.std()), 1e-12))
        batch, other = (float(np.median(values[rows][which])) for which in (own[0], ~own[0]))
        step = float(np.median(centred[own[0]]) - np.median(centred[~own[0]]))
        direction = "higher" if step > 0 else "lower" if step < 0 else "spread differently"
        found.append((name, float(ks[0]), other, batch, direction))
    if not found:
        return []
    largest = np.max(statistics, axis=0)
    shifts = []
    for (name, distance, other, batch, direction), statistic in zip(found, statistics, strict=True):
        against = np.concatenate([statistic[:1], largest[1:]])
        shifts.append(Shift(name, distance, p_value(against), other, batch, direction))
    return sorted(shifts, key=lambda shift: (shift.p, -shift.ks, shift.feature))


def kolmogorov_smirnov(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Largest distance between the distribution functions of the two samples, for each labelling.

    Only the end of each run of equal values counts: within a run the order is arbitrary, and a distance found
    there is none.

    Args:
        values: float (n,).
        labels: bool (P, n); every labelling has the same number of parts in the batch.

    Returns:
        float64 (P,) between 0 and 1.
    """
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    ends = np.flatnonzero(np.append(np.diff(ranked) > 1e-9, True))
    m = int(labels[0].sum())
    n = labels.shape[1] - m
    found = []
    for chunk in chunks(labels):
        below = np.cumsum(chunk[:, order], axis=1, dtype=np.int32)[:, ends]
        found.append(np.abs(below * (1 / m + 1 / n) - (ends + 1) / n).max(axis=1))
    return np.concatenate(found)


def class_mix(
    parts: Parts,
    reference: dict[int, float],
    batch: dict[int, float],
    *,
    permutations: int,
    rng: np.random.Generator,
) -> ClassMix:
    """Test whether the parts of the batch show the classes as often as those of the reference.

    Args:
        parts: The pool, labelled.
        reference: Share of images that show each class, to report.
        batch: The same of the batch.
        permutations: Random labellings; parts change sides whatever they show.
        rng: Their source.
    """
    free = np.zeros(len(parts), dtype=np.int64)
    labels = permute(parts.in_batch, free, permutations, rng)
    m = int(parts.in_batch.sum())
    deviation = parts.shares.std(axis=0)
    varying = parts.shares[:, deviation > 0] / deviation[deviation > 0]
    inside = np.concatenate([chunk @ varying for chunk in chunks(labels)])
    difference = inside / m - (varying.sum(axis=0) - inside) / (len(parts) - m)
    return ClassMix(p_value((difference**2).sum(axis=1)), reference, batch)
