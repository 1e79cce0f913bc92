"""Component `close_run`."""

from kfp.dsl import HTML, Output, PipelineTaskFinalStatus

from components.image import component


@component
def close_run(
    run_name: str,
    repository: str,
    path: str,
    target: str,
    latency_budget_ms: float,
    latency_budgets_ms: list,
    settings: str,
    checkpoints: str,
    mlflow_uri: str,
    experiment: str,
    status: PipelineTaskFinalStatus,
    page: Output[HTML],
) -> None:
    """The page of the run: what was decided and found, or what went wrong; and its last status in MLflow."""
    from pathlib import Path
    from typing import Any

    from autonad.kubeflow import closing

    asked: dict[str, Any] = dict(repository=repository, path=path, target=target)
    asked |= dict(latency_budget_ms=latency_budget_ms, latency_budgets_ms=latency_budgets_ms)
    closed = closing.close(
        settings,
        uri=mlflow_uri,
        experiment=experiment,
        state=status.state,
        message=status.error_message,
        name=run_name,
        asked=asked,
        checkpoints=checkpoints,
    )
    closed.save(Path(page.path))
    print(closed.text)
