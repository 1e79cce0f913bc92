"""Component `train_supernet`."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def train_supernet(
    checkpoints: str,
    request: Input[Artifact],
    dataset: Input[Dataset],
    pin: Input[Artifact],
    supernet: Output[Model],
    metrics: Output[Metrics],
) -> None:
    """Train all architectures of the space at once, on the pinned images; a retry goes on where it was."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("train-supernet", Path(request.path)) as context:
        found = steps.train_supernet(
            context,
            dataset=Path(dataset.path),
            pin=Path(pin.path),
            output=Path(supernet.path),
            resume="or-restart",
            checkpoints=checkpoints,
            keeps_copy=True,
        )
    display.show_figures(metrics, panel_miou=found.miou, parameters=found.parameters, seconds=found.seconds)
    display.show_red_flags(metrics, found.red_flags)
    supernet.metadata.update(preset=context.config.space.preset, parameters=found.parameters)
