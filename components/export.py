"""Component `export`."""

from kfp.dsl import Artifact, Dataset, Input, Metrics, Model, Output

from components.image import component


@component
def export(
    config: str,
    dataset: Input[Dataset],
    model: Input[Model],
    evaluation: Input[Artifact],
    exported: Output[Model],
    metrics: Output[Metrics],
) -> None:
    """Write the ONNX file, compare it with torch, measure it."""
    from pathlib import Path

    from autonad import kubeflow, steps

    with kubeflow.task("export", config) as context:
        result = steps.export(
            context,
            model=Path(model.path),
            dataset=Path(dataset.path),
            evaluation=Path(evaluation.path),
            output=Path(exported.path),
        )
    kubeflow.show_figures(metrics, p50_ms=result.p50_ms, p95_ms=result.p95_ms, megabytes=result.megabytes)
    exported.metadata.update(format="onnx", max_difference=result.max_difference)
