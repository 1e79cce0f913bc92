"""How well a supernet ranks architectures: inherited mIoU beside that of trainings from scratch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from autonad.config.context import Context
from autonad.latency.significant import milliseconds
from autonad.reading.shape_checks import Shape, check_shape
from autonad.steps.step import begin
from autonad.storage.checkpoints import Resume
from autonad.storage.journal import Journal, changed_since
from autonad.tracking.tags import FINGERPRINT, HARDWARE_KEY

if TYPE_CHECKING:
    from autonad.config import Config
    from autonad.data.dataset import Dataset
    from autonad.detector.spec import DetectorSpec
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.network import SuperNet
    from autonad.search.strata import Placed
    from autonad.space import Architecture
    from autonad.steps.short_training import ShortTraining
    from autonad.steps.step import Step

JOURNAL, ASSESSMENT = "journal.jsonl", "assessment.json"
PREDICTORS = ("inherited", "parameters", "flops")
NO_PART = {"epochs", "weights", "teacher", "validate_every", "checkpoint_every"}  # of `retrain`
"""By what architectures are ranked without training them: first the supernet, then what needs none."""


@dataclass(frozen=True)
class AssessmentResult:
    """How well the supernet ranks. Coefficients are None where all architectures scored alike.

    Attributes:
        tau: Kendall's τ of inherited against trained mIoU.
        interval: Its bootstrap interval over architectures; None as `tau`.
        nulls: τ of numbers that need no supernet, by name.
        architectures: How many were compared.
        report: The page to open.
        seconds: Wall time.
    """

    tau: float | None
    interval: tuple[float, float] | None
    nulls: Mapping[str, float | None]
    architectures: int
    report: Path
    seconds: float


class AssessedFile(Shape):
    """What the journal knows of one architecture, before its training or after it."""

    key: str
    latency_ms: float = Field(ge=0)
    parameters: int = Field(ge=0)
    flops: float = Field(ge=0)
    inherited_miou: float = Field(ge=0, le=1)
    inherited_native_miou: float = Field(ge=0, le=1)
    epochs: int = Field(ge=1)
    trained_miou: float | None = Field(None, ge=0, le=1)
    trained_native_miou: float | None = Field(None, ge=0, le=1)


@dataclass(frozen=True)
class _Inputs:
    """What an assessment reads, and what must be equal for it to go on."""

    net: SuperNet
    spec: DetectorSpec
    table: LatencyTable
    target: Target
    source: Dataset
    identity: dict[str, Any]


def assess_supernet(
    context: Context, *, dataset: Path, supernet: Path, latency: Path, output: Path, resume: Resume = False
) -> AssessmentResult:
    """Score architectures with inherited weights, train each from scratch, and compare the two rankings.

    Args:
        context: Sections `assess_supernet`, `retrain` (settings of each training) and `search.score_at`
            decide.
        dataset: Dataset folder: trained on its training split, judged by its validation split.
        supernet: Supernet folder.
        latency: Latency folder, by whose table the architectures are chosen.
        output: Folder to write: `assessment.json`, `architectures.parquet`, `assessment.html`.
        resume: See `Resume`; here it is the folder's `journal.jsonl` that is continued from.

    Raises:
        StorageError: The supernet is unfinished, or a folder holds no latency table.
        LatencyError: The table is of another space or input size.
        DatasetError: The dataset has other classes than the supernet.
        SearchError: The space has too few architectures to rank.
        CheckpointError: `resume`, and the journal is of another assessment.
    """
    from autonad.search.strata import stratified

    config, settings = context.config, context.config.assess_supernet
    inputs = _read(context, dataset, supernet, latency)
    tags = {FINGERPRINT: inputs.source.fingerprint, HARDWARE_KEY: inputs.target.hardware_key}
    params = {
        "seed": config.seed,
        "assess_supernet": settings.model_dump(),
        "retrain": config.retrain.resolved().model_dump(),
        "score_at": config.search.score_at,
        "space": inputs.net.space.key,
    }
    with begin("assess-supernet", context, params=params, tags=tags) as step:
        step.uses(inputs.source, "training")
        for caution in inputs.table.cautions:
            step.console.report(f"warning: the latency table is not to be relied on: {caution}")
        chosen = stratified(
            inputs.net.space,
            inputs.table.predict,
            count=settings.architectures,
            sample=settings.sample,
            seed=config.seed,
        )
        journal = Journal(output / JOURNAL)
        entries = _entries(journal, inputs.identity, resume)
        rows = _train_all(step, inputs, chosen, output, journal, entries, bool(resume))
        result = _conclude(step, inputs, rows, output)
    return result


def _read(context: Context, dataset: Path, supernet: Path, latency: Path) -> _Inputs:
    from autonad.data.dataset import Dataset
    from autonad.files import sha256_file
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.training.folders import load_supernet, pick_device
    from autonad.training.inputs import check_classes

    config = context.config
    net, spec, _ = load_supernet(supernet)
    table = LatencyTable.load(latency / "table.parquet")
    target = Target.load(latency / "target.json")
    table.check_made_for(net.space.key, spec.size, target)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the supernet")
    # What decides a training, and no more: the rest can be changed when these hours have passed.
    identity = {
        "seed": config.seed,
        "minutes": config.assess_supernet.minutes,
        "retrain": config.retrain.resolved().model_dump(exclude=NO_PART),
        "epochs": None if config.assess_supernet.minutes else config.retrain.epochs,
        "supernet": sha256_file(supernet / "supernet.safetensors"),
        "latency": sha256_file(latency / "table.parquet"),
        "dataset": source.fingerprint,
    }
    return _Inputs(net.to(pick_device()), spec, table, target, source, identity)


def _entries(journal: Journal, identity: dict[str, Any], resume: Resume) -> dict[str, dict[str, Any]]:
    """What is known of each architecture by its key; a journal that is not continued begins anew.

    Raises:
        CheckpointError: The journal is of another assessment.
        StorageError: It cannot be read.
    """
    from autonad.errors import CheckpointError, StorageError

    if resume and journal.path.is_file():
        try:
            return _known(journal, json.loads(json.dumps(identity)))
        except (CheckpointError, StorageError):
            if resume != "or-restart":
                raise
    (journal.path.parent / ASSESSMENT).unlink(missing_ok=True)  # What is started over has no result.
    journal.begin({"identity": identity})
    return {}


def _known(journal: Journal, identity: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a journal of this very assessment says of each architecture."""
    from autonad.errors import CheckpointError, StorageError
    from autonad.reading.bounds import Unreadable

    first, *entries = journal.read("the assessment's journal") or [{}]
    different = changed_since(first.get("identity"), identity)
    if different:
        raise CheckpointError(
            f"the assessment in {journal.path.parent} was begun with another {' and '.join(different)}; "
            "restore that, choose another --output, or give --replace to start over"
        )
    try:  # The last entry of an architecture is the whole of it.
        return {entry["key"]: entry for entry in (check_shape(one, AssessedFile) for one in entries)}
    except Unreadable as error:
        raise StorageError(
            f"the assessment's journal at {journal.path} is damaged: {error}; give --replace to start over"
        ) from error


