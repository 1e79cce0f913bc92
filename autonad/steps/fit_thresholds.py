"""Choose the rules of the line on validation parts, and say what they promise there and do on test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.config.context import Context
from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.detector.engine import Forward
    from autonad.evaluation.candidates import Candidates
    from autonad.evaluation.line_result import LineResult


@dataclass(frozen=True)
class FitThresholdsResult:
    """What was chosen.

    Attributes:
        rules: The file of rules.
        kept: Whether the wanted rate is promised.
        told: What is promised on validation and found on test, in sentences.
    """

    rules: Path
    kept: bool
    told: tuple[str, ...]


def fit_thresholds(
    context: Context,
    *,
    output: Path,
    evaluation: Path | None = None,
    model: Path | None = None,
    dataset: Path | None = None,
) -> FitThresholdsResult:
    """Write `rules.yaml`, `operating.json`, `curves.csv`, and `curves.svg` where matplotlib is installed.

    From an evaluation it needs the base install alone.

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
    from autonad.evaluation.candidates import Candidates, candidates_file

    given = (model is not None, dataset is not None)
    if evaluation is not None and not any(given):
        splits = {name: Candidates.load(candidates_file(evaluation, name)) for name in ("val", "test")}
    elif evaluation is None and model is not None and dataset is not None:
        splits = _run(context, model, dataset, output)
    else:
        raise ConfigError("give either --from-evaluation, or --model with --dataset")
    result = fit_rules(context.config, splits)
    write_line(output, result)
    return FitThresholdsResult(output / "rules.yaml", result.operating["promise"]["kept"], result.told)


def fit_rules(config: Config, splits: dict[str, Candidates]) -> LineResult:
    """Choose rules as section `fit_thresholds` says.

    Args:
        config: The configuration.
        splits: Split → its candidates; "val" is among them.
    """
    from autonad.evaluation.choosing import Goal
    from autonad.evaluation.line_result import fit_line

    wanted = config.fit_thresholds
    goal = Goal(wanted.target, wanted.rate, wanted.review_load, wanted.confidence, wanted.min_areas_px)
    return fit_line(splits, goal, resamples=config.evaluate.resamples, seed=config.seed)


def write_line(folder: Path, result: LineResult) -> None:
    """Write the rules, their figures and their curves.

    Raises:
        StorageError: A file cannot be written.
    """
    from autonad.files import write_text_atomic
    from autonad.report.operating_charts import operating_figure

    result.write(folder)
    try:
        picture = operating_figure(result.curves, result.operating)
    except ModuleNotFoundError:
        return  # the base install draws nothing
    write_text_atomic(folder / "curves.svg", picture)


def split_candidates(
    context: Context, forward: Forward, source: Any, spec: Any, folder: Path
) -> dict[str, Candidates]:
    """Run a network over validation and test as on the line, and keep what it found.

    Args:
        context: Says how far it is.
        forward: The network, numpy in and out.
        source: The dataset; one without validation images has no candidates of them.
        spec: What the network needs.
        folder: Where they are kept.

    Raises:
        StorageError: They cannot be written.
    """
    from autonad.evaluation.candidates import candidates_file, collect_candidates

    there = set(source.manifest["split"])
    splits = {}
    for name in ("val", "test"):
        if name in there:
            splits[name] = collect_candidates(
                forward,
                source,
                name,
                spec,
                lambda done, total: context.console.advance(done, total, "images"),
            )
            splits[name].save(candidates_file(folder, name))
    return splits


def _run(context: Context, model: Path, dataset: Path, output: Path) -> dict[str, Candidates]:
    from autonad.data.dataset import Dataset
    from autonad.errors import DatasetError
    from autonad.steps.step import seed_everything
    from autonad.training.folders import load_model, numpy_forward
    from autonad.training.inputs import check_classes

    seed_everything(context.config.seed, context.config.threads)
    network, spec, _ = load_model(model)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the model")
    splits = split_candidates(context, numpy_forward(network), source, spec, output)
    if "val" not in splits:
        raise DatasetError(
            f"dataset {dataset} has no validation images, on which rules are chosen; import it with a split "
            "that has some"
        )
    return splits
