"""Component `evaluate`."""

from kfp.dsl import HTML, Artifact, ClassificationMetrics, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def evaluate(
    request: Input[Artifact],
    dataset: Input[Dataset],
    model: Input[Model],
    found: Input[Artifact],
    latency: Input[Artifact],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
    confusion: Output[ClassificationMetrics],
    roc: Output[ClassificationMetrics],
    report: Output[HTML],
) -> None:
    """Score every model on parts that it was never trained on."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("evaluate", Path(request.path)) as context:
        variants = steps.variants_of(Path(found.path))
        for each in variants:
            steps.evaluate(
                context,
                dataset=Path(dataset.path),
                model=each.within(Path(model.path)),
                output=each.within(Path(evaluation.path)),
                search=each.within(Path(found.path)),
                latency=Path(latency.path),
            )
        shown = dict(metrics=metrics, confusion=confusion, roc=roc, report=report)
        display.show_evaluations(variants, Path(evaluation.path), **shown)