def _train_all(
    step: Step,
    inputs: _Inputs,
    chosen: list[Placed],
    output: Path,
    journal: Journal,
    entries: dict[str, dict[str, Any]],
    resumed: bool,
) -> list[dict[str, Any]]:
    """One row per architecture; those that the journal has finished are taken from it."""
    from autonad.training.equal_time import one_thread

    training = _from_scratch(step.context.config, inputs, output / "training")
    rows = []
    for number, (architecture, latency_ms) in enumerate(chosen, start=1):
        row = entries.get(architecture.key, {})
        if "trained_miou" not in row:
            if "epochs" not in row:
                row = {"key": architecture.key, "latency_ms": latency_ms}
                row |= _before_training(inputs, training, architecture, step.context.config)
                journal.append(row)
            with one_thread():
                trained = training.run(architecture, row["epochs"], resumed=resumed)
            row = row | {"trained_miou": trained["input"], "trained_native_miou": trained["native"]}
            journal.append(row)
        rows.append(row | {"architecture": architecture.to_json()})
        step.console.advance(
            number,
            len(chosen),
            f"architecture {architecture.key}, {milliseconds(latency_ms)}: inherited mIoU "
            f"{100 * row['inherited_miou']:.1f} %, trained {100 * row['trained_miou']:.1f} %",
        )
    shutil.rmtree(output / "training", ignore_errors=True)
    return rows


