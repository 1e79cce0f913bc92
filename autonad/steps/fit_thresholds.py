"""Choose the rules of the line on validation parts, and say what they promise there and do on test."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autonad.config import Config
from autonad.config.context import Context
from autonad.errors import ConfigError
from autonad.steps.step import begin
from autonad.tracking.runs.made_for import variant_tags
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT

if TYPE_CHECKING:
    from autonad.evaluation.candidates import Candidates
    from autonad.evaluation.line_result import LineResult
    from autonad.steps.step import Step

# What an evaluation and rules say of whose they are.
OF = ("weights_sha256", "architecture", "dataset")


@dataclass(frozen=True)
class FitThresholdsResult:
    """What was chosen.

    Attributes:
        rules: The file of rules.
        kept: Whether the wanted rate is promised.
        told: What is promised on validation and found on test, in sentences.
        report: The evaluation's report, with what the rules do; None without an evaluation, or without what
            draws it.
    """

    rules: Path
    kept: bool
    told: tuple[str, ...]
    report: Path | None


class _ChosenFrom(NamedTuple):
    """Split → its candidates, whose they are, and what is known of the model."""

    splits: dict[str, Candidates]
    of: dict[str, str | None]
    facts: dict[str, Any]


def fit_thresholds(
    context: Context,
    *,
    output: Path,
    evaluation: Path | None = None,
    model: Path | None = None,
    dataset: Path | None = None,
) -> FitThresholdsResult:
    """Write `rules.yaml`, `operating.json` and `curves.csv`; from an evaluation `report.html`, too.

    From an evaluation it needs the base install alone. That draws neither `curves.svg` nor the report, and
    logs nothing to MLflow.

    Args:
        context: Section `fit_thresholds` decides.
        output: Folder to write.
        evaluation: Evaluation folder, whose candidates are chosen from.
        model: Model folder, in its place; with `dataset`.
        dataset: Dataset folder, whose validation and test splits the model is run on.

    Raises:
        ConfigError: Neither an evaluation is given, nor a model with its dataset; or both are.
        StorageError: The evaluation has no candidates, or a file cannot be written.
    """
    from autonad.steps.model_candidates import run_model

    given = (model is not None, dataset is not None)
    if evaluation is not None and not any(given):
        found = _read(evaluation)
    elif evaluation is None and model is not None and dataset is not None:
        found = _ChosenFrom(*run_model(context, model, dataset, output))
    else:
        raise ConfigError("give either --from-evaluation, or --model with --dataset")
    wanted = context.config.fit_thresholds.model_dump()
    keys = {ARCHITECTURE: found.of["architecture"], FINGERPRINT: found.of["dataset"]}
    tags = {name: value for name, value in keys.items() if value} | variant_tags(found.facts)
    logged = context if _installed("mlflow") else _untracked(context)
    with begin("fit-thresholds", logged, params={"fit_thresholds": wanted}, tags=tags, learns=False) as step:
        result = fit_rules(context.config, found.splits, found.of)
        draws = _installed("jinja2")
        report = result.write(output, lambda: _draw(output, result, evaluation) if draws else None)
        _log(step, output, result, report)
    return FitThresholdsResult(
        output / "rules.yaml", result.operating["promise"]["kept"], result.told, report
    )


def fit_rules(
    config: Config, splits: dict[str, Candidates], of: dict[str, str | None] | None = None
) -> LineResult:
    """Choose rules as section `fit_thresholds` says.

    Args:
        config: The configuration.
        splits: Split → its candidates; "val" is among them.
        of: Whose they are.
    """
    from autonad.evaluation.choosing import Goal
    from autonad.evaluation.line_result import fit_line

    wanted = config.fit_thresholds
    goal = Goal(wanted.target, wanted.rate, wanted.review_load, wanted.confidence, wanted.min_areas_px)
    return fit_line(splits, goal, resamples=config.evaluate.resamples, seed=config.seed, of=of)


def _read(evaluation: Path) -> _ChosenFrom:
    """What an evaluation kept.

    Raises:
        StorageError: It kept nothing, or is damaged.
    """
    from autonad.evaluation.candidates import Candidates, candidates_file
    from autonad.evaluation.line_result import EvaluatedFile
    from autonad.files import read_json

    splits = {name: Candidates.load(candidates_file(evaluation, name)) for name in ("val", "test")}
    facts = read_json(evaluation / "metrics.json", "the evaluation", EvaluatedFile)["parameters"]
    return _ChosenFrom(splits, {name: facts.get(name) for name in OF}, facts)


def _draw(output: Path, result: LineResult, evaluation: Path | None) -> Path | None:
    """Write the curves, and the evaluation's report with what the rules do."""
    from autonad.files import write_text_atomic
    from autonad.report.line_section import write_line_report
    from autonad.report.operating_charts import operating_figure

    write_text_atomic(output / "curves.svg", operating_figure(result.curves, result.operating))
    if evaluation is None:
        return None
    report = output / "report.html"
    write_line_report(evaluation / "report.html", report, result)
    return report


def _log(step: Step, output: Path, result: LineResult, report: Path | None) -> None:
    """Figures, files and headline for MLflow."""
    from autonad.tracking.names import line_metrics

    step.run.log(line_metrics(result.operating))
    step.attach(output, "rules.yaml", "operating.json", "curves.csv")
    if (output / "curves.svg").is_file():
        step.attach(output, "curves.svg")
    if report is not None:
        step.attach(output, report.name)
    step.headline(result.told[-1])


def _installed(*packages: str) -> bool:
    found = False
    with suppress(ModuleNotFoundError):
        found = all(find_spec(name) is not None for name in packages)
    return found


def _untracked(context: Context) -> Context:
    config = context.config
    tracking = config.tracking.model_copy(update={"enabled": False})
    return replace(context, config=config.model_copy(update={"tracking": tracking}))
