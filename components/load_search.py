"""Component `load_search`."""

from kfp.dsl import Artifact, Model, Output

from components.image import component


@component
def load_search(
    config: str,
    name: str,
    target: str,
    pin: Output[Artifact],
    supernet: Output[Model],
    latency: Output[Artifact],
    search: Output[Artifact],
    champion: Output[Model],
) -> None:
    """Bring the last search back from MLflow, whole and checked, and the detector in use."""
    from pathlib import Path

    from autonad import kubeflow, steps

    with kubeflow.task("load-search", config) as context, kubeflow.as_file(target) as file:
        found = steps.load_search(
            context,
            dataset=name,
            target=file,
            pin=Path(pin.path),
            supernet=Path(supernet.path),
            latency=Path(latency.path),
            search=Path(search.path),
            champion=Path(champion.path),
        )
    search.metadata.update(run_id=found.run_id or "", pin_key=found.pin_key or "")
