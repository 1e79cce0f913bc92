"""Search the supernet for the best architecture under the target's latency (Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.steps.search_inputs import SearchInputs, read_inputs
from autonad.steps.step import Step, begin
from autonad.storage.checkpoints import Mirror, Resume
from autonad.storage.journal import Journal

if TYPE_CHECKING:
    import pandas as pd

    from autonad.config import Config
    from autonad.evaluation.result import Size
    from autonad.network import AutoNADNet
    from autonad.search import Evaluation, Evolution
    from autonad.space import Architecture

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class SearchResult:
    """What the search returned.

    Attributes:
        key: The architecture's key.
        miou: Its inherited validation mIoU, a fraction.
        predicted_ms: Its latency by the table.
        measured_ms: Its median latency on the target; None where the search ran on another machine.
        tiles: Passes of the network that an image takes; None where images of several sizes take different
            numbers.
        parameters: Scalars in its tensors.
        evaluations: Architectures that were evaluated.
        seconds: Wall time.
    """

    key: str
    miou: float
    predicted_ms: float
    measured_ms: float | None
    tiles: int | None
    parameters: int
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class _Found:
    """What a search ends with.

    Attributes:
        population: All that was evaluated.
        latency_weight: λ, mIoU per ms.
        winner: What is returned.
        network: The winner with its inherited weights, on the CPU.
        miou: Its inherited validation mIoU at both sizes, fractions.
        finalists: Their measured figures.
    """

    population: pd.DataFrame
    latency_weight: float
    winner: Evaluation
    network: AutoNADNet
    miou: Mapping[Size, float]
    finalists: list[dict[str, Any]]


def search(
    context: Context,
    *,
    dataset: Path,
    supernet: Path,
    latency: Path,
    output: Path,
    pin: Path | None = None,
    resume: Resume = False,
    checkpoints: str | None = None,
) -> SearchResult:
    """Evolve architectures, measure the finalists, and write the winner with its inherited weights.

    Finalists are tried in the order of their scores; the first whose measured median keeps the budget wins.
    Without a budget the choice therefore follows from seed, supernet and latency table alone, and measuring
    only reports.

    Args:
        context: Section `search` decides.
        dataset: Dataset folder; its validation split judges.
        supernet: Supernet folder.
        latency: Latency folder.
        output: Search folder to write.
        pin: Pin folder: the pinned images alone judge; None takes the whole dataset.
        resume: See `Resume`; here it is the folder's `journal.jsonl` that is continued from.
        checkpoints: Where a copy of it is kept for another machine, after each generation; see `Mirror`.

    Raises:
        LatencyError: There is a latency budget, and the table was not measured well.
        SearchError: No finalist keeps the latency budget; or, with `resume`, the journal is of another
            search.
    """
    from autonad.latency.prior import load_prior
    from autonad.search import Evolution, evolve
    from autonad.search.finalists import choose
    from autonad.search.resuming import resume_from
    from autonad.tracking import log_search

    config, settings = context.config, context.config.search
    inputs = read_inputs(dataset, pin, supernet, latency)
    net, target = inputs.net, inputs.target
    params = {
        "seed": config.seed,
        "search": settings.model_dump(),
        "space": net.space.key,
        "target": target.name,
        "sharing": net.sharing,
    }
    with begin("search", context, params=params, tags=inputs.tags) as step:
        step.uses(inputs.source, "validation")
        inputs.table.check_made_for(net.space.key, inputs.spec.size)
        inputs.table.check_budget(settings.latency_budget_ms, config.profile_latency.accept_noise)
        for caution in inputs.table.cautions:
            step.console.report(f"warning: the latency table is not to be relied on: {caution}")
        measure = _measurer(step, inputs)
        prior = load_prior(latency / "prior.json")
        evolution = Evolution(net.space, settings=settings, prior=prior, seed=config.seed)
        journal, mirror = Journal(output / JOURNAL), _copy(inputs, params, output, checkpoints, step)
        if resume:
            mirror.pull()
        if resume and resume_from(evolution, journal, inputs.digests, restart=resume == "or-restart"):
            step.console.report(f"resumed in generation {evolution.generation} of {settings.generations}")
        else:
            journal.begin({"inputs": inputs.digests})

        def finished() -> None:
            mirror.push()
            _report_generation(step, evolution)

        evolve(evolution, _evaluator(inputs, settings.score_at), keep=journal.append, finished=finished)
        finalists = evolution.finalists(settings.finalists)
        winner, rows = choose(finalists, measure, settings.latency_budget_ms)
        network = net.extract(winner.architecture).cpu()
        miou = _both_sizes(inputs, network)
        found = _Found(evolution.table(), evolution.latency_weight, winner, network, miou, rows)
        _write(output, config, inputs, found)
        log_search(step.run, {"supernet": supernet, "latency": latency, "search": output, "pin": pin})
        result = _report(step, found, inputs)
    mirror.remove()
    return result


def _copy(
    inputs: SearchInputs, params: dict[str, Any], output: Path, location: str | None, step: Step
) -> Mirror:
    """Where the journal is kept for another machine."""
    return Mirror(
        location,
        stage="search",
        identity={**inputs.digests, **params},
        output=output,
        names=(JOURNAL,),
        pointer=JOURNAL,
        owner=step.run.id,
        warn=step.console.report,
    )


def _evaluator(inputs: SearchInputs, size: Size) -> Callable[[Architecture], Evaluation]:
    """Inherited mIoU on the validation split, and the latency by the table."""
    from autonad.evaluation.inherited import score
    from autonad.search import Evaluation
    from autonad.training.folders import pick_device
    from autonad.training.inputs import evaluation_data
    from autonad.training.world import World

    alone = World(pick_device())
    net = inputs.net.to(alone.device)
    validation = evaluation_data(inputs.source, inputs.spec, "val")

    def evaluate(architecture: Architecture) -> Evaluation:
        forward = partial(net, architecture=architecture)
        metrics = score(forward, validation, classes=inputs.spec.classes, world=alone, size=size)
        return Evaluation(architecture, metrics.miou, inputs.table.predict(architecture))

    return evaluate


def _both_sizes(inputs: SearchInputs, network: AutoNADNet) -> Mapping[Size, float]:
    """Inherited validation mIoU of a network at input size and at native size, fractions."""
    from autonad.evaluation.inherited import score_sizes
    from autonad.training.inputs import evaluation_data
    from autonad.training.world import ALONE

    validation = evaluation_data(inputs.source, inputs.spec, "val")
    found = score_sizes(network.eval(), validation, classes=inputs.spec.classes, world=ALONE)
    return {size: metrics.miou for size, metrics in found.items()}


def _measurer(step: Step, inputs: SearchInputs) -> Callable[[Architecture], Any] | None:
    from autonad.search.finalists import measurer

    settings = step.context.config.profile_latency
    return measurer(
        lambda architecture: inputs.net.extract(architecture).cpu(),
        inputs.target,
        input_shape=(1, 3, *inputs.spec.size),
        warmup=settings.warmup,
        repeats=settings.repeats,
        say=step.console.report,
    )


def _report_generation(step: Step, evolution: Evolution) -> None:
    from autonad.search.progress import generation_metrics

    metrics, best, settings = generation_metrics(evolution), evolution.best, evolution.settings
    step.log(metrics, evolution.generation)
    step.console.advance(
        int(metrics["search/evaluations"]),
        settings.population * settings.generations,
        f"generation {evolution.generation}: best inherited mIoU {100 * best.miou:.1f} % at "
        f"{best.latency_ms:.2f} ms",
    )


def _write(output: Path, config: Config, inputs: SearchInputs, found: _Found) -> None:
    """The search folder: what was tried, and the winner with its weights."""
    from autonad.appearance.last_search import search_settings
    from autonad.files import write_atomic
    from autonad.report.search import write_page
    from autonad.search.progress import by_generation
    from autonad.training.folders import save_search

    settings, population, winner = config.search, found.population, found.winner
    write_atomic(output / "population.parquet", lambda path: population.to_parquet(path, index=False))
    progress = by_generation(population)
    write_atomic(output / "generations.csv", lambda path: progress.to_csv(path, index=False))
    write_page(
        output / "pareto.html",
        population,
        winner=winner.architecture.key,
        latency_budget_ms=settings.latency_budget_ms,
        num_classes=inputs.spec.num_classes,
        cautions=inputs.table.cautions,
    )
    description = {
        "miou": winner.miou,
        "input_miou": found.miou["input"],
        "native_miou": found.miou["native"],
        "latency_weight": found.latency_weight,
        "predicted_ms": winner.latency_ms,
        "finalists": found.finalists,
        "cautions": list(inputs.table.cautions),
        "hardware_key": inputs.target.hardware_key,
        "target": inputs.target.name,
        "tiles_per_image": inputs.tiles,
        "pin_key": inputs.pin_key,
        "settings": {
            "latency_budget_ms": settings.latency_budget_ms,
            "search": search_settings(config),
            "supernet": inputs.provenance.get("settings"),
        },
        "evaluations": len(population),
        "seed": config.seed,
        "inputs": inputs.digests,
        "spec": inputs.spec.to_dict(),
        "space_key": inputs.net.space.key,
        "sharing": inputs.net.sharing,
        "supernet": inputs.provenance,
    }
    save_search(output, found.network, description)


def _report(step: Step, found: _Found, inputs: SearchInputs) -> SearchResult:
    """Log what was found."""
    from autonad.report.front import Population, front_file
    from autonad.report.units import per_image

    key, network = found.winner.architecture.key, found.network
    measured = next(row for row in found.finalists if row["key"] == key)
    step.run.text(front_file([Population(found.population, key)]), "figures/pareto.svg")
    predicted, median = f"{found.winner.latency_ms:.2f} ms predicted for", measured["measured_ms"]
    step.headline(
        f"architecture {key}, inherited mIoU {100 * found.winner.miou:.1f} %, "
        f"{predicted if median is None else f'{median:.2f} ms on'} {inputs.target.name}"
        f"{per_image(median or found.winner.latency_ms, inputs.tiles)}"
    )
    step.run.log(
        {
            "latency/p50_ms": measured["measured_ms"],
            "latency/p95_ms": measured["p95_ms"],
            "latency/predicted_ms": found.winner.latency_ms,
            "model/parameters": float(network.num_parameters),
            "val/miou": found.miou["input"],
            "val/native_miou": found.miou["native"],
        }
    )
    return SearchResult(
        key=key,
        miou=found.winner.miou,
        predicted_ms=found.winner.latency_ms,
        measured_ms=measured["measured_ms"],
        tiles=inputs.tiles,
        parameters=network.num_parameters,
        evaluations=len(found.population),
        seconds=step.seconds,
    )
