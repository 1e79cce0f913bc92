"""Train the supernet on a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from autonad.config.context import Context
from autonad.steps.context import Resume, begin, resolve
from autonad.tracking.tags import FINGERPRINT, PIN_KEY
from autonad.training.processes import joined, on_every_gpu


@dataclass(frozen=True)
class SupernetResult:
    """What supernet training ended with.

    Attributes:
        miou: Mean inherited validation mIoU of the panel, a fraction.
        parameters: Scalars in the shared store.
        seconds: Wall time.
    """

    miou: float
    parameters: int
    seconds: float


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

    Raises:
        CheckpointError: The initial supernet is of another space or sharing, or the checkpoint of another
            run.
    """
    config = context.config
    import pandas as pd
    import torch

    from autonad.appearance.last_search import supernet_settings
    from autonad.appearance.pin import searched_images
    from autonad.evaluation.inherited import score
    from autonad.files import sha256_file, write_atomic
    from autonad.network import SuperNet
    from autonad.space import SearchSpace
    from autonad.storage.checkpoints import Mirror
    from autonad.tracking.runs.step_figures import log_history
    from autonad.training.checkpoint import POINTER, Checkpoints, Progress
    from autonad.training.folders import load_supernet, save_supernet
    from autonad.training.inputs import detector_spec, evaluation_data, training_data
    from autonad.training.loop import Forward, total_steps, train
    from autonad.training.samplers import fixed_panel, sample_path
    from autonad.training.timing import LatencyRecords

    settings = config.train_supernet
    params = {
        "seed": config.seed,
        "space": config.space.model_dump(),
        "input": config.input.model_dump(),
        "train_supernet": settings.model_dump(),
    }
    source, pin_key = searched_images(dataset, pin)
    tags = {FINGERPRINT: source.fingerprint} | ({PIN_KEY: pin_key} if pin_key else {})
    with joined() as world, begin("train-supernet", context, params=params, tags=tags, world=world) as step:
        console = step.console
        step.uses(source, "training")
        space = SearchSpace.preset(config.space.preset, config.space.operators)
        spec = detector_spec(source, config.input)
        data = training_data(source, spec, settings, config.seed)
        validation = evaluation_data(source, spec, "val")
        supernet = SuperNet(space, spec.num_classes, settings.sharing)
        origin = None
        if initial is not None:
            supernet.adopt(load_supernet(initial)[0])
            origin = sha256_file(initial / "supernet.safetensors")
        supernet.to(world.device)
        panel = fixed_panel(space, settings.panel, config.seed)
        records = LatencyRecords(output / "records.jsonl")

        growth_steps = settings.growth * total_steps(settings, len(data.images), data.repeats)

        def paths(number: int) -> list[Forward]:
            architecture = sample_path(space, config.seed, number, growth_steps)
            forward = partial(supernet, architecture=architecture)
            return [records.timed(forward, architecture, number) if world.leads else forward]

        def validate(module: torch.nn.Module) -> dict[str, float]:
            scores = [
                score(partial(module, architecture=a), validation, classes=spec.classes, world=world).miou
                for a in panel
            ]
            return {
                "val/miou": sum(scores) / len(scores),
                "val/miou_min": min(scores),
                "val/miou_max": max(scores),
                # The panel begins with the extremes of the space.
                "val/miou_smallest": scores[0],
                "val/miou_largest": scores[min(1, len(scores) - 1)],
            }

        def log(metrics: dict[str, float], epoch: int) -> None:
            step.run.log(metrics, step=epoch)
            console.advance(epoch, settings.epochs, describe(metrics))

        def resumed(progress: Progress) -> None:
            step.log_history(progress.history)
            records.rewind(progress.step)
            console.report(f"resumed after epoch {progress.epoch} of {settings.epochs}")

        identity = {
            "stage": "train-supernet",
            "seed": config.seed,
            "space": space.key,
            "classes": spec.num_classes,
            "input": config.input.model_dump(),
            "settings": settings.model_dump(),
            "dataset": source.fingerprint,
            "initial": origin,
        }
        mirror = Mirror(
            checkpoints,
            stage="train-supernet",
            identity=identity,
            output=output,
            names=("checkpoint", records.path.name),
            pointer=f"checkpoint/{POINTER}",
            warn=console.report,
        )
        if resume and world.leads:
            mirror.pull()
        world.wait()
        kept = Checkpoints(output / "checkpoint", identity)
        resume = resolve(resume, kept)
        if world.leads and not (resume and kept.exists()):
            # First the checkpoint, then the records: a kill between them leaves nothing to resume.
            kept.clear()
            records.rewind(0)
        outcome = train(
            supernet,
            data=data.images,
            config=settings,
            seed=config.seed,
            paths=paths,
            validate=validate,
            checkpoints=kept,
            resume=resume,
            repeats=data.repeats,
            class_weights=data.class_weights,
            log=log,
            on_checkpoint=lambda progress: mirror.push(),
            on_resume=resumed,
            world=world,
        )
        assert outcome.progress.best_miou is not None
        parameters = sum(parameter.numel() for parameter in supernet.parameters())
        result = SupernetResult(outcome.progress.best_miou, parameters, step.seconds)
        if not world.leads:
            return result
        table = records.table()
        write_atomic(output / "records.parquet", lambda path: table.to_parquet(path, index=False))
        curves = pd.DataFrame(outcome.progress.history)
        write_atomic(output / "curves.csv", lambda path: curves.to_csv(path, index=False))
        provenance = {
            "dataset": source.fingerprint,
            "pin_key": pin_key,
            "initial": origin,
            "settings": supernet_settings(config),
            "seed": config.seed,
            "best_epoch": outcome.progress.best_epoch,
            "val_miou": outcome.progress.best_miou,
        }
        save_supernet(output, supernet.cpu(), spec, provenance)
        for name in ("supernet.json", "supernet.safetensors", "records.parquet", "curves.csv"):
            step.run.artifact(output / name)
        step.run.log({"model/parameters": float(parameters)}, step=0)
        log_history(step.run, outcome.progress.history)
        step.headline(f"mean inherited validation mIoU {100 * result.miou:.1f} %")
        return result


def describe(metrics: dict[str, float]) -> str:
    """One short phrase for a progress line."""
    text = f"loss {metrics['train/loss']:.3f}"
    if "val/miou" in metrics:
        text += f", validation mIoU {100 * metrics['val/miou']:.1f} %"
    return text
