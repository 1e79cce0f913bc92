"""How well inherited weights order networks that are then retrained, and how much retraining adds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from autonad.evaluation.inherited import score_sizes
from autonad.evaluation.metrics import compute_metrics
from autonad.evaluation.rank_correlation import rank_agreement
from autonad.network.flops import architecture_flops
from autonad.network.peak_memory import count_parameters
from autonad.space import Architecture
from autonad.training.inputs import evaluation_data
from autonad.training.world import ALONE
from benchmarks.retrained import Place, Runs, Start, native_matrices


def ranking(
    runs: Runs, place: Place, networks: Sequence[dict[str, Architecture]], start: Start, seeds: int
) -> dict[str, Any]:
    """Order of networks by inherited validation mIoU, by parameters and by FLOPs, against test mIoU.

    Both mIoU are at native size; that on test is the mean of the retrainings.

    Args:
        runs: The retrainings.
        place: Where they were done.
        networks: For every budget, name → architecture; `searched` is among them.
        start: What they started from.
        seeds: How many there are of each.

    Returns:
        What `rank_agreement` returns, `place` and `start`, and `gaps`: for every budget by how much the
        searched network's test mIoU exceeds what it inherits there, points; empty from random weights.
    """
    spec, classes = place.spec, place.spec.num_classes
    validation = evaluation_data(place.dataset, spec, "val")
    known = {one.key: one for each in networks for one in each.values()}
    inherited, retrained = {}, {}
    for key, one in known.items():
        scores = score_sizes(
            partial(place.net, architecture=one), validation, classes=spec.classes, world=ALONE
        )
        inherited[key] = scores["native"].miou
        found = [runs.matrices(place, one, start, seed).sum(0) for seed in range(seeds)]
        retrained[key] = float(np.mean([compute_metrics(one, spec.classes).miou for one in found]))
    predictors = {
        "inherited": np.array([inherited[key] for key in known]),
        "parameters": np.array([float(count_parameters(one, classes)) for one in known.values()]),
        "flops": np.array([float(architecture_flops(one, classes, spec.size)) for one in known.values()]),
    }
    agreement = rank_agreement(np.array([retrained[key] for key in known]), predictors)
    gaps = []
    for each in networks if start == "inherited" else ():
        before = native_matrices(place.net.extract(each["searched"]), place).sum(0)
        miou = compute_metrics(before, spec.classes).miou
        gaps.append(100 * (retrained[each["searched"].key] - miou))
    return {**agreement, "place": place.name, "start": start, "gaps": gaps}


def sentence(found: dict[str, Any]) -> str:
    """What `ranking` found, in words."""
    taus = {name: kinds["tau"] for name, kinds in found["predictors"].items()}
    parts = [f"{name} {_figure(tau)}" for name, tau in taus.items()]
    gaps = ", ".join(f"{gap:+.1f}" for gap in found["gaps"])
    gain = f"; searched networks gain {gaps} points on what they inherit" if gaps else ""
    return (
        f"{found['place']}, from {found['start']} weights: Kendall's tau with test mIoU after retraining, "
        f"{found['architectures']} networks: {'; '.join(parts)}{gain}"
    )


def _figure(tau: dict[str, float | None]) -> str:
    value, low, high = ("–" if tau[end] is None else f"{tau[end]:.2f}" for end in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
