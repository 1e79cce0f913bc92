"""Component `search`."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def search(
    checkpoints: str,
    request: Input[Artifact],
    dataset: Input[Dataset],
    pin: Input[Artifact],
    supernet: Input[Model],
    latency: Input[Artifact],
    found: Output[Artifact],
    metrics: Output[Metrics],
    pareto: Output[HTML],
) -> None:
    """Search the best architecture under the target's latency, and under each budget."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("search", Path(request.path)) as context:
        result = steps.search(
            context,
            dataset=Path(dataset.path),
            pin=Path(pin.path),
            supernet=Path(supernet.path),
            latency=Path(latency.path),
            output=Path(found.path),
            resume="or-restart",
            checkpoints=checkpoints,
            keeps_copy=True,
        )
        display.show_page(Path(found.path) / "pareto.html", pareto)
    for one in (result, *result.others):
        each = steps.Variant(one.name if result.others else "")
        display.show_figures(metrics, **each.named(inherited_miou=one.miou, latency_ms=one.measured_ms))
        display.show_red_flags(metrics, one.red_flags, each)
    found.metadata.update(architecture=result.key, parameters=result.parameters)
