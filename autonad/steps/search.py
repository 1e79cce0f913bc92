"""Search the supernet for the best architecture under every target's latency and every budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.steps.search_inputs import SearchInputs, read_inputs
from autonad.steps.step import Step, begin
from autonad.storage.checkpoints import Mirror, Resume
from autonad.storage.journal import Journal

if TYPE_CHECKING:
    from autonad.evaluation.result import Size
    from autonad.network import AutoNADNet
    from autonad.search import AskTell, Evaluation
    from autonad.space import Architecture
    from autonad.steps.search_inputs import Device
    from autonad.steps.search_results import Found

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class SearchResult:
    """What the search returned for one target and budget.

    Attributes:
        name: `<target>-<budget>`, or the target's name without a budget.
        folder: Where its files are.
        key: The architecture's key.
        miou: Its inherited validation mIoU, a fraction.
        predicted_ms: Its latency by the table.
        measured_ms: Its median latency on the target; None where the search ran on another machine.
        tiles: Passes of the network that an image takes; None where images of several sizes take different
            numbers.
        parameters: Scalars in its tensors.
        reason: Why it was chosen, a sentence.
        evaluations: Architectures that were evaluated, for all targets and budgets together.
        seconds: Wall time.
        others: What it returned for the other targets and budgets.
    """

    name: str
    folder: Path
    key: str
    miou: float
    predicted_ms: float
    measured_ms: float | None
    tiles: int | None
    parameters: int
    reason: str
    evaluations: int
    seconds: float
    others: tuple[SearchResult, ...] = ()


def search(
    context: Context,
    *,
    dataset: Path,
    supernet: Path,
    latency: Path | Sequence[Path],
    output: Path,
    pin: Path | None = None,
    resume: Resume = False,
    checkpoints: str | None = None,
) -> SearchResult:
    """Find architectures, measure the finalists, and write the winners with their inherited weights.

    One set of evaluations serves all targets and budgets. Finalists are tried in the order of their scores;
    the first whose measured median keeps the budget wins. Without a budget the choice therefore follows from
    seed, supernet and latency table alone, and measuring only reports.

    Args:
        context: Section `search` decides.
        dataset: Dataset folder; its validation split judges.
        supernet: Supernet folder.
        latency: Latency folder; several, of a target each.
        output: Search folder to write; see `autonad.steps.search_results.write_all`.
        pin: Pin folder: the pinned images alone judge; None takes the whole dataset.
        resume: See `Resume`; here it is the folder's `journal.jsonl` that is continued from.
        checkpoints: Where a copy of it is kept for another machine, after each generation; see `Mirror`.

    Returns:
        What was found for the first target and budget, and with it the others.

    Raises:
        LatencyError: A table is of another space, or there is a latency budget and it was not measured well.
        SearchError: Nothing keeps a budget; two tables are of one target; or, with `resume`, the journal is
            of another search.
    """
    from autonad.search import evolve
    from autonad.search.resuming import resume_from
    from autonad.steps.search_results import write_all
    from autonad.tracking import log_search

    config, settings = context.config, context.config.search
    folders = [latency] if isinstance(latency, Path) else list(latency)
    inputs = read_inputs(dataset, pin, supernet, folders)
    params = {
        "seed": config.seed,
        "search": settings.model_dump(),
        "space": inputs.net.space.key,
        "target": ", ".join(device.target.name for device in inputs.devices),
        "sharing": inputs.net.sharing,
    }
    with begin("search", context, params=params, tags=inputs.tags) as step:
        step.uses(inputs.source, "validation")
        inputs.check_latencies(settings.budgets_ms, accept_noise=config.profile_latency.accept_noise)
        for caution in inputs.cautions:
            step.console.report(f"warning: the latency table is not to be relied on: {caution}")
        asking = _algorithm(step, inputs)
        journal, mirror = Journal(output / JOURNAL), _copy(inputs, params, output, checkpoints, step)
        if resume:
            mirror.pull()
        if resume and resume_from(asking, journal, inputs.digests, restart=resume == "or-restart"):
            step.console.report(f"resumed in generation {asking.generation} of {settings.generations}")
        else:
            asking.ask()  # Before anything is written: budgets that nothing keeps are found here.
            (output / "search.json").unlink(missing_ok=True)  # What is started over has no result.
            journal.begin({"inputs": inputs.digests})

        def finished() -> None:
            mirror.push()
            _report_generation(step, asking)

        evolve(asking, _evaluator(inputs, settings.score_at), keep=journal.append, finished=finished)
        found = _choose(step, inputs, asking)
        write_all(output, config, inputs, found)
        log_search(step.run, {"supernet": supernet, "latency": folders[0], "search": output, "pin": pin})
        result = _report(step, found, inputs, output)
    mirror.remove()
    return result


def _algorithm(step: Step, inputs: SearchInputs) -> AskTell:
    """The search that `search.algorithm` names, before its first generation.

    Raises:
        SearchError: Algorithm 1 is asked for several targets.
    """
    from autonad.errors import SearchError
    from autonad.latency.prior import is_uniform, load_prior
    from autonad.search import Evolution, Nsga2
    from autonad.space import UNIFORM

    config, settings, space = step.context.config, step.context.config.search, inputs.net.space
    prior = UNIFORM
    if settings.prefers_fast:
        prior = load_prior(inputs.devices[0].folder / "prior.json")
        if is_uniform(prior):
            step.console.report(
                "the latency prior is uniform: the table does not tell operators apart, or they cost the same"
            )
    if settings.algorithm == "nsga2":
        goals = inputs.goals(settings.budgets_ms)
        pricing = inputs.pricing()
        return Nsga2(space, settings=settings, goals=goals, pricing=pricing, prior=prior, seed=config.seed)
    if len(inputs.devices) > 1:
        raise SearchError(
            f"algorithm1 searches for one target, and there are {len(inputs.devices)} latency tables; give "
            "one --latency, or set search.algorithm=nsga2"
        )
    name = inputs.target.name
    return Evolution(space, settings=settings, prior=prior, seed=config.seed, target_name=name)


def _choose(step: Step, inputs: SearchInputs, asking: AskTell) -> list[Found]:
    """The measured winner of every goal.

    Raises:
        SearchError: Nothing keeps the budget of one.
    """
    from autonad.search.finalists import choose
    from autonad.search.reasons import explain_choice
    from autonad.steps.search_results import Found

    settings = step.context.config.search
    measures = [_measurer(step, inputs, device) for device in inputs.devices]
    found = []
    for goal in asking.goals:
        device = inputs.devices[goal.target]
        # Algorithm 1 measures its best and no others.
        ranked = asking.finalists(settings.finalists if settings.algorithm == "algorithm1" else None, goal)
        winner, rows = choose(ranked, measures[goal.target], goal.budget_ms, count=settings.finalists)
        population, key = asking.table(goal), winner.architecture.key
        network = inputs.net.extract(winner.architecture).cpu()
        found.append(
            Found(
                goal,
                device.target,
                population,
                asking.ranking(goal).latency_weight,
                winner,
                network,
                _both_sizes(inputs, network),
                rows,
                explain_choice(population, key, goal.budget_ms),
                device.table.cautions,
            )
        )
    return found


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
    net, predict = inputs.net.to(alone.device), inputs.devices[0].table.predict
    validation = evaluation_data(inputs.source, inputs.spec, "val")

    def evaluate(architecture: Architecture) -> Evaluation:
        forward = partial(net, architecture=architecture)
        metrics = score(forward, validation, classes=inputs.spec.classes, world=alone, size=size)
        return Evaluation(architecture, metrics.miou, predict(architecture))

    return evaluate


def _both_sizes(inputs: SearchInputs, network: AutoNADNet) -> Mapping[Size, float]:
    """Inherited validation mIoU of a network at input size and at native size, fractions."""
    from autonad.evaluation.inherited import score_sizes
    from autonad.training.inputs import evaluation_data
    from autonad.training.world import ALONE

    validation = evaluation_data(inputs.source, inputs.spec, "val")
    found = score_sizes(network.eval(), validation, classes=inputs.spec.classes, world=ALONE)
    return {size: metrics.miou for size, metrics in found.items()}


def _measurer(step: Step, inputs: SearchInputs, device: Device) -> Callable[[Architecture], Any] | None:
    """Measures a network on a target, each once; None where this machine is another one."""
    from autonad.search.finalists import measurer

    settings = step.context.config.profile_latency
    measure = measurer(
        lambda architecture: inputs.net.extract(architecture).cpu(),
        device.target,
        input_shape=(1, 3, *inputs.spec.size),
        warmup=settings.warmup,
        repeats=settings.repeats,
        say=step.console.report,
    )
    return None if measure is None else cache(measure)


def _report_generation(step: Step, asking: AskTell) -> None:
    from autonad.search.progress import generation_metrics

    metrics, best, settings = generation_metrics(asking), asking.best, asking.settings
    step.log(metrics, asking.generation)
    step.console.advance(
        int(metrics["search/evaluations"]),
        settings.population * settings.generations,
        f"generation {asking.generation}: best inherited mIoU {100 * best.miou:.1f} % at "
        f"{best.latency_ms:.2f} ms",
    )


def _report(step: Step, found: list[Found], inputs: SearchInputs, output: Path) -> SearchResult:
    """Log what was found."""
    from autonad.report.front import Population, front_file
    from autonad.report.units import per_image
    from autonad.steps.search_results import folder

    first, *others = (
        SearchResult(
            name=one.goal.name,
            folder=output / folder(one, found),
            key=one.winner.architecture.key,
            miou=one.winner.miou,
            predicted_ms=one.winner.latency_ms,
            measured_ms=one.measured["measured_ms"],
            tiles=inputs.tiles,
            parameters=one.network.num_parameters,
            reason=one.reasons.sentence,
            evaluations=len(one.population),
            seconds=step.seconds,
        )
        for one in found
    )
    predicted = f"{first.predicted_ms:.2f} ms predicted for"
    more = f", and {len(others)} more for other budgets or targets" if others else ""
    step.headline(
        f"architecture {first.key}, inherited mIoU {100 * first.miou:.1f} %, "
        f"{predicted if first.measured_ms is None else f'{first.measured_ms:.2f} ms on'} {inputs.target.name}"
        f"{per_image(first.measured_ms or first.predicted_ms, inputs.tiles)}{more}"
    )
    step.run.text(front_file([Population(found[0].population, first.key)]), "figures/pareto.svg")
    for one in (first, *others) if others else ():
        step.run.text(
            (one.folder / "architecture.json").read_text(), f"variants/{one.name}/architecture.json"
        )
    step.run.log(
        {
            "latency/p50_ms": first.measured_ms,
            "latency/p95_ms": found[0].measured["p95_ms"],
            "latency/predicted_ms": first.predicted_ms,
            "model/parameters": float(first.parameters),
            "val/miou": found[0].miou["input"],
            "val/native_miou": found[0].miou["native"],
        }
    )
    return replace(first, others=tuple(others))
