"""A dataset under several grouped splits, without copies of its images."""

from __future__ import annotations

from pathlib import Path

from autonad.data.dataset import UNLABELLED, Dataset
from autonad.data.split import split_by_group
from autonad.files import write_atomic

FRACTIONS = (0.6, 0.2, 0.2)


def split_datasets(dataset: Path, folder: Path, count: int) -> dict[str, Path]:
    """Datasets whose images are links to another's, each with a split of its own seed.

    Args:
        dataset: The dataset's folder.
        folder: Receives a folder per split.
        count: Split seeds, from 0; with 0 the dataset's own split alone.

    Returns:
        Name of dataset and split → the dataset's folder.
    """
    if count == 0:
        return {dataset.name: dataset}
    manifest = Dataset.open(dataset).manifest
    manifest = manifest[manifest["split"] != UNLABELLED].reset_index(drop=True)
    found = {}
    for seed in range(count):
        path = folder / f"{dataset.name}-split{seed}"
        if not (path / "manifest.parquet").is_file():
            path.mkdir(parents=True, exist_ok=True)
            for name in ("images", "masks", "classes.json"):
                if not (path / name).exists():
                    (path / name).symlink_to((dataset / name).resolve())
            table = manifest.assign(split=split_by_group(manifest, FRACTIONS, seed))
            write_atomic(
                path / "manifest.parquet", lambda file, table=table: table.to_parquet(file, index=False)
            )
        found[path.name] = path
    return found
