"""The state of a search as JSON values that only grow, so that an interrupted one goes on bit for bit.

There are two kinds of entry: a generation as it was asked (`Evolution.state_dict`), and one evaluation. In
the order that they were made they are the whole search, whatever the moment at which it was cut off.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autonad.errors import SearchError
from autonad.reading.bounds import folded
from autonad.search.ranking import Evaluation
from autonad.space import SamplingPrior


def evaluation_entry(evaluation: Evaluation) -> dict[str, Any]:
    """What is kept of one evaluation; its architecture is in the entry of its generation."""
    return {"key": evaluation.architecture.key, "miou": evaluation.miou, "latency_ms": evaluation.latency_ms}


def count_evaluations(path: Path) -> int:
    """Evaluations that the journal of a search holds, without reading it whole; 0 where there is none."""
    if not path.is_file():
        return 0
    with path.open("rb") as lines:
        next(lines, None)  # What is searched.
        return sum(b'"candidates"' not in line for line in lines)


def merged(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The state that entries add up to, for `Evolution.load_state_dict`.

    Raises:
        SearchError: They are none of a search.
    """
    state: dict[str, Any] = {}
    candidates: dict[str, dict[str, Any]] = {}
    try:
        for entry in entries:
            if "candidates" in entry:
                state = entry
                candidates |= {candidate["key"]: candidate for candidate in entry["candidates"]}
            else:
                candidates[entry["key"]] = {**candidates[entry["key"]], **entry}
    except (KeyError, TypeError, AttributeError) as error:
        raise unreadable(error) from error
    return {**state, "candidates": list(candidates.values())}


def unreadable(error: Exception) -> SearchError:
    """What is said of a state that makes no sense."""
    return SearchError(
        f"the saved search cannot be read ({type(error).__name__}: {folded(str(error))}); delete it to start "
        "anew"
    )


def prior_key(prior: SamplingPrior) -> str:
    """Equal for equal priors."""
    blocks = sorted((list(place), sorted(values.items())) for place, values in prior.blocks.items())
    edges = sorted((name, sorted(values.items())) for name, values in prior.edges.items())
    return hashlib.sha256(json.dumps([blocks, edges]).encode()).hexdigest()[:12]
