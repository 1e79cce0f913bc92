"""Component `configure`."""

from typing import NamedTuple

from components.image import component


@component
def configure(
    settings: str,
    preset: str,
    target: str,
    latency_budget_ms: float,
    supernet_epochs: int,
    retrain_epochs: int,
    force: str,
    repository: str,
    revision: str,
    path: str,
    mlflow_uri: str,
    experiment: str,
) -> NamedTuple(  # type: ignore[valid-type]
    "Configured", [("config", str), ("target", str), ("location", str), ("md5", str), ("name", str)]
):
    """Check what was entered before anything is computed, and fix which dataset is meant."""
    from autonad import kubeflow, steps

    with kubeflow.task("configure", kubeflow.tracking_text(settings, mlflow_uri, experiment)) as context:
        found = steps.configure(
            context,
            steps.Form(
                settings=settings,
                preset=preset,
                target=target,
                latency_budget_ms=latency_budget_ms,
                supernet_epochs=supernet_epochs,
                retrain_epochs=retrain_epochs,
                force=force,
                path=path,
                repository=repository,
                revision=revision,
                mlflow_uri=mlflow_uri,
                experiment=experiment,
            ),
        )
    version = found.version
    return (found.config, found.target, version.location, version.md5, version.name)
