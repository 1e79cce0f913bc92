"""Retrain an architecture on the full training split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context
from autonad.steps.context import Resume, begin, resolve
from autonad.steps.train_supernet import describe
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT
from autonad.training.processes import joined, on_every_gpu


@dataclass(frozen=True)
class RetrainResult:
    """What retraining ended with.

    Attributes:
        miou: Best validation mIoU, a fraction.
        best_epoch: The epoch that it belongs to.
        parameters: Scalars in the network's tensors.
        seconds: Wall time.
    """

    miou: float
    best_epoch: int
    parameters: int
    seconds: float


@on_every_gpu
def retrain(
    context: Context,
    *,
    dataset: Path,
    search: Path,
    output: Path,
    resume: Resume = False,
    checkpoints: str | None = None,
) -> RetrainResult:
    """Train the searched architecture, from its inherited weights or from scratch.

    Args:
        context: Section `retrain` decides; the input is the supernet's where weights are inherited.
        dataset: Dataset folder.
        search: Search folder: `architecture.json`, and `inherited.safetensors` unless `retrain.weights` is
            scratch.
        output: Model folder to write.
        resume: See `Resume`.
        checkpoints: Where copies of the checkpoints are kept for another machine; see `Mirror`.

    Raises:
        CheckpointError: The inherited weights do not fit architecture and classes.
        DatasetError: The dataset has other classes than the search.
    """
    config = context.config
    import pandas as pd
    import torch

    from autonad.data.dataset import Dataset
    from autonad.evaluation.inherited import score
    from autonad.files import sha256_file, write_atomic
    from autonad.network import AutoNADNet
    from autonad.storage.checkpoints import Mirror
    from autonad.tracking.runs.step_figures import log_history
    from autonad.training.checkpoint import POINTER, Checkpoints, Progress, load_into, load_weights
    from autonad.training.folders import load_architecture, load_search_spec, save_model, searched_for
    from autonad.training.inputs import check_classes, detector_spec, evaluation_data, training_data
    from autonad.training.loop import train

    settings = config.retrain.resolved()
    source = Dataset.open(dataset)
    architecture = load_architecture(search / "architecture.json")
    inherited = settings.weights == "inherited"
    if inherited:
        # Weights know their images as the supernet saw them: input and normalisation come along.
        spec = load_search_spec(search)
        check_classes(source, spec, "the supernet")
    else:
        spec = detector_spec(source, config.input)
    params = {
        "seed": config.seed,
        "retrain": settings.model_dump(),
        "architecture": architecture.key,
        "input": {"height": spec.height, "width": spec.width, "keep_aspect": spec.keep_aspect},
    }
    tags = {FINGERPRINT: source.fingerprint, ARCHITECTURE: architecture.key}
    with joined() as world, begin("retrain", context, params=params, tags=tags, world=world) as step:
        console = step.console
        step.uses(source, "training")
        if (*spec.size, spec.keep_aspect) != (*config.input.size, config.input.keep_aspect):
            console.report(
                f"the supernet's input is kept: {spec.height} × {spec.width} pixels, keep_aspect "
                f"{spec.keep_aspect}"
            )
        network = AutoNADNet(architecture, spec.num_classes)
        if inherited:
            weights = load_weights(search / "inherited.safetensors", "the inherited weights")
            load_into(network, weights, f"inherited.safetensors in {search}")
        network = network.to(world.device)
        data = training_data(source, spec, settings, config.seed)
        validation = evaluation_data(source, spec, "val")

        def validate(module: torch.nn.Module) -> dict[str, float]:
            metrics = score(module, validation, classes=spec.classes, world=world)
            values = {"val/miou": metrics.miou, "val/mf1": metrics.mf1}
            if metrics.foreground_miou is not None:
                values["val/foreground_miou"] = metrics.foreground_miou
            return values

        def log(metrics: dict[str, float], epoch: int) -> None:
            step.run.log(metrics, step=epoch)
            console.advance(epoch, settings.epochs, describe(metrics))

        identity = {
            "stage": "retrain",
            "seed": config.seed,
            "architecture": architecture.key,
            "spec": spec.to_dict(),
            "settings": settings.model_dump(),
            "dataset": source.fingerprint,
            "inherited": sha256_file(search / "inherited.safetensors") if inherited else None,
        }

        def resumed(progress: Progress) -> None:
            step.log_history(progress.history)
            console.report(f"resumed after epoch {progress.epoch} of {settings.epochs}")

        mirror = Mirror(
            checkpoints,
            stage="retrain",
            identity=identity,
            output=output,
            names=("checkpoint",),
            pointer=f"checkpoint/{POINTER}",
            warn=console.report,
        )
        if resume and world.leads:
            mirror.pull()
        world.wait()
        kept = Checkpoints(output / "checkpoint", identity)
        outcome = train(
            network,
            data=data.images,
            config=settings,
            seed=config.seed,
            paths=lambda number: [network],
            validate=validate,
            checkpoints=kept,
            resume=resolve(resume, kept),
            repeats=data.repeats,
            class_weights=data.class_weights,
            log=log,
            on_checkpoint=lambda progress: mirror.push(),
            on_resume=resumed,
            world=world,
        )
        progress = outcome.progress
        assert progress.best_miou is not None
        assert progress.best_epoch is not None
        result = RetrainResult(progress.best_miou, progress.best_epoch, network.num_parameters, step.seconds)
        if not world.leads:
            return result
        history = pd.DataFrame(progress.history)
        write_atomic(output / "history.parquet", lambda path: history.to_parquet(path, index=False))
        # The same for `dvc plots`, which does not read parquet.
        write_atomic(output / "curves.csv", lambda path: history.to_csv(path, index=False))
        provenance = {
            "dataset": source.fingerprint,
            "seed": config.seed,
            "weights": settings.weights,
            "best_epoch": progress.best_epoch,
            "val_miou": progress.best_miou,
            **searched_for(search),
        }
        save_model(output, network.cpu(), spec, provenance)
        for name in ("model.json", "model.safetensors", "architecture.json", "history.parquet"):
            step.run.artifact(output / name)
        step.run.log({"model/parameters": float(network.num_parameters)}, step=0)
        log_history(step.run, progress.history)
        step.headline(
            f"validation mIoU {100 * progress.best_miou:.1f} % after epoch {progress.best_epoch}, "
            f"{network.num_parameters:,} parameters"
        )
        return result
