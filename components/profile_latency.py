"""Component `profile_latency`."""

from kfp.dsl import Artifact, Metrics, Output

from components.image import component


@component
def profile_latency(config: str, target: str, latency: Output[Artifact], metrics: Output[Metrics]) -> None:
    """Measure what every operator costs on the target."""
    from pathlib import Path

    from autonad import kubeflow, steps

    with kubeflow.task("profile-latency", config) as context, kubeflow.as_file(target) as file:
        found = steps.profile_latency(context, target=file, output=Path(latency.path))
    kubeflow.show_figures(metrics, rank_correlation=found.rank_correlation, error=found.error)
    latency.metadata.update(rows=found.rows)
