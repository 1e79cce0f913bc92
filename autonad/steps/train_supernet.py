"""Train the supernet on a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.steps.step import begin
from autonad.storage.checkpoints import Resume
from autonad.tracking.tags import FINGERPRINT, PIN_KEY
from autonad.training.processes import joined, on_every_gpu

if TYPE_CHECKING:
    import torch

    from autonad.config import Config
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.detector.spec import DetectorSpec
    from autonad.network import SuperNet
    from autonad.training.loop import Task
    from autonad.training.paths import Forward, TrainingPath
    from autonad.training.resumable import Trained
    from autonad.training.timing import LatencyRecords
    from autonad.training.world import World


@dataclass(frozen=True)
class SupernetResult:
    """What supernet training ended with.

    Attributes:
        miou: Mean inherited validation mIoU of the panel, a fraction.
        parameters: Scalars in the shared store.
        seconds: Wall time.
        red_flags: What makes it worthless.
    """

    miou: float
    parameters: int
    seconds: float
    red_flags: tuple[Fault, ...] = ()


@on_every_gpu
def train_supernet(
    context: Context,
    *,
    dataset: Path,
    output: Path,
    pin: Path | None = None,
    initial: Path | None = None,
    resume: Resume = False,
    checkpoints: str | None = None,
    keeps_copy: bool = False,
) -> SupernetResult:
    """Train all architectures of the space at once, in shared weights.

    Args:
        context: Sections `space`, `input` and `train_supernet` decide.
        dataset: Dataset folder; its training split is learnt, its validation split judges.
        output: Supernet folder to write.
        pin: Pin folder: the pinned images alone are learnt; None takes the whole dataset.
        initial: Supernet folder whose weights are the start, of other images and classes perhaps; None starts
            from random ones.
        resume: See `Resume`.
        checkpoints: Where copies of the checkpoints are kept for another machine; see `Mirror`.
        keeps_copy: Leave them there at the end, as a pipeline's task must: what it wrote is not yet uploaded.

    Raises:
        CheckpointError: The initial supernet is of another space or sharing, or the checkpoint of another
            run.
    """
    from autonad.appearance.pin import searched_images
    from autonad.report.red_flags import nothing_learnt
    from autonad.training.folders import save_supernet
    from autonad.training.inputs import detector_spec
    from autonad.training.resumable import run_training
    from autonad.training.timing import LatencyRecords

    config = context.config
    params = {"seed": config.seed, **config.model_dump(include={"space", "input", "train_supernet"})}
    source, pin_key = searched_images(dataset, pin)
    tags = {FINGERPRINT: source.fingerprint} | ({PIN_KEY: pin_key} if pin_key else {})
    with joined() as world, begin("train-supernet", context, params=params, tags=tags, world=world) as step:
        step.uses(source, "training")
        spec = detector_spec(source, config.input, step.console.report)
        supernet, origin = _first_weights(config, spec, initial)
        records = LatencyRecords(output / "records.jsonl")
        trained = run_training(
            supernet_task(config, supernet.to(world.device), source, spec, records, world),
            identity=_identity(config, supernet, source, origin),
            output=output,
            resume=resume,
            copies=checkpoints,
            owner=step.owner,
            records=records,
            log=step.log,
            console=step.console,
            world=world,
        )
        parameters = sum(parameter.numel() for parameter in supernet.parameters())
        foreground = trained.best_foreground_miou
        flags = step.flag(nothing_learnt("train_supernet", foreground, trained.best_miou))
        result = SupernetResult(trained.best_miou, parameters, step.seconds, flags)
        if world.leads:
            provenance = {
                "dataset": source.fingerprint,
                "pin_key": pin_key,
                "initial": origin,
                **_provenance(config, trained, flags),
            }
            written = save_supernet(
                output,
                supernet.cpu(),
                spec,
                records=records.table(),
                history=trained.history,
                provenance=provenance,
            )
            step.attach_training(output, written, trained.history, parameters)
            step.headline(f"mean inherited validation mIoU {100 * result.miou:.1f} %")
    if world.leads and not keeps_copy:
        trained.copy.remove()
    return result


def _provenance(config: Config, trained: Trained, flags: tuple[Fault, ...]) -> dict[str, Any]:
    """How the weights were trained, and what came of it."""
    from autonad.appearance.last_search import supernet_settings
    from autonad.report.flagged import KEY, to_json

    return {
        "settings": supernet_settings(config),
        "seed": config.seed,
        "best_epoch": trained.best_epoch,
        "val_miou": trained.best_miou,
        KEY: to_json(flags),
    }


def _first_weights(config: Config, spec: DetectorSpec, initial: Path | None) -> tuple[SuperNet, str | None]:
    """A new supernet, and the sha256 of the weights that it starts from; None for random ones."""
    from autonad.files import sha256_file
    from autonad.network import SuperNet
    from autonad.space.configured import configured_space
    from autonad.training.folders import load_supernet

    space = configured_space(config.space, config.input.size)
    supernet = SuperNet(space, spec.num_classes, config.train_supernet.sharing)
    if initial is None:
        return supernet, None
    supernet.adopt(load_supernet(initial)[0])
    return supernet, sha256_file(initial / "supernet.safetensors")


def supernet_task(
    config: Config,
    supernet: SuperNet,
    source: Dataset,
    spec: DetectorSpec,
    records: LatencyRecords | None,
    world: World,
) -> Task:
    """The sampler's paths in every step; a fixed panel of architectures is followed.

    Args:
        config: Section `train_supernet` decides.
        supernet: What is trained, on its device.
        source: Images to learn and to judge by.
        spec: What the network sees of them.
        records: Take the time of every forward pass; None takes none.
        world: The processes that train together.
    """
    from autonad.evaluation.inherited import score_sizes
    from autonad.training.inputs import evaluation_data, training_data
    from autonad.training.loop import Task
    from autonad.training.optimizer import total_steps
    from autonad.training.path_samplers import fixed_panel, make_sampler
    from autonad.training.paths import TrainingPath

    settings, space = config.train_supernet, supernet.space
    data = training_data(source, spec, settings, config.seed)
    validation = evaluation_data(source, spec, "val")
    panel = fixed_panel(space, settings.panel, config.seed)
    sampler = make_sampler(space, settings, config.seed)
    total = total_steps(settings, len(data.images), data.repeats)

    def paths(number: int) -> list[TrainingPath]:
        found = []
        for path in sampler(number, total):
            forward: Forward = partial(supernet, architecture=path.architecture)
            if records is not None and world.leads:
                forward = records.timed(forward, path.architecture, number)
            found.append(TrainingPath(forward, teacher="first" if path.taught else None))
        return found

    def validate(module: torch.nn.Module) -> dict[str, float]:
        found = [
            score_sizes(partial(module, architecture=a), validation, classes=spec.classes, world=world)
            for a in panel
        ]
        scores = [sizes["input"].miou for sizes in found]
        # None where no mask of the split shows a defect and none is predicted.
        defects = [value for sizes in found if (value := sizes["input"].foreground_miou) is not None]
        mean = {"val/foreground_miou": sum(defects) / len(defects)} if defects else {}
        # The panel begins with the extremes of the space.
        extremes = zip(("val/miou_smallest", "val/miou_largest"), scores, strict=False)
        return {
            **mean,
            "val/miou": sum(scores) / len(scores),
            "val/native_miou": sum(sizes["native"].miou for sizes in found) / len(found),
            "val/miou_min": min(scores),
            "val/miou_max": max(scores),
            **dict(extremes),
        }

    return Task(module=supernet, data=data, config=settings, seed=config.seed, paths=paths, validate=validate)


def _identity(config: Config, supernet: SuperNet, source: Dataset, origin: str | None) -> dict[str, object]:
    """What must be equal for a checkpoint to be of this run."""
    return {
        "stage": "train-supernet",
        "seed": config.seed,
        "space": supernet.space.key,
        "classes": source.num_classes,
        "input": config.input.model_dump(),
        "settings": config.train_supernet.model_dump(),
        "dataset": source.fingerprint,
        "initial": origin,
    }
