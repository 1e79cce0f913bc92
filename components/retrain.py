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
    """Train what the search found on all images, one after another; a retry goes on where it was."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("retrain", Path(request.path)) as context:
        variants = steps.variants_of(Path(found.path))
        results = steps.retrain_each(
            context,
            variants,
            dataset=Path(dataset.path),
            search=Path(found.path),
            output=Path(model.path),
            teacher=Path(supernet.path),
            checkpoints=checkpoints,
        )
    for each, one in zip(variants, results, strict=True):
        found_out = dict(val_miou=one.miou, parameters=one.parameters, seconds=one.seconds)
        display.show_figures(metrics, **each.named(**found_out))
        display.show_red_flags(metrics, one.red_flags, each)
        model.metadata.update(each.named(best_epoch=one.best_epoch, parameters=one.parameters))
