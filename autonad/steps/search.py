"""Search the supernet for the best architecture under every target's latency and every budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.latency.significant import milliseconds
from autonad.steps.search_inputs import SearchInputs, read_inputs
from autonad.steps.search_winners import LEARNT, winners
from autonad.steps.step import Step, begin
from autonad.storage.checkpoints import Mirror, Resume
from autonad.storage.journal import Journal

if TYPE_CHECKING:
    from autonad.data.faults import Fault
    from autonad.evaluation.result import Size
    from autonad.search import AskTell, Evaluation
    from autonad.space import Architecture
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
        red_flags: What makes it worthless or doubtful, that of its supernet included.
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
    red_flags: tuple[Fault, ...] = ()


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
    keeps_copy: bool = False,
) -> SearchResult:
    """Find architectures, let finalists learn, and write the winners with their inherited weights.

    One set of evaluations serves all targets and budgets. Of the finalists whose measured median keeps the
    budget the one wins that is best after a short training. Without a budget the choice therefore follows
    from seed, supernet, images and latency table alone, and measuring only reports.

    Args:
        context: Section `search` decides; finalists learn as the supernet did.
        dataset: Dataset folder; finalists learn from its training split, its validation split judges.
        supernet: Supernet folder.
        latency: Latency folder; several, of a target each.
        output: Search folder to write; see `autonad.steps.search_results.write_all`.
        pin: Pin folder: the pinned images alone judge; None takes the whole dataset.
        resume: See `Resume`; here it is the folder's `journal.jsonl` that is continued from.
        checkpoints: Where a copy of it is kept for another machine, after each generation; see `Mirror`.
        keeps_copy: Leave it there at the end, as a pipeline's task must: what it wrote is not yet uploaded.

    Returns:
        What was found for the first target and budget, and with it the others.

    Raises:
        LatencyError: A table is of another space, or there is a latency budget and it was not measured well.
        SearchError: Nothing keeps a budget; two tables are of one target; the journal is of another search.
    """
    from autonad.search import evolve
    from autonad.search.resuming import known_scores, resume_from
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
        step.flag(inputs.red_flags, early=True)
        asking = _algorithm(step, inputs)
        journal, mirror = Journal(output / JOURNAL), _copy(inputs, params, output, checkpoints, step)
        if resume:
            mirror.pull()
        known = known_scores(asking, journal, inputs.digests) if resume else {}
        if resume and resume_from(asking, journal, inputs.digests, restart=resume == "or-restart"):
            step.console.report(f"resumed in generation {asking.generation} of {settings.generations}")
        else:
            asking.ask()  # Before anything is written: budgets that nothing keeps are found here.
            (output / "search.json").unlink(missing_ok=True)  # What is started over has no result.
            journal.begin({"inputs": inputs.digests})

        def finished() -> None:
            mirror.push()
            _report_generation(step, asking)

        evaluate = _evaluator(inputs, settings.score_at, known)
        evolve(asking, evaluate, keep=journal.append, finished=finished)
        found = winners(step, inputs, asking, output, evaluate=evaluate, kept=mirror.push)
        write_all(output, config, inputs, found)
        log_search(step.run, {"supernet": supernet, "latency": folders[0], "search": output, "pin": pin})
        result = _report(step, found, inputs, output)
    if not keeps_copy:
        mirror.remove()
    return result


def _algorithm(step: Step, inputs: SearchInputs) -> AskTell:
    """The search that `search.algorithm` names, before its first generation.

    Raises:
        SearchError: Algorithm 1, or one target's prior, is asked for several targets; or Algorithm 1 for a
            budget that nothing keeps.
    """
    from autonad.errors import SearchError
    from autonad.latency.prior import is_uniform, load_prior
    from autonad.search import Evolution, Nsga2
    from autonad.search.constrained import require_possible
    from autonad.search.goals import Limits
    from autonad.space import UNIFORM
    from autonad.space.configured import configured_space

    config, settings, space = step.context.config, step.context.config.search, inputs.net.space
    prior = UNIFORM
    if space.key != configured_space(config.space, inputs.spec.size).key:
        step.console.report("the supernet's space is searched; that of the settings is another one")
    if settings.prefers_fast and settings.algorithm == "nsga2" and len(inputs.devices) > 1:
        raise SearchError(
            f"search.prior=latency draws by what is fast on one target, and there are {len(inputs.devices)} "
            "latency tables; give one --latency, or set search.prior=uniform"
        )
    if settings.prefers_fast:
        prior = load_prior(inputs.devices[0].folder / "prior.json")
        if is_uniform(prior):
            step.console.report(
                "the latency prior is uniform: the table does not tell operators apart, or they cost the same"
            )
    goals, pricing = inputs.goals(settings.budgets_ms), inputs.pricing()
    if settings.algorithm == "nsga2":
        return Nsga2(space, settings=settings, goals=goals, pricing=pricing, prior=prior, seed=config.seed)
    if len(inputs.devices) > 1:
        raise SearchError(
            f"algorithm1 searches for one target, and there are {len(inputs.devices)} latency tables; give "
            "one --latency, or set search.algorithm=nsga2"
        )
    # It breeds what keeps no budget too, and would say at the end only that nothing did.
    require_possible(space, pricing, Limits(), goals, config.seed)
    name = inputs.target.name
    return Evolution(space, settings=settings, prior=prior, seed=config.seed, target_name=name)


def _copy(
    inputs: SearchInputs, params: dict[str, Any], output: Path, location: str | None, step: Step
) -> Mirror:
    """Where the journal is kept for another machine."""
    return Mirror(
        location,
        stage="search",
        identity={**inputs.digests, **params},
        output=output,
        names=(JOURNAL, LEARNT),
        pointer=JOURNAL,
        owner=step.owner,
        warn=step.console.report,
    )


def _evaluator(
    inputs: SearchInputs, size: Size, known: dict[str, float]
) -> Callable[[Architecture], Evaluation]:
    """Inherited mIoU on the validation split, unless it is known, and the latency by the table."""
    from autonad.evaluation.inherited import score
    from autonad.search import Evaluation
    from autonad.training.folders import pick_device
    from autonad.training.inputs import evaluation_data
    from autonad.training.world import World

    alone = World(pick_device())
    net, predict = inputs.net.to(alone.device), inputs.devices[0].table.predict
    validation = evaluation_data(inputs.source, inputs.spec, "val")

    def evaluate(architecture: Architecture) -> Evaluation:
        miou = known.get(architecture.key)
        if miou is None:
            forward = partial(net, architecture=architecture)
            miou = score(forward, validation, classes=inputs.spec.classes, world=alone, size=size).miou
        return Evaluation(architecture, miou, predict(architecture))

    return evaluate


def _report_generation(step: Step, asking: AskTell) -> None:
    from autonad.report.flagged import line_of
    from autonad.report.red_flags import identical_scores
    from autonad.search.progress import generation_metrics

    metrics, best, settings = generation_metrics(asking), asking.best, asking.settings
    step.log(metrics, asking.generation)
    step.console.advance(
        int(metrics["search/evaluations"]),
        settings.population * settings.generations,
        f"evaluations: generation {asking.generation}, best inherited mIoU {100 * best.miou:.1f} % at "
        f"{milliseconds(best.latency_ms)}",
    )
    if asking.generation == 1:  # Later ones would cost hours for the same.
        for flag in identical_scores([float(value) for value in asking.table()["miou"]]):
            step.console.report(line_of(flag))


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
            red_flags=one.red_flags,
        )
        for one in found
    )
    cost = f"{milliseconds(first.predicted_ms)} predicted for"
    if first.measured_ms is not None:
        cost = f"{milliseconds(first.measured_ms)} on"
    step.flag(flag for one in found for flag in one.red_flags)
    more = f", and {len(others)} more for other budgets or targets" if others else ""
    step.headline(
        f"architecture {first.key}, inherited mIoU {100 * first.miou:.1f} %, "
        f"{cost} {inputs.target.name}"
        f"{per_image(first.measured_ms or first.predicted_ms, inputs.tiles)}{more}"
    )
    step.run.text(front_file([Population(found[0].population, first.key)]), "figures/pareto.svg")
    for one in (first, *others) if others else ():
        path = one.folder / "architecture.json"
        step.run.text(path.read_text(), path.relative_to(output).as_posix())
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
