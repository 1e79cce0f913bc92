"""Component `deliver`."""

from kfp.dsl import Artifact, Dataset, Input, Markdown, Metrics, Model, Output

from components.image import component


@component
def deliver(
    request: Input[Artifact],
    dataset: Input[Dataset],
    model: Input[Model],
    evaluation: Input[Artifact],
    rules: Input[Artifact],
    found: Input[Artifact],
    exported: Output[Model],
    registration: Output[Artifact],
    metrics: Output[Metrics],
    summary: Output[Markdown],
) -> str:
    """Export the detector and register it; the alias champion moves only to a better one."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("deliver", Path(request.path)) as context:
        given = dict(dataset=Path(dataset.path), evaluation=Path(evaluation.path))
        written = steps.export(
            context,
            model=Path(model.path),
            rules=Path(rules.path) / "rules.yaml",
            output=Path(exported.path),
            **given,
        )
        display.show_figures(metrics, p50_ms=written.p50_ms, p95_ms=written.p95_ms)
        exported.metadata.update(format="onnx", max_difference=written.max_difference)
        places = dict(export=Path(exported.path), output=Path(registration.path))
        result = steps.register(context, target=tasks.target_of(request), **places, **given)
        display.show_summary(summary, found.path, evaluation.path, exported.path, registration.path)
    registration.metadata.update(model=result.model, version=result.version or 0, champion=result.champion)
    return "champion" if result.champion else "refused"
