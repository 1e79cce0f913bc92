"""Component `register`."""

from kfp.dsl import Artifact, Dataset, Input, Markdown, Model, Output

from components.image import component


@component
def register(
    config: str,
    target: str,
    dataset: Input[Dataset],
    exported: Input[Model],
    evaluation: Input[Artifact],
    found: Input[Artifact],
    registration: Output[Artifact],
    summary: Output[Markdown],
) -> str:
    """Register the detector; the alias champion moves only to a better one."""
    from pathlib import Path

    from autonad import kubeflow, steps

    with kubeflow.task("register", config) as context, kubeflow.as_file(target) as file:
        result = steps.register(
            context,
            target=file,
            dataset=Path(dataset.path),
            output=Path(registration.path),
            export=Path(exported.path),
            evaluation=Path(evaluation.path),
        )
        kubeflow.show_summary(summary, found.path, evaluation.path, exported.path, registration.path)
    registration.metadata.update(model=result.model, version=result.version or 0, champion=result.champion)
    return "champion" if result.champion else "refused"
