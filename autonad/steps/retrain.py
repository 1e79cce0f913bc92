"""Retrain an architecture on the full training split."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.steps.step import begin
from autonad.storage.checkpoints import Resume
from autonad.tracking.runs.made_for import variant_tags
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT
from autonad.training.processes import joined, on_every_gpu

if TYPE_CHECKING:
    import torch

    from autonad.config import Config, RetrainConfig
    from autonad.console import Console
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.detector.spec import DetectorSpec
    from autonad.network import AutoNADNet
    from autonad.space import Architecture
    from autonad.training.loop import Task
    from autonad.training.resumable import Trained
    from autonad.training.teacher import Teacher
    from autonad.training.world import World

WEIGHTS = "inherited.safetensors"


@dataclass(frozen=True)
class RetrainResult:
    """What retraining ended with.

    Attributes:
        miou: Best validation mIoU, a fraction.
        best_epoch: The epoch that it belongs to.
        parameters: Scalars in the network's tensors.
        seconds: Wall time.
        red_flags: What makes it worthless or doubtful, that of its search included.
    """

    miou: float
    best_epoch: int
    parameters: int
    seconds: float
    red_flags: tuple[Fault, ...] = ()


@on_every_gpu
def retrain(
    context: Context,
    *,
    dataset: Path,
    search: Path,
    output: Path,
    teacher: Path | None = None,
    resume: Resume = False,
    checkpoints: str | None = None,
    keeps_copy: bool = False,
) -> RetrainResult:
    """Train the searched architecture, from its inherited weights or from scratch.

    Args:
        context: Section `retrain` decides; the input is the supernet's where weights are inherited.
        dataset: Dataset folder.
        search: Search folder: `architecture.json`, and `inherited.safetensors` unless `retrain.weights` is
            scratch.
        output: Model folder to write.
        teacher: Folder of the network that `retrain.teacher` asks for; not read if for none.
        resume: See `Resume`.
        checkpoints: Where copies of the checkpoints are kept for another machine; see `Mirror`.
        keeps_copy: Leave them there at the end, as a pipeline's task must: what it wrote is not yet uploaded.

    Raises:
        CheckpointError: The inherited weights do not fit architecture and classes, or the teacher does not.
        ConfigError: A teacher is asked for, and no folder given.
        DatasetError: The dataset has other classes than the search.
    """
    from autonad.data.dataset import Dataset
    from autonad.report.flagged import KEY, to_json
    from autonad.training.folders import load_architecture, save_model, searched_for
    from autonad.training.resumable import run_training
    from autonad.training.teacher import load_teacher

    config = context.config
    settings = config.retrain.resolved()
    source = Dataset.open(dataset)
    architecture = load_architecture(search / "architecture.json")
    spec = replace(_spec(context, source, search), reading=source.image_reading)
    told_by = load_teacher(settings, teacher, spec)
    params = {
        "seed": config.seed,
        "retrain": settings.model_dump(),
        "architecture": architecture.key,
        "input": _input(spec),
    }
    made_for = searched_for(search)
    tags = {FINGERPRINT: source.fingerprint, ARCHITECTURE: architecture.key, **variant_tags(made_for)}
    with joined() as world, begin("retrain", context, params=params, tags=tags, world=world) as step:
        step.uses(source, "training")
        _tell_input(step.console, config, spec)
        network = _first_weights(settings, architecture, spec, search)
        trained = run_training(
            retrain_task(config, network.to(world.device), told_by, source, spec, world),
            identity=_identity(config, network, told_by, source, spec, search),
            output=output,
            resume=resume,
            copies=checkpoints,
            owner=step.owner,
            log=step.log,
            console=step.console,
            world=world,
        )
        parameters = network.num_parameters
        flags = step.flag(_flags(trained, search))
        result = RetrainResult(trained.best_miou, trained.best_epoch, parameters, step.seconds, flags)
        if world.leads:
            provenance = _provenance(config, source, trained) | made_for | {KEY: to_json(flags)}
            written = save_model(output, network.cpu(), spec, history=trained.history, provenance=provenance)
            step.attach_training(output, written, trained.history, parameters)
            step.headline(
                f"validation mIoU {100 * result.miou:.1f} % after epoch {result.best_epoch}, "
                f"{parameters:,} parameters"
            )
    if world.leads and not keeps_copy:
        trained.copy.remove()
    return result


def _provenance(config: Config, source: Dataset, trained: Trained) -> dict[str, Any]:
    """Where the weights come from."""
    return {
        "dataset": source.fingerprint,
        "seed": config.seed,
        **config.retrain.resolved().model_dump(include={"weights", "teacher"}),
        "best_epoch": trained.best_epoch,
        "val_miou": trained.best_miou,
    }


def _flags(trained: Trained, search: Path) -> tuple[Fault, ...]:
    """What makes the model worthless or doubtful, that of its search included."""
    from autonad.report.flagged import of_search
    from autonad.report.red_flags import nothing_learnt

    learnt = nothing_learnt("retrain", trained.best_foreground_miou, trained.best_miou)
    return *of_search(search), *learnt


def _spec(context: Context, source: Dataset, search: Path) -> DetectorSpec:
    """Classes, input and normalisation: weights know their images as the supernet saw them."""
    from autonad.training.folders import load_search_spec
    from autonad.training.inputs import check_classes, detector_spec

    config = context.config
    if config.retrain.weights == "scratch":
        return detector_spec(source, config.input, context.console.report)
    spec = load_search_spec(search)
    check_classes(source, spec, "the supernet")
    return spec


def _input(spec: DetectorSpec) -> dict[str, object]:
    """Values of the input, for MLflow."""
    from autonad.data.tile_choice import describe_tiling

    return {
        "height": spec.height,
        "width": spec.width,
        "keep_aspect": spec.keep_aspect,
        "tiles": describe_tiling(spec.tiles),
    }


def _tell_input(console: Console, config: Config, spec: DetectorSpec) -> None:
    """Say so where the supernet's input takes the place of the configured one."""
    from autonad.data.tile_choice import describe_tiling

    wanted = config.input
    rows = "none" if spec.tiles is None else spec.tiles.height
    other_tiles = wanted.tile not in ("auto", rows)
    if other_tiles or (*spec.size, spec.keep_aspect) != (*wanted.size, wanted.keep_aspect):
        console.report(
            f"the supernet's input is kept: {spec.height} × {spec.width} pixels, keep_aspect "
            f"{spec.keep_aspect}, {describe_tiling(spec.tiles)}"
        )


