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
    """Export every detector and register it; the alias champion moves only to a better one."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    folders = dict(model=model, evaluation=evaluation, rules=rules, exported=exported)
    places = tasks.paths({**folders, "registration": registration})
    given = dict(target=tasks.target_of(request), dataset=Path(dataset.path))
    with tasks.task("deliver", Path(request.path)) as context:
        done = []
        for each in steps.variants_of(Path(found.path)):
            own = {name: each.within(path) for name, path in places.items()}
            done.append((each, steps.deliver(context, **given, **own)))
        shown = dict(exported=exported, registration=registration, metrics=metrics, summary=summary)
        return display.show_delivery(done, {**places, "search": Path(found.path)}, **shown)
