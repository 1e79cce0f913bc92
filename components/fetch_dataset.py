"""Component `fetch_dataset`."""

from kfp.dsl import Dataset, Output

from components.image import component


@component
def fetch_dataset(config: str, location: str, md5: str, name: str, dataset: Output[Dataset]) -> None:
    """Bring the dataset into the pipeline: generated, from a folder, or from the DVC remote by its md5."""
    from dataclasses import asdict
    from pathlib import Path

    from autonad import kubeflow, steps

    with kubeflow.task("fetch-dataset", config) as context:
        version = steps.DatasetVersion(location, md5, name)
        found = steps.fetch_dataset(context, version=version, output=Path(dataset.path))
    dataset.metadata.update(asdict(found), dvc_md5=md5, name=name)
