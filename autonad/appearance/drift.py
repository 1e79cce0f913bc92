"""Does a batch look like the reference? Two two-sample tests on physical parts, and what changed.

The tests permute whole parts, within classes where there are labels, so that they hold their level whatever
the features are: p = (1 + labellings at least as extreme) / (1 + permutations). α is split evenly between the
two (Bonferroni). See `statistics` for their sources and docs/decisions/0012 for the reasons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from autonad.appearance.parts import (
    MAX_UNLABELLED,
    Parts,
    check_table,
    counts_by_class,
    make_parts,
    shown_classes,
    unlabelled,
)
from autonad.appearance.pool import Pool, Statistic
from autonad.appearance.power import detectable_shift
from autonad.appearance.shifts import ClassMix, Shift, class_mix, feature_shifts
from autonad.errors import DatasetError

MINIMUM_EFFECT = 0.1
NAMING = 500  # labellings that are enough to name features


@dataclass(frozen=True)
class Drift:
    """How a batch compares with the reference.

    Attributes:
        changed: A new class, or a test with p ≤ its share of α and an effect of at least the minimum.
        p_value: Of both tests together (twice the smaller one, at most 1).
        alpha: Level of both tests together.
        minimum_effect: Smallest effect that counts as a change.
        statistics: The tests; empty if no part could be compared.
        new_classes: Class indices that the batch shows and the reference does not.
        class_mix: Frequencies of classes; None without labels. It does not decide.
        shifted: What changed, if a test says that something did: the features that differ (adjusted p ≤
            0.05), or the three most different of a change that no single feature shows.
        images: Images compared: (reference, batch).
        groups: Parts compared: (reference, batch).
        detectable: Shift of one feature that is seen in about 80 % of batches of this size, in standard
            deviations between parts; None if none can be seen.
        note: What limits the comparison; empty if nothing does.
    """

    changed: bool
    p_value: float
    alpha: float
    minimum_effect: float
    statistics: tuple[Statistic, ...]
    new_classes: tuple[int, ...]
    class_mix: ClassMix | None
    shifted: tuple[Shift, ...]
    images: tuple[int, int]
    groups: tuple[int, int]
    detectable: float | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON, the same bytes for the same inputs: numbers have six significant digits."""
        return {field.name: _plain(getattr(self, field.name)) for field in fields(self)}


def compare(
    reference: pd.DataFrame,
    batch: pd.DataFrame,
    *,
    alpha: float = 0.01,
    permutations: int = 1000,
    seed: int = 0,
    minimum_effect: float = MINIMUM_EFFECT,
) -> Drift:
    """Compare a batch's appearance with that of the reference.

    Args:
        reference: Table of `extract_features`.
        batch: The same of the batch. Parts that it shares with the reference count as the batch's.
        alpha: Probability of a false alarm, of both tests together.
        permutations: Random labellings of parts; at least 2 / alpha.
        seed: Of the permutations.
        minimum_effect: A significant difference below this is no change. An effect is 2 AUC − 1: 0 if the
            batch cannot be told apart, 1 if each of its parts can; a fifth of unseen parts gives about 0.2.

    Raises:
        DatasetError: A table lacks columns or images, or the numbers are out of range.
    """
    check_level(alpha, permutations)
    reference, batch = check_table(reference, "reference"), check_table(batch, "batch")
    notes: list[str] = []
    new = tuple(sorted(shown_classes(batch) - shown_classes(reference)))
    reference = _without_shared(reference, batch, notes)
    parts, compared = _parts(reference, batch, notes)
    pool = Pool(parts.values, parts.strata, labelled=parts.labelled)
    rng = np.random.default_rng(seed)
    test = pool.test(parts.in_batch, alpha=alpha, permutations=permutations, rng=rng)
    p = min([1.0, *(2 * each.p for each in test.statistics)])
    found = any(each.p <= alpha / 2 and each.effect >= minimum_effect for each in test.statistics)
    sides = tuple(int((test.active & (parts.in_batch == side)).sum()) for side in (False, True))
    detectable = detectable_shift(parts.strata, parts.in_batch, test.active, pool.dimensions, alpha / 2)
    notes += _limits(parts, test.active, sides, detectable)
    shifts = feature_shifts(parts, test.active, test.labels[:NAMING], pool.names) if found else []
    named = [shift for shift in shifts if shift.p <= 0.05] or shifts[:3]
    mix = None
    if parts.labelled:
        shares = [_shares(table) for table in compared]
        mix = class_mix(parts, *shares, permutations=permutations, rng=rng)
    return Drift(
        changed=found or bool(new),
        p_value=p,
        alpha=alpha,
        minimum_effect=minimum_effect,
        statistics=test.statistics,
        new_classes=new,
        class_mix=mix,
        shifted=tuple(named),
        images=(len(compared[0]), len(compared[1])),
        groups=(sides[0], sides[1]),
        detectable=detectable,
        note="; ".join(notes),
    )


