"""Component `fit-thresholds`."""

from kfp.dsl import HTML, Artifact, Input, Metrics, Output

from components.image import component


@component
def fit_thresholds(
    request: Input[Artifact],
    evaluation: Input[Artifact],
    found: Input[Artifact],
    rules: Output[Artifact],
    metrics: Output[Metrics],
    report: Output[HTML],
) -> None:
    """Choose the rules of the line on validation parts, and say what they do on test."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("fit-thresholds", Path(request.path)) as context:
        variants = steps.variants_of(Path(found.path))
        for each in variants:
            places = dict(evaluation=Path(evaluation.path), output=Path(rules.path))
            steps.fit_thresholds(context, **{name: each.within(path) for name, path in places.items()})
        display.show_rules(variants, Path(rules.path), rules=rules, metrics=metrics, report=report)
