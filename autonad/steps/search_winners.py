"""From what a search evaluated to a winner for each target and budget."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from autonad.reading.shape_checks import Shape, check_shape
from autonad.storage.journal import Journal

if TYPE_CHECKING:
    import pandas as pd

    from autonad.config import TrainingConfig
    from autonad.evaluation.result import Size
    from autonad.network import AutoNADNet
    from autonad.search import AskTell, Evaluation
    from autonad.search.finalists import Learn
    from autonad.space import Architecture
    from autonad.steps.search_inputs import Device, SearchInputs
    from autonad.steps.search_results import Found
    from autonad.steps.step import Step

# Random architectures that a winner is compared with, at least, and samples that these are sought among; a
# prediction takes a fraction of a millisecond.
FEWEST_PEERS, PEER_DRAWS = 4, 5000
LEARNT = "finalists.jsonl"
"""What finalists learnt: read again by a search that goes on."""


class LearntFile(Shape):
    """What one finalist learnt: its validation mIoU at both sizes, fractions."""

    key: str
    miou: dict[Literal["input", "native"], Annotated[float, Field(ge=0, le=1)]]


def winners(
    step: Step,
    inputs: SearchInputs,
    asking: AskTell,
    output: Path,
    *,
    evaluate: Callable[[Architecture], Evaluation],
    kept: Callable[[], object] = lambda: None,
) -> list[Found]:
    """The winner of every goal, measured, and best of the finalists after a short training.

    Args:
        step: The step that searches.
        inputs: What it searches with.
        asking: The search, at its end.
        output: The search folder; checkpoints and what is learnt are kept there.
        evaluate: What scored the search's architectures.
        kept: Called when another finalist has learnt.

    Raises:
        SearchError: Nothing keeps the budget of one goal.
    """
    from autonad.search.finalists import choose, varied
    from autonad.search.reasons import explain_choice
    from autonad.steps.search_results import Found, of_population

    settings = step.context.config.search
    measures = [_measurer(step, inputs, device) for device in inputs.devices]
    learn = _learner(step, inputs, output, kept) if settings.finalists_learn else None
    found = []
    for goal in asking.goals:
        device, ranking = inputs.devices[goal.target], asking.ranking(goal)
        if settings.algorithm == "algorithm1":
            # It measures its best and no others.
            ranked = asking.finalists(settings.finalists, goal)
        else:
            ranked = varied(asking.finalists(None, goal), settings.finalists, ranking)
        measure = measures[goal.target]
        winner, rows = choose(ranked, measure, ranking, count=settings.finalists, learn=learn)
        population, key = asking.table(goal), winner.architecture.key
        peers = _peers(asking, population, winner, device, evaluate)
        network = inputs.net.extract(winner.architecture).cpu()
        found.append(
            Found(
                goal,
                device.target,
                population,
                ranking.latency_weight,
                winner,
                network,
                _both_sizes(inputs, network),
                rows,
                explain_choice(population, key, goal.budget_ms, rows, peers),
                device.table.cautions,
                (*inputs.flags_of(device), *of_population(population)),
            )
        )
    shutil.rmtree(output / "learning", ignore_errors=True)
    return found


def _peers(
    asking: AskTell,
    population: pd.DataFrame,
    winner: Evaluation,
    device: Device,
    evaluate: Callable[[Architecture], Evaluation],
) -> list[Evaluation]:
    """Random architectures as fast as the winner, where the search has tried few: chance, to compare with."""
    from dataclasses import replace

    import numpy as np

    from autonad.search.reasons import alike, random_alike
    from autonad.search.strata import samples_between

    known = set(random_alike(population, winner.architecture.key)["key"])
    found = samples_between(
        asking.space,
        device.table.predict,
        alike(winner.latency_ms),
        count=FEWEST_PEERS - len(known),
        draws=PEER_DRAWS,
        rng=np.random.default_rng([asking.seed, 11]),
        without=known | {winner.architecture.key},
    )
    return [replace(evaluate(one), latency_ms=device.table.predict(one)) for one in found]


def _learner(step: Step, inputs: SearchInputs, output: Path, kept: Callable[[], object]) -> Learn:
    """Trains a finalist from its inherited weights, each once, also if the search was cut off meanwhile."""
    from autonad.steps.short_training import ShortTraining, finalist_settings

    config, settings = step.context.config, step.context.config.search
    rules = finalist_settings(_trained_with(inputs.provenance))
    training = ShortTraining(
        rules,
        inputs.source,
        inputs.spec,
        network_of=lambda architecture: inputs.net.extract(architecture).cpu(),
        seed=config.seed,
        identity={"stage": "finalist", "inputs": inputs.digests},
        folder=output / "learning",
    )
    epochs = settings.finalist_epochs
    identity = {
        "inputs": inputs.digests,
        "epochs": epochs,
        "seed": config.seed,
        "settings": json.loads(rules.model_dump_json()),
    }
    journal = Journal(output / LEARNT)
    known = _known(journal, identity)

    def learn(architecture: Architecture) -> float:
        key = architecture.key
        if key not in known:
            known[key] = {**training.run(architecture, epochs, resumed=True)}
            journal.append({"key": key, "miou": known[key]})
            kept()
            step.console.report(
                f"finalist {key}: {100 * known[key][settings.score_at]:.1f} % mIoU after {epochs} epochs"
            )
        return known[key][settings.score_at]

    return learn


def _trained_with(supernet: Mapping[str, Any]) -> TrainingConfig:
    """The settings that trained a supernet, by its provenance."""
    from autonad.config import TrainingConfig

    section = "train_supernet."
    found = {
        name.removeprefix(section): value
        for name, value in (supernet.get("settings") or {}).items()
        if name.startswith(section)
    }
    return TrainingConfig(**{name: found[name] for name in TrainingConfig.model_fields if name in found})


def _known(journal: Journal, identity: dict[str, Any]) -> dict[str, dict[Size, float]]:
    """What the journal says of the same trainings; else it begins anew."""
    from autonad.errors import StorageError
    from autonad.reading.bounds import Unreadable

    if journal.path.is_file():
        try:
            entries = journal.read("what finalists learnt")
            if entries and entries[0] == identity:
                learnt = [check_shape(entry, LearntFile) for entry in entries[1:]]
                return {entry["key"]: entry["miou"] for entry in learnt}
        except (StorageError, Unreadable):
            pass  # Damaged: they learn again.
    journal.begin(identity)
    return {}


def _both_sizes(inputs: SearchInputs, network: AutoNADNet) -> Mapping[Size, float]:
    """Inherited validation mIoU of a network at input size and at native size, fractions."""
    from autonad.evaluation.inherited import score_sizes
    from autonad.training.inputs import evaluation_data
    from autonad.training.world import ALONE

    validation = evaluation_data(inputs.source, inputs.spec, "val")
    found = score_sizes(network.eval(), validation, classes=inputs.spec.classes, world=ALONE)
    return {size: metrics.miou for size, metrics in found.items()}


def _measurer(step: Step, inputs: SearchInputs, device: Device) -> Callable[[Architecture], Any] | None:
    """Measures a network on a target; None where this machine is another one."""
    from autonad.search.finalists import measurer

    settings = step.context.config.profile_latency
    return measurer(
        lambda architecture: inputs.net.extract(architecture).cpu(),
        device.target,
        input_shape=(1, 3, *inputs.spec.size),
        warmup=settings.warmup,
        repeats=settings.repeats,
        say=step.console.report,
    )
