"""Search the supernet for the best architecture under the target's latency (Algorithm 1)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import LatencyError, SearchError, StorageError
from autonad.steps.context import Resume, begin

if TYPE_CHECKING:
    from autonad.latency.table import LatencyTable
    from autonad.search.evolution import Evolution

STATE = "state.json"


@dataclass(frozen=True)
class SearchResult:
    """What the search returned.

    Attributes:
        key: The architecture's key.
        miou: Its inherited validation mIoU, a fraction.
        predicted_ms: Its latency by the table.
        measured_ms: Its median latency on the target.
        parameters: Scalars in its tensors.
        evaluations: Architectures that were evaluated.
        seconds: Wall time.
    """

    key: str
    miou: float
    predicted_ms: float
    measured_ms: float
    parameters: int
    evaluations: int
    seconds: float


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
        resume: See `Resume`; here it is the folder's `state.json` that is continued from.
        checkpoints: Where a copy of it is kept for another machine, after each generation; see `Mirror`.

    Raises:
        SearchError: No finalist keeps the latency budget; or, with `resume`, the state belongs to another
            search.
    """
    config, console = context.config, context.console
    from autonad.appearance.last_search import search_settings
    from autonad.appearance.pin import searched_images
    from autonad.evaluation.inherited import score
    from autonad.files import sha256_file, write_atomic, write_json, write_text_atomic
    from autonad.latency.prior import load_prior
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.report.front import Population, front_file
    from autonad.report.search import write_page
    from autonad.search.evolution import Evolution, EvolutionSettings
    from autonad.search.population import by_generation
    from autonad.search.ranking import Evaluation
    from autonad.storage.checkpoints import Mirror
    from autonad.tracking import log_search
    from autonad.training.checkpoint import save_weights
    from autonad.training.folders import load_supernet, pick_device
    from autonad.training.inputs import check_classes, evaluation_data
    from autonad.training.world import World

    settings = config.search
    net, spec, provenance = load_supernet(supernet)
    table = LatencyTable.load(latency / "table.parquet")
    target = Target.load(latency / "target.json")
    source, pin_key = searched_images(dataset, pin)
    check_classes(source, spec, "the supernet")
    params = {
        "seed": config.seed,
        "search": settings.model_dump(),
        "space": net.space.key,
        "target": target.name,
        "sharing": net.sharing,
    }
    tags = {"autonad.hardware_key": target.hardware_key, "dataset.fingerprint": source.fingerprint}
    tags |= {"autonad.pin_key": pin_key} if pin_key else {}
    with begin("search", context, params=params, tags=tags) as step:
        step.uses(source, "validation")
        check_table(table, net.space.key, spec.size)
        warning = target.verify_here()
        if warning:
            console.report(f"warning: {warning}")
        alone = World(pick_device())
        net = net.to(alone.device)
        validation = evaluation_data(source, spec, "val")
        values = settings.model_dump(exclude={"finalists"})
        evolution = Evolution(
            net.space,
            settings=EvolutionSettings(**values),
            prior=load_prior(latency / "prior.json"),
            seed=config.seed,
        )
        inputs = {
            "supernet": sha256_file(supernet / "supernet.safetensors"),
            "latency": sha256_file(latency / "table.parquet"),
            "dataset": source.fingerprint,
        }
        mirror = Mirror(
            checkpoints,
            stage="search",
            identity={**inputs, **params},
            output=output,
            names=(STATE,),
            pointer=STATE,
            warn=console.report,
        )
        if resume:
            mirror.pull()
        if (
            resume
            and (output / STATE).is_file()
            and _restore(evolution, output / STATE, inputs, restart=resume == "or-restart")
        ):
            console.report(f"resumed in generation {evolution.generation} of {settings.generations}")

        def keep() -> None:
            # The state is as plain as it is long: one line keeps it small.
            content = json.dumps({"inputs": inputs, "state": evolution.state_dict()}, sort_keys=True)
            write_text_atomic(output / STATE, content + "\n")

        total = settings.population * settings.generations
        while not evolution.done:
            for architecture in evolution.ask():
                metrics = score(
                    partial(net, architecture=architecture), validation, classes=spec.classes, world=alone
                )
                evolution.tell([Evaluation(architecture, metrics.miou, table.predict(architecture))])
                keep()
            mirror.push()
            population = evolution.table()
            step.run.log(_generation_metrics(evolution), step=evolution.generation)
            best = evolution.best
            console.advance(
                len(population),
                total,
                f"generation {evolution.generation}: best inherited mIoU {100 * best.miou:.1f} % at "
                f"{best.latency_ms:.2f} ms",
            )

        winner, finalists = _measure_finalists(evolution, net, target, spec.size, config, console)
        network = net.extract(winner.architecture).cpu()
        population = evolution.table()
        write_atomic(output / "population.parquet", lambda path: population.to_parquet(path, index=False))
        progress = by_generation(population)
        write_atomic(output / "generations.csv", lambda path: progress.to_csv(path, index=False))
        write_page(
            output / "pareto.html",
            population,
            winner=winner.architecture.key,
            latency_budget_ms=settings.latency_budget_ms,
            num_classes=spec.num_classes,
        )
        (output / "search.json").unlink(missing_ok=True)  # It completes the folder, so an old one goes first.
        save_weights(output / "inherited.safetensors", network.state_dict())
        write_text_atomic(output / "architecture.json", winner.architecture.to_json())
        measured = next(row for row in finalists if row["key"] == winner.architecture.key)
        write_json(
            output / "search.json",
            {
                "architecture_key": winner.architecture.key,
                "parameters": network.num_parameters,
                "miou": winner.miou,
                "latency_weight": evolution.latency_weight,
                "predicted_ms": winner.latency_ms,
                "finalists": finalists,
                "hardware_key": target.hardware_key,
                "target": target.name,
                "pin_key": pin_key,
                "settings": {
                    "latency_budget_ms": settings.latency_budget_ms,
                    "search": search_settings(config),
                    "supernet": provenance.get("settings"),
                },
                "evaluations": len(population),
                "seed": config.seed,
                "inputs": inputs,
                "spec": spec.to_dict(),
                "space_key": net.space.key,
                "sharing": net.sharing,
                "supernet": provenance,
            },
        )
        folders = {"supernet": supernet, "latency": latency, "search": output}
        log_search(step.run, folders | ({"pin": pin} if pin is not None else {}))
        step.run.text(front_file([Population(population, winner.architecture.key)]), "figures/pareto.svg")
        step.headline(
            f"architecture {winner.architecture.key}, inherited mIoU {100 * winner.miou:.1f} %, "
            f"{measured['measured_ms']:.2f} ms on {target.name}"
        )
        step.run.log(
            {
                "latency/p50_ms": measured["measured_ms"],
                "latency/p95_ms": measured["p95_ms"],
                "latency/predicted_ms": winner.latency_ms,
                "model/parameters": float(network.num_parameters),
                "val/miou": winner.miou,
            }
        )
        return SearchResult(
            key=winner.architecture.key,
            miou=winner.miou,
            predicted_ms=winner.latency_ms,
            measured_ms=measured["measured_ms"],
            parameters=network.num_parameters,
            evaluations=len(population),
            seconds=step.seconds,
        )


