"""What a run's detector is made for, which tells runs of several detectors of one execution apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from autonad.tracking.tags import BUDGET, STAGE, VARIANT

PURPOSE = ("target", "latency_budget_ms")
"""Names among what a model says of where it comes from."""


def purpose_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What a model, or a search, says of what it is made for; what it does not know is left out."""
    return {name: facts[name] for name in PURPOSE if facts.get(name) is not None}


def variant_tags(facts: Mapping[str, Any]) -> dict[str, str]:
    """Tags of target and budget, by what a model or a search says of itself; none where that is not known."""
    target, budget = map(facts.get, PURPOSE)
    if target is None:
        return {}
    if budget is None:
        return {VARIANT: str(target)}
    return {VARIANT: f"{target}-{budget:g}ms", BUDGET: f"{budget:g}"}


def title_of(stage: str, tags: Mapping[str, object]) -> str:
    """What a run is called: its stage, and the budget where there is one."""
    return f"{stage} {tags[BUDGET]}ms" if BUDGET in tags else stage


def variants_in(runs: Iterable[Any]) -> list[str]:
    """What detectors were made for in some runs, in the order of the runs."""
    found = (run.data.tags.get(VARIANT) for run in runs)
    return list(dict.fromkeys(variant for variant in found if variant))


def label_of(tags: Mapping[str, str], several: bool) -> str:
    """A step as people read it: its stage, and what it is for where several detectors are made."""
    stage = tags.get(STAGE, "a step")
    return f"{stage} {tags[VARIANT]}" if several and VARIANT in tags else stage
