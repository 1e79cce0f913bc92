"""Component `decide`."""

from kfp.dsl import HTML, Artifact, Dataset, Input, Model, Output

from components.image import component


@component
def decide(
    config: str,
    target: str,
    dataset: Input[Dataset],
    last_pin: Input[Artifact],
    last_search: Input[Artifact],
    champion: Input[Model],
    pin: Output[Artifact],
    decision: Output[Artifact],
    page: Output[HTML],
) -> str:
    """Decide whether the last search still holds: train, search or reuse, and why."""
    from pathlib import Path

    from autonad import kubeflow, steps
    from autonad.deploy import MODEL

    with kubeflow.task("decide", config) as context, kubeflow.as_file(target) as file:
        found = steps.decide(
            context,
            dataset=Path(dataset.path),
            pin=kubeflow.copied(last_pin, pin),
            target=file,
            output=Path(decision.path),
            search=Path(last_search.path),
            model=Path(champion.path) / MODEL,
        )
        kubeflow.show_page(found.page, page)
    decision.metadata.update(action=found.action, reasons="; ".join(found.reasons), pin_key=found.pin_key)
    return found.action
