"""Component `profile_latency`."""

from kfp.dsl import Artifact, Input, Metrics, Output

from components.image import component


@component
def profile_latency(
    request: Input[Artifact],
    last_latency: Input[Artifact],
    measured: Input[Artifact],
    latency: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Measure what every operator costs on the target, alone on the node, unless that is known already."""
    from pathlib import Path

    from autonad import steps
    from autonad.kubeflow import display, tasks

    with tasks.task("profile-latency", Path(request.path)) as context:
        found = steps.profile_latency(
            context,
            target=tasks.target_of(request),
            output=Path(latency.path),
            known=Path(last_latency.path),
            measured=tasks.if_filled(measured),
            limits_for=tasks.num_classes_of(request),
        )
    display.show_figures(metrics, rank_correlation=found.rank_correlation, error=found.error)
    display.show_red_flags(metrics, found.red_flags)
    latency.metadata.update(rows=found.rows)
