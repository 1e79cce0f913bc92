"""What a model finds in a dataset, where no evaluation has kept it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context

if TYPE_CHECKING:
    from autonad.evaluation.candidates import Candidates


def run_model(
    context: Context, model: Path, dataset: Path, output: Path
) -> tuple[dict[str, Candidates], dict[str, str | None], dict[str, Any]]:
    """Run a model on the validation and test splits of a dataset.

    Args:
        context: What the step was called with.
        model: Model folder.
        dataset: Dataset folder.
        output: Where the candidates are written.

    Returns:
        Split → its candidates; whose they are (weights, architecture, dataset); the provenance of the model.

    Raises:
        DatasetError: The dataset has other classes than the model.
        StorageError: The model is missing or damaged, or a file cannot be written.
    """
    from autonad.data.dataset import Dataset
    from autonad.evaluation.candidates import collect_splits
    from autonad.files import sha256_file
    from autonad.steps.step import seed_everything
    from autonad.training.folders import load_model, numpy_forward
    from autonad.training.inputs import check_classes

    seed_everything(context.config.seed, context.config.threads)
    network, spec, provenance = load_model(model)
    source = Dataset.open(dataset)
    check_classes(source, spec, "the model")
    splits = collect_splits(
        numpy_forward(network),
        source,
        spec,
        output,
        lambda done, total: context.console.advance(done, total, "images"),
    )
    of: dict[str, str | None] = {
        "weights_sha256": sha256_file(model / "model.safetensors"),
        "architecture": network.architecture.key,
        "dataset": source.fingerprint,
    }
    return splits, of, provenance