def check_table(table: LatencyTable, space_key: str, size: tuple[int, int]) -> None:
    """Make sure that a profiled table is of the space and input that are searched.

    Raises:
        LatencyError: It is of another; says which.
    """
    if table.source != "profile":
        return
    for what, there, here in (
        ("search space", table.context["space"], space_key),
        ("input size", list(table.context["input_size"]), list(size)),
    ):
        if there != here:
            raise LatencyError(
                f"the latency table was measured for {what} {there}, the supernet has {here}; run `autonad "
                "profile-latency` with the supernet's parameters"
            )


def _measure_finalists(
    evolution: Evolution, net: Any, target: Any, size: tuple[int, int], config: Config, console: Console
) -> tuple[Any, list[dict[str, Any]]]:
    """Measure the best architectures on the target; the first within the budget wins."""
    from autonad.latency.measure import measure_network

    budget = config.search.latency_budget_ms
    rows: list[dict[str, Any]] = []
    winner = None
    for candidate in evolution.finalists(config.search.finalists):
        measured = measure_network(
            net.extract(candidate.architecture).cpu(),
            target,
            input_shape=(1, 3, *size),
            warmup=config.profile_latency.warmup,
            repeats=max(50, config.profile_latency.repeats),
        )
        rows.append(
            {
                "key": candidate.architecture.key,
                "miou": candidate.miou,
                "predicted_ms": candidate.latency_ms,
                "measured_ms": measured.median_ms,
                "p95_ms": measured.p95_ms,
                "std_ms": measured.std_ms,
                "n": len(measured.samples_ms),
                "warmup": measured.warmup,
            }
        )
        if winner is None and (budget is None or measured.median_ms <= budget):
            winner = candidate
    if winner is None:
        fastest = min(row["measured_ms"] for row in rows)
        raise SearchError(
            f"none of the {len(rows)} finalists keeps search.latency_budget_ms = {budget:g}; the fastest "
            f"takes {fastest:.2f} ms. Raise the budget, the generations or the finalists and repeat "
            "with --resume, which keeps what was evaluated; or use a smaller preset"
        )
    return winner, rows


def _generation_metrics(evolution: Evolution) -> dict[str, float]:
    """The figures of one generation for MLflow."""
    from autonad.search.pareto import front, hypervolume, objectives

    population = evolution.table()
    latest, first = (population[population["generation"] == g] for g in (evolution.generation, 1))
    return {
        "search/best_score": float(population["score"].max()),
        "search/mean_score": float(latest["score"].mean()),
        "search/best_miou": float(population["miou"].max()),
        "search/mean_miou": float(latest["miou"].mean()),
        "search/best_latency_ms": evolution.best.latency_ms,
        "search/mean_latency_ms": float(latest["latency_ms"].mean()),
        "search/evaluations": float(len(population)),
        "search/front_size": float(len(front(population))),
        # Reference: no mIoU at all, and the slowest of the first population; it stays the same over
        # generations.
        "search/hypervolume": hypervolume(objectives(population), (1.0, float(first["latency_ms"].max()))),
        "search/lambda": evolution.latency_weight,
    }


def _restore(evolution: Evolution, path: Path, inputs: dict[str, str], *, restart: bool) -> bool:
    """Put a search back to where it was; False where it cannot be and `restart` is allowed."""
    from autonad.files import read_json

    try:
        saved = read_json(path, "the search's state")
        changed = sorted(name for name in inputs if saved.get("inputs", {}).get(name) != inputs[name])
        if changed:
            raise SearchError(
                f"the search in {path.parent} was begun with another {' and '.join(changed)}; leave out "
                "--resume to start over, or choose another --output"
            )
        evolution.load_state_dict(saved["state"])
    except (SearchError, StorageError):
        if restart:
            return False
        raise
    return True
