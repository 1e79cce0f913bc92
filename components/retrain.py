"""Component `retrain`."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def retrain(
    checkpoints: str,
    request: Input[Artifact],
    dataset: Input[Dataset],
    found: Input[Artifact],
    supernet: Input[Model],
    model: Output[Model],
    metrics: Output[Metrics],
) -> None:
    """Train the searched architecture on all images; a retry goes on where it was."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("retrain", Path(request.path)) as context:
        result = steps.retrain(
            context,
            dataset=Path(dataset.path),
            search=Path(found.path),
            output=Path(model.path),
            teacher=Path(supernet.path),
            resume="or-restart",
            checkpoints=checkpoints,
        )
    display.show_figures(metrics, val_miou=result.miou, parameters=result.parameters, seconds=result.seconds)
    display.show_red_flags(metrics, result.red_flags)
    model.metadata.update(best_epoch=result.best_epoch, parameters=result.parameters)