def _from_scratch(config: Config, inputs: _Inputs, folder: Path) -> ShortTraining:
    """Trainings whose first weights follow from the seed and the architecture alone."""
    import torch

    from autonad.network import AutoNADNet
    from autonad.steps.short_training import ShortTraining

    def network_of(architecture: Architecture) -> AutoNADNet:
        torch.manual_seed(config.seed)
        return AutoNADNet(architecture, inputs.spec.num_classes)

    return ShortTraining(
        config.retrain.resolved().model_copy(update={"weights": "scratch"}),
        inputs.source,
        inputs.spec,
        network_of=network_of,
        seed=config.seed,
        identity={"stage": "assess-supernet"},
        folder=folder,
    )


def _before_training(
    inputs: _Inputs, training: ShortTraining, architecture: Architecture, config: Config
) -> dict[str, Any]:
    """Inherited mIoU, the sizes that could rank as well, and for how long it is trained."""
    from functools import partial

    from autonad.network.flops import architecture_flops
    from autonad.network.peak_memory import count_parameters
    from autonad.training.equal_time import one_thread

    classes = inputs.spec.num_classes
    inherited = training.score(partial(inputs.net, architecture=architecture))
    with one_thread():
        budget = training.budget(architecture, config.assess_supernet.minutes)
    return {
        "parameters": count_parameters(architecture, classes),
        "flops": architecture_flops(architecture, classes, inputs.spec.size),
        "inherited_miou": inherited["input"],
        "inherited_native_miou": inherited["native"],
        **asdict(budget),
    }


def _conclude(step: Step, inputs: _Inputs, rows: list[dict[str, Any]], output: Path) -> AssessmentResult:
    """Write and log what the rows say."""
    import pandas as pd

    from autonad.evaluation.rank_correlation import table_agreement
    from autonad.files import write_atomic, write_json
    from autonad.report.assessment import scatter_file, write_page
    from autonad.tracking.names import assessment_metrics

    settings, size = step.context.config.assess_supernet, step.context.config.search.score_at
    # What a journal gives back is in its own order.
    table = pd.DataFrame(rows).sort_index(axis="columns")
    agreement = table_agreement(
        table, size, resamples=settings.resamples, level=settings.confidence, seed=step.context.config.seed
    )
    description = {
        **agreement,
        "score_at": size,
        "minutes": settings.minutes,
        "level": settings.confidence,
        "target": inputs.target.name,
        "cautions": list(inputs.table.cautions),
        **inputs.identity,
    }
    write_atomic(output / "architectures.parquet", lambda path: table.to_parquet(path, index=False))
    page = output / "assessment.html"
    write_page(page, table, description)
    write_json(output / ASSESSMENT, description)
    step.run.log(assessment_metrics(agreement))
    step.run.text(scatter_file(table, size), "figures/assessment.svg")
    step.attach(output, ASSESSMENT, "architectures.parquet", "assessment.html")
    taus = {name: kinds["tau"] for name, kinds in agreement["predictors"].items()}
    first = taus[PREDICTORS[0]]
    if first["value"] is not None:
        step.headline(f"Kendall's tau {first['value']:.2f} over {len(rows)} architectures")
    return AssessmentResult(
        tau=first["value"],
        interval=None if first["low"] is None else (first["low"], first["high"]),
        nulls={name: taus[name]["value"] for name in PREDICTORS[1:]},
        architectures=len(rows),
        report=page,
        seconds=step.seconds,
    )
