"""A pool of parts, prepared without knowing which are the batch, then tested under any labelling of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autonad.appearance.features import FEATURES
from autonad.appearance.morphology import MORPHOLOGY
from autonad.appearance.parts import standardise
from autonad.appearance.statistics import (
    PENALTIES,
    View,
    classifier_auc,
    make_views,
    mmd,
    p_value,
    permute,
    studentise,
    witness_auc,
)
from autonad.appearance.texture import TEXTURE


@dataclass(frozen=True)
class Statistic:
    """One of the two tests.

    Attributes:
        name: "mmd" or "classifier".
        view: The features in which the difference is largest.
        value: Largest studentised statistic: standard deviations above the mean of its permutations.
        threshold: The value that is significant at this test's share of α.
        p: P-value.
        effect: 2 AUC − 1 of the witness function or the classifier, on parts left out.
    """

    name: str
    view: str
    value: float
    threshold: float
    p: float
    effect: float


@dataclass(frozen=True)
class TestResult:
    """Outcome of the tests of one labelling.

    Attributes:
        statistics: MMD and classifier; empty if nothing can be compared.
        active: Parts whose stratum lies on both sides, bool (N,).
        labels: The labellings, the observed one first, bool (1 + permutations, N).
    """

    __test__ = False  # no test case, whatever pytest thinks of the name

    statistics: tuple[Statistic, ...]
    active: np.ndarray
    labels: np.ndarray


class Pool:
    """Standardised features and kernels of a pool of parts.

    Args:
        values: Mean features of each part, (N, F) in the order of `FEATURES`.
        strata: What they may be exchanged within, (N,).
        labelled: Compare the defects too, not textures alone.
    """

    def __init__(self, values: np.ndarray, strata: np.ndarray, *, labelled: bool) -> None:
        self.strata = strata
        self.names = tuple(FEATURES) if labelled else tuple(TEXTURE)
        columns = {name: position for position, name in enumerate(FEATURES)}
        self.views: list[View] = []
        for name, group in (("texture", TEXTURE), ("defects", MORPHOLOGY if labelled else {})):
            chosen = values[:, [columns[feature] for feature in group]]
            # Parts have defects or not by stratum, so that a permutation never changes who takes part.
            rows = np.flatnonzero(~np.isnan(chosen).any(axis=1)) if group else np.array([], dtype=int)
            if len(rows):
                self.views += make_views(name, rows, standardise(chosen[rows], strata[rows]))

    @property
    def dimensions(self) -> float:
        """Effective number of independent texture features (participation ratio of their spectrum)."""
        features = next((view.features for view in self.views if view.features is not None), None)
        if features is None:
            return 1.0
        spectrum = np.linalg.eigvalsh(np.atleast_2d(np.cov(features.T)))
        return max(1.0, float(spectrum.sum() ** 2 / (spectrum**2).sum()))

    def test(
        self, in_batch: np.ndarray, *, alpha: float, permutations: int, rng: np.random.Generator
    ) -> TestResult:
        """Both tests of one labelling.

        Args:
            in_batch: Which parts are the batch, bool (N,).
            alpha: Level of both tests together.
            permutations: Random labellings.
            rng: Their source.
        """
        labels = permute(in_batch, self.strata, permutations, rng)
        mixed = [
            stratum for stratum in np.unique(self.strata) if 0 < in_batch[self.strata == stratum].mean() < 1
        ]
        active = np.isin(self.strata, mixed)
        distances, areas = [], []
        for view in self.views:
            inside = np.flatnonzero(active[view.rows])
            own = labels[:, view.rows[inside]]
            if not len(inside) or not 0 < own[0].sum() < len(inside):
                continue
            distances.append((view, mmd(view, inside, own), witness_auc(view, inside, own[0])))
            if view.features is not None:
                strata = self.strata[view.rows[inside]]
                for penalty in PENALTIES:
                    auc = classifier_auc(view, inside, strata, own, penalty)
                    areas.append((view, auc, float(auc[0])))
        found = (("mmd", distances), ("classifier", areas))
        statistics = tuple(_statistic(name, each, alpha / 2) for name, each in found if each)
        return TestResult(statistics, active, labels)


def _statistic(name: str, each: list[tuple[View, np.ndarray, float]], level: float) -> Statistic:
    largest, best = studentise([values for _, values, _ in each])
    view, _, auc = each[best]
    threshold = float(np.quantile(largest, 1 - level, method="higher"))
    return Statistic(name, view.name, float(largest[0]), threshold, p_value(largest), 2 * auc - 1)
