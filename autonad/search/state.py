"""The state of a search as plain JSON values, so that an interrupted one goes on bit for bit."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from autonad.errors import ArchitectureError, SearchError
from autonad.search.population import Record
from autonad.search.ranking import Evaluation, checked
from autonad.space import Architecture, SamplingPrior

if TYPE_CHECKING:
    from autonad.search.evolution import Evolution


def make_state(search: Evolution) -> dict[str, Any]:
    """JSON values that `load_state` restores a search from."""
    return {
        "identity": _identity(search),
        "generations": search.settings.generations,
        "generation": search.generation,
        "converged": search._converged,
        "latency_weight": search._latency_weight,
        "rng": search._rng.bit_generator.state,
        "records": [_dump(record) for record in search._records.values()],
    }


def load_state(search: Evolution, state: dict[str, Any]) -> None:
    """Put a saved state into a search of the same identity; on an error the search is left as it was.

    Raises:
        SearchError: The state is malformed or belongs to another search.
    """
    try:
        saved, own = state["identity"], _identity(search)
        different = [name for name in own if saved[name] != own[name]]
        if different:
            changes = ", ".join(f"{name} was {saved[name]}, now {own[name]}" for name in different)
            raise SearchError(
                f"the saved search is another one: {changes}; put the parameters back, or start a new search "
                "in an empty output folder"
            )
        if search.settings.generations < state["generation"]:
            raise SearchError(
                f"the saved search is in generation {state['generation']}, the parameters allow "
                f"{search.settings.generations}; allow at least as many"
            )
        records = {record.architecture.key: record for record in map(_parse, state["records"])}
        weight, generation = state["latency_weight"], int(state["generation"])
        weight, converged = None if weight is None else float(weight), bool(state["converged"])
        search._rng.bit_generator.state = state["rng"]
    except (KeyError, TypeError, ValueError, ArchitectureError) as error:
        raise SearchError(
            f"the saved search cannot be read ({type(error).__name__}: {error}); delete it to start anew"
        ) from error
    search.generation, search._latency_weight = generation, weight
    search._converged, search._records = converged, records


def _identity(search: Evolution) -> dict[str, Any]:
    """What must be equal for a search to be the same.

    The number of generations may grow, and the latency budget may change: it only ranks what was evaluated.
    """
    free = ("generations", "latency_budget_ms")
    settings = {name: value for name, value in asdict(search.settings).items() if name not in free}
    return {"space": search.space.key, "prior": _prior_key(search.prior), "seed": search.seed, **settings}


def _prior_key(prior: SamplingPrior) -> str:
    blocks = sorted((list(place), sorted(values.items())) for place, values in prior.blocks.items())
    edges = sorted((name, sorted(values.items())) for name, values in prior.edges.items())
    return hashlib.sha256(json.dumps([blocks, edges]).encode()).hexdigest()[:12]


def _dump(record: Record) -> dict[str, Any]:
    told = record.evaluation
    return {
        "architecture": record.architecture.to_dict(),
        "generation": record.generation,
        "origin": record.origin,
        "parents": list(record.parents),
        "miou": None if told is None else told.miou,
        "latency_ms": None if told is None else told.latency_ms,
    }


def _parse(data: dict[str, Any]) -> Record:
    architecture = Architecture.from_dict(data["architecture"])
    evaluation = None
    if data["miou"] is not None:
        evaluation = checked(Evaluation(architecture, data["miou"], data["latency_ms"]))
    parents = tuple(str(key) for key in data["parents"])
    return Record(architecture, int(data["generation"]), str(data["origin"]), parents, evaluation)