def _first_weights(
    settings: RetrainConfig, architecture: Architecture, spec: DetectorSpec, search: Path
) -> AutoNADNet:
    """The network with the weights that training starts from."""
    from autonad.network import AutoNADNet
    from autonad.training.checkpoint import load_into, load_weights

    network = AutoNADNet(architecture, spec.num_classes)
    if settings.weights == "inherited":
        weights = load_weights(search / WEIGHTS, "the inherited weights")
        load_into(network, weights, f"{WEIGHTS} in {search}")
    return network


def retrain_task(
    config: Config,
    network: AutoNADNet,
    teacher: Teacher | None,
    source: Dataset,
    spec: DetectorSpec,
    world: World,
) -> Task:
    """The network itself in every step; the validation split judges.

    Args:
        config: Section `retrain` decides.
        network: What is trained, on its device.
        teacher: What it learns from beside the labels, if anything.
        source: Images to learn and to judge by.
        spec: What the network sees of them.
        world: The processes that train together.
    """
    from autonad.evaluation.inherited import score_sizes
    from autonad.training.inputs import evaluation_data, training_data
    from autonad.training.loop import Task
    from autonad.training.paths import TrainingPath

    settings = config.retrain.resolved()
    validation = evaluation_data(source, spec, "val")
    path = TrainingPath(network, None if teacher is None else teacher.network.to(world.device))

    def validate(module: torch.nn.Module) -> dict[str, float]:
        scores = score_sizes(module, validation, classes=spec.classes, world=world)
        metrics = scores["input"]
        values = {"val/miou": metrics.miou, "val/mf1": metrics.mf1, "val/native_miou": scores["native"].miou}
        if metrics.foreground_miou is not None:
            values["val/foreground_miou"] = metrics.foreground_miou
        return values

    return Task(
        module=network,
        data=training_data(source, spec, settings, config.seed),
        config=settings,
        seed=config.seed,
        paths=lambda number: [path],
        validate=validate,
    )


def _identity(
    config: Config,
    network: AutoNADNet,
    teacher: Teacher | None,
    source: Dataset,
    spec: DetectorSpec,
    search: Path,
) -> dict[str, object]:
    """What must be equal for a checkpoint to be of this run."""
    from autonad.files import sha256_file

    settings = config.retrain.resolved()
    return {
        "stage": "retrain",
        "seed": config.seed,
        "architecture": network.architecture.key,
        "spec": spec.to_dict(),
        "settings": settings.model_dump(),
        "dataset": source.fingerprint,
        "inherited": sha256_file(search / WEIGHTS) if settings.weights == "inherited" else None,
        "teacher": None if teacher is None else teacher.sha256,
    }
