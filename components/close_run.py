"""Component `close_run`."""

from kfp.dsl import PipelineTaskFinalStatus

from components.image import component


@component
def close_run(settings: str, mlflow_uri: str, experiment: str, status: PipelineTaskFinalStatus) -> None:
    """Give the execution in MLflow its last status, with the reason if it failed."""
    from autonad import kubeflow

    print(
        kubeflow.close(
            settings, uri=mlflow_uri, experiment=experiment, state=status.state, message=status.error_message
        )
    )
