"""From the files of the steps to the report's content and to MLflow's metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autonad.errors import StorageError, one_line
from autonad.reading.shape_checks import Shape
from autonad.reading.table_checks import Column, read_table
from autonad.report.units import milliseconds, per_image, whole

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.detector.spec import DetectorSpec
    from autonad.network import AutoNADNet
    from autonad.report.evaluation import ReportContent
    from autonad.report.panels import Panel
    from autonad.space import SamplingPrior


class MeasuredFile(Shape):
    """A finalist of `search.json`."""

    key: str
    measured_ms: float | None = Field(ge=0)
    predicted_ms: float = Field(ge=0)
    p95_ms: float | None = None
    std_ms: float | None = None
    n: int | None = None
    warmup: int | None = None


class ReportedSearchFile(Shape):
    """What the report relies on in `search.json`."""

    finalists: list[MeasuredFile]
    target: str
    hardware_key: str


HISTORY = {
    "epoch": Column("number", least=0),  # a row is of numbers, as metrics are: 1.0
    **dict.fromkeys(("train/loss", "val/miou"), Column("number", empty=True, optional=True)),
}


@dataclass(frozen=True)
class ReportInputs:
    """What search and profiling left for the report; None where no folder was given.

    Attributes:
        population: The search's table.
        search: Content of `search.json`.
        prior: The sampling prior.
        target: Content of `target.json`.
    """

    population: pd.DataFrame | None = None
    search: dict[str, Any] | None = None
    prior: SamplingPrior | None = None
    target: dict[str, Any] | None = None


def read_inputs(search: Path | None, latency: Path | None) -> ReportInputs:
    """Read both folders, before an evaluation is spent on a report that cannot be written.

    Raises:
        StorageError: A file is missing or damaged.
    """
    from autonad.files import read_json
    from autonad.latency.prior import load_prior
    from autonad.search.population import POPULATION

    values: dict[str, Any] = {}
    if search is not None:
        values["search"] = read_json(search / "search.json", "the search", ReportedSearchFile)
        try:
            values["population"] = read_table(search / "population.parquet", POPULATION)
        except (OSError, ValueError) as error:
            raise StorageError(
                f"the search in {search} has no readable population.parquet ({one_line(error)}); run "
                "`autonad search` again"
            ) from error
    if latency is not None:
        values["prior"] = load_prior(latency / "prior.json")
        values["target"] = read_json(latency / "target.json", "the target")
    return ReportInputs(**values)


def report_content(
    *,
    metrics: dict[str, Any],
    panels: list[Panel],
    name: str,
    dataset: Dataset,
    network: AutoNADNet,
    spec: DetectorSpec,
    provenance: dict[str, Any],
    model: Path,
    inputs: ReportInputs,
) -> ReportContent:
    """Everything the page shows; sections without files are left out.

    Args:
        metrics: Content of `metrics.json`.
        panels: Images with truth and prediction.
        name: What the dataset is called.
        dataset: Where the images are.
        network: The model.
        spec: Its input and classes.
        provenance: Of the model.
        model: Model folder, for the training curves.
        inputs: What other steps left.
    """
    from autonad.data.tile_choice import describe_tiling, tiles_per_image
    from autonad.report.evaluation import ReportContent

    key = network.architecture.key
    highlights = [("Parameters", whole(network.num_parameters), f"architecture {key}")]
    facts: dict[str, dict[str, object]] = {
        "Model": {
            "architecture": key,
            "input": f"{spec.height} × {spec.width} pixels",
            "keeps aspect": spec.keep_aspect,
            "tiles": describe_tiling(spec.tiles),
            **provenance,
        },
        "Dataset": {"name": name, "fingerprint": dataset.fingerprint, "images": len(dataset.manifest)},
        "Software": _versions(),
    }
    found = inputs.search
    chosen = next((one for one in found["finalists"] if one["key"] == key), None) if found else None
    if found and chosen:
        measured, how = chosen["measured_ms"], "median on"
        if measured is None:
            measured, how = chosen["predicted_ms"], "predicted for"
        passes = per_image(measured, tiles_per_image(dataset, spec.tiles))
        highlights.append(("Latency", milliseconds(measured), f"{how} {found['target']}, batch 1{passes}"))
        facts["Latency on the target"] = _latency(found, chosen)
    if inputs.target is not None:
        facts["Target"] = {name: value for name, value in inputs.target.items() if value is not None}
    return ReportContent(
        title=f"Defect detector for {name}",
        subtitle=f"{len(spec.classes) - 1} defect classes, {metrics['images']} test images of parts never "
        "trained on",
        metrics=metrics,
        highlights=highlights,
        panels=panels,
        architecture=network.architecture,
        prior=inputs.prior,
        population=inputs.population,
        history=training_history(model / "history.parquet"),
        provenance=facts,
    )


def training_history(path: Path) -> pd.DataFrame | None:
    """A training's `history.parquet`; None where there is none.

    Raises:
        StorageError: It is damaged.
    """
    try:
        return read_table(path, HISTORY, others=True)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path} is no table of a training ({one_line(error)}); run `autonad retrain` again, or delete it"
        ) from error


def _latency(search: dict[str, Any], chosen: dict[str, Any]) -> dict[str, object]:
    """How the search measured the architecture that it returned."""
    names = ("measured_ms", "p95_ms", "std_ms", "predicted_ms")
    measured = {name: None if chosen[name] is None else milliseconds(chosen[name]) for name in names}
    return {
        "target": search["target"],
        "hardware key": search["hardware_key"],
        "median": measured["measured_ms"],
        "p95": measured["p95_ms"],
        "standard deviation": measured["std_ms"],
        "timed runs": chosen["n"],
        "warm-up runs": chosen["warmup"],
        "predicted": measured["predicted_ms"],
    }


def _versions() -> dict[str, object]:
    import platform
    from importlib.metadata import version

    names = ("autonad", "torch", "onnxruntime", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
