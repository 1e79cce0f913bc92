"""What a search writes: a folder per target and budget, and the list of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.steps.search_inputs import SearchInputs

if TYPE_CHECKING:
    import pandas as pd

    from autonad.config import Config
    from autonad.data.faults import Fault
    from autonad.evaluation.result import Size
    from autonad.latency.target import Target
    from autonad.network import AutoNADNet
    from autonad.search import Evaluation
    from autonad.search.goals import Goal
    from autonad.search.reasons import Reasons


VARIANTS = "variants"


@dataclass(frozen=True)
class Found:
    """What a search ends with for one goal.

    Attributes:
        goal: Target and budget.
        target: What it runs on.
        population: All that was evaluated, with the latency of this target.
        latency_weight: λ, mIoU per ms.
        winner: What is returned, with its predicted latency.
        network: The winner with its inherited weights, on the CPU.
        miou: Its inherited validation mIoU at both sizes, fractions.
        finalists: Their measured figures.
        reasons: Why it won.
        cautions: What is to be known before its latencies are believed.
        red_flags: What makes it worthless or doubtful.
    """

    goal: Goal
    target: Target
    population: pd.DataFrame
    latency_weight: float
    winner: Evaluation
    network: AutoNADNet
    miou: Mapping[Size, float]
    finalists: list[dict[str, Any]]
    reasons: Reasons
    cautions: tuple[str, ...]
    red_flags: tuple[Fault, ...]

    @property
    def measured(self) -> dict[str, Any]:
        """The winner's row of the finalists."""
        key = self.winner.architecture.key
        return next(row for row in self.finalists if row["key"] == key)

    def summary(self, folder: str) -> dict[str, Any]:
        """The winner among those of all goals, as JSON values."""
        return {
            "name": self.goal.name,
            "folder": folder,
            "target": self.target.name,
            "hardware_key": self.target.hardware_key,
            "latency_budget_ms": self.goal.budget_ms,
            "architecture_key": self.winner.architecture.key,
            "parameters": self.network.num_parameters,
            "miou": self.winner.miou,
            "predicted_ms": self.winner.latency_ms,
            "measured_ms": self.measured["measured_ms"],
            "reason": self.reasons.sentence,
        }


def of_population(population: pd.DataFrame) -> list[Fault]:
    """What makes a search worthless or doubtful, by all that it evaluated for a goal."""
    from autonad.report.red_flags import identical_scores, short_front
    from autonad.search.pareto import front

    mious = [float(value) for value in population["miou"]]
    points = front(population)[["miou", "latency_ms"]].drop_duplicates()
    return [*identical_scores(mious), *short_front(len(points), mious)]


def write_all(output: Path, config: Config, inputs: SearchInputs, found: list[Found]) -> None:
    """The search folder: the first goal at its top; if there are several, each also in a folder of its own.

    Each of them, `variants/<target>-<budget>`, is a search folder that `retrain` and `evaluate` take.
    """
    shutil.rmtree(output / VARIANTS, ignore_errors=True)  # Those of another search would mix with these.
    (output / VARIANTS).mkdir(parents=True)
    folders = {one.goal.name: folder(one, found) for one in found}
    variants = [one.summary(folders[one.goal.name]) for one in found]
    if len(found) > 1:
        for one in found:
            _write(output / folders[one.goal.name], config, inputs, one, [one.summary(".")])
    _write(output, config, inputs, found[0], variants)


def folder(one: Found, found: list[Found]) -> str:
    """Where a goal's files are, below the search folder."""
    from autonad.tracking.identifiers import identifier

    return f"{VARIANTS}/{identifier(one.goal.name)}" if len(found) > 1 else "."


def _write(
    output: Path, config: Config, inputs: SearchInputs, found: Found, variants: list[dict[str, Any]]
) -> None:
    """What was tried, and the winner with its weights."""
    from autonad.appearance.last_search import budget_setting, search_settings
    from autonad.files import write_atomic, write_text_atomic
    from autonad.report.charts import progress_charts
    from autonad.report.flagged import to_json
    from autonad.report.line_chart import chart_file
    from autonad.report.search import write_page
    from autonad.search.progress import by_generation
    from autonad.training.folders import save_search

    population, winner, measured_ms = found.population, found.winner, found.measured["measured_ms"]
    write_atomic(output / "population.parquet", lambda path: population.to_parquet(path, index=False))
    progress = by_generation(population)
    write_atomic(output / "generations.csv", lambda path: progress.to_csv(path, index=False))
    write_text_atomic(output / "progress.svg", chart_file(progress_charts(population)))
    write_page(
        output / "pareto.html",
        population,
        winner=winner.architecture.key,
        latency_budget_ms=found.goal.budget_ms,
        num_classes=inputs.spec.num_classes,
        red_flags=found.red_flags,
        variants=variants,
        measured=None if measured_ms is None else (found.target.name, measured_ms),
        size=config.search.score_at,
        why=found.reasons.sentence,
    )
    description = {
        "miou": winner.miou,
        "input_miou": found.miou["input"],
        "native_miou": found.miou["native"],
        "latency_weight": found.latency_weight,
        "latency_budget_ms": found.goal.budget_ms,
        "predicted_ms": winner.latency_ms,
        "finalists": found.finalists,
        "why": found.reasons.to_dict(),
        "variants": variants,
        "cautions": list(found.cautions),
        "red_flags": to_json(found.red_flags),
        "hardware_key": found.target.hardware_key,
        "target": found.target.name,
        "target_threads": found.target.threads,
        "tiles_per_image": inputs.tiles,
        "pin_key": inputs.pin_key,
        "settings": {
            "latency_budget_ms": budget_setting(config),
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
