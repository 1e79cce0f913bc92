"""Component `prepare`."""

from typing import NamedTuple

from kfp.dsl import HTML, Artifact, Dataset, Model, Output

from components.image import component


@component
def prepare(
    run_name: str,
    repository: str,
    revision: str,
    path: str,
    target: str,
    latency: str,
    latency_budget_ms: float,
    latency_budgets_ms: list,
    preset: str,
    force: str,
    settings: str,
    checkpoints: str,
    resources: dict,
    secret: str,
    mlflow_uri: str,
    experiment: str,
    request: Output[Artifact],
    dataset: Output[Dataset],
    pin: Output[Artifact],
    last_supernet: Output[Model],
    last_latency: Output[Artifact],
    last_search: Output[Artifact],
    measured: Output[Artifact],
    decision: Output[Artifact],
    page: Output[HTML],
) -> NamedTuple(  # type: ignore[valid-type]
    "Prepared",
    [
        ("Output", str),  # the action; kfp.local finds outputs of no other name in a condition
        ("cpu", str),
        ("memory", str),
        ("cpu_limit", str),
        ("memory_limit", str),
        ("accelerator_type", str),
        ("accelerator_count", str),
        ("node_selector", dict),
        ("tolerations", list),
    ],
):
    """Check what was entered, bring the dataset and the last search, and decide: train, search or reuse."""
    from typing import Any

    from autonad import steps
    from autonad.kubeflow import display, tasks

    entered: dict[str, Any] = dict(repository=repository, revision=revision, path=path, target=target)
    entered |= dict(latency_budget_ms=latency_budget_ms, latency_budgets_ms=latency_budgets_ms)
    entered |= dict(settings=settings, checkpoints=checkpoints, resources=resources, secret=secret)
    entered |= dict(latency=latency, preset=preset, force=force, mlflow_uri=mlflow_uri, experiment=experiment)
    outputs = dict(request=request, dataset=dataset, pin=pin, supernet=last_supernet, latency=last_latency)
    outputs |= dict(search=last_search, measured=measured, decision=decision)
    with tasks.first_task("prepare", entered, run_name) as context:
        found = steps.prepare(context, steps.Form(**entered), steps.Folders(**tasks.paths(outputs)))
        display.show_decision(found, dataset, decision, page)
    return (found.action, *found.resources.model_dump().values())