def check_level(alpha: float, permutations: int) -> None:
    """Refuse a level that the permutations cannot reach.

    Raises:
        DatasetError: α is no probability, or there are too few permutations for it.
    """
    if not 0 < alpha < 1 or permutations + 1 < 2 / alpha:
        raise DatasetError(
            f"got alpha {alpha} with {permutations} permutations; alpha lies between 0 and 1 and needs at "
            "least 2 / alpha permutations"
        )


def _without_shared(reference: pd.DataFrame, batch: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    shared = reference["group"].astype(str).isin(set(batch["group"].astype(str)))
    if not shared.any():
        return reference
    if shared.all():
        raise DatasetError(
            "every part of the reference is also in the batch; compare images of parts that are not the same"
        )
    notes.append(f"{int(shared.sum())} images of the reference show parts of the batch and are left out")
    return reference[~shared]


def _parts(
    reference: pd.DataFrame, batch: pd.DataFrame, notes: list[str]
) -> tuple[Parts, tuple[pd.DataFrame, pd.DataFrame]]:
    """Parts to compare, with labels if nearly all of the batch has them and classes overlap enough."""
    bare, bare_reference = unlabelled(batch), unlabelled(reference)
    if bare.mean() <= MAX_UNLABELLED and not bare_reference.all():
        left_out = int(bare.sum() + bare_reference.sum())
        tables = (reference[~bare_reference], batch[~bare])
        parts = make_parts(*tables, labelled=True)
        known = set(parts.strata[~parts.in_batch])
        fresh = shown_classes(tables[1]) - shown_classes(tables[0])
        ours = [stratum for stratum in parts.strata[parts.in_batch] if stratum not in fresh]
        if not ours or sum(stratum in known for stratum in ours) >= len(ours) / 2:
            if left_out:
                notes.append(f"{left_out} images without a mask are left out")
            return parts, tables
        notes.append("most parts of the batch show no defects or classes that reference parts rarely show")
    else:
        notes.append(f"{int(bare.sum())} of {len(batch)} images of the batch have no mask")
    notes.append(
        "textures alone are compared, and another mix of classes cannot be told from another appearance"
    )
    return make_parts(reference, batch, labelled=False), (reference, batch)


def _limits(parts: Parts, active: np.ndarray, sides: tuple[int, ...], detectable: float | None) -> list[str]:
    found = []
    alone = int((parts.in_batch & ~active).sum())
    if alone:
        found.append(
            f"{alone} parts of the batch have no part of their class in the reference to compare with"
        )
    fewer, which = min((sides[1], "the batch"), (sides[0], "the reference"))
    if detectable is None:
        found.append(f"too few parts ({fewer} in {which}) to see any shift")
    elif detectable > 1:
        found.append(
            f"too few parts ({fewer} in {which}) to see small shifts: it takes {detectable:.1f} standard "
            "deviations between parts in one feature to be seen in 80 % of such batches"
        )
    return found


def _shares(table: pd.DataFrame) -> dict[int, float]:
    return {index: count / len(table) for index, count in sorted(counts_by_class(table).items())}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Shift):
        return {
            **{field.name: _plain(getattr(value, field.name)) for field in fields(value)},
            "words": value.words,
        }
    if isinstance(value, Statistic | ClassMix):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
