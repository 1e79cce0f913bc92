"""Component `close_run`."""

from kfp.dsl import HTML, Output, PipelineTaskFinalStatus

from components.image import component


@component
def close_run(
    run_name: str,
    settings: str,
    mlflow_uri: str,
    experiment: str,
    status: PipelineTaskFinalStatus,
    page: Output[HTML],
) -> None:
    """The page of the run: what was decided and found, or what went wrong; and its last status in MLflow."""
    from pathlib import Path

    from autonad.kubeflow import closing

    closed = closing.close(
        settings,
        uri=mlflow_uri,
        experiment=experiment,
        state=status.state,
        message=status.error_message,
        name=run_name,
    )
    closed.save(Path(page.path))
    print(closed.text)
