"""Champion and challenger on the same images, both as they were exported."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.console import Console
from autonad.deploy import MODEL

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.deploy.verdict import Verdict
    from autonad.tracking.registry.model_versions import Version
    from autonad.tracking.registry.registry import Registry

IMAGES = "images.parquet"


def contest(
    config: Config,
    registry: Registry,
    champion: Version | None,
    challenger: ShippedNetwork,
    source: Dataset,
    temporary: Path,
    console: Console,
) -> Verdict:
    """Compare a detector with the champion; without one there is nothing to beat.

    Args:
        config: Section `register` decides.
        registry: Where the champion is.
        champion: The version in use; None if there is none.
        challenger: The detector as it was exported.
        source: The dataset, whose images both run on.
        temporary: A folder for the champion's files.
        console: Where progress goes.

    Raises:
        TrackingError: The champion's files cannot be fetched, or were changed.
    """
    import pandas as pd

    from autonad.deploy.shipped import ShippedNetwork
    from autonad.deploy.verdict import Verdict, comparable_images, judge
    from autonad.files import sha256_file

    if champion is None:
        return Verdict(True, ("there is no champion yet",))
    if champion.onnx_sha256 == sha256_file(challenger.path):
        return Verdict(True, (f"{champion} is this very file",))
    folder = temporary / "champion"
    registry.fetch(champion, (MODEL, IMAGES), folder)
    moved = registry.moved_by_hand(champion)
    note = (
        (f"somebody moved the alias from version {moved} to {champion.number}, which counts",)
        if moved
        else ()
    )
    rival = ShippedNetwork.open(folder / MODEL, config.threads)
    unknown = sorted(set(rival.spec.classes) - set(source.classes))
    if unknown or set(challenger.spec.classes) != set(source.classes):
        return Verdict(
            False,
            (
                *note,
                (
                    f"{champion} knows {', '.join(unknown) or 'other classes'}, which this dataset does "
                    "not, so the two cannot be compared; if the new one shall be used all the same, give "
                    f"it the alias with `autonad rollback --name {champion.name} --to VERSION`"
                ),
            ),
        )
    rows, sets = comparable_images(source.manifest, pd.read_parquet(folder / IMAGES))
    settings = config.register
    verdict = judge(
        _matrices(challenger, source, rows, console, "challenger"),
        _matrices(rival, source, rows, console, "champion"),
        list(rows["group"]),
        sets,
        metric=settings.metric,
        probability=settings.probability,
        resamples=settings.resamples,
        seed=config.seed,
    )
    return Verdict(verdict.wins, (*note, *verdict.reasons), verdict.figures)


def _matrices(
    network: ShippedNetwork, source: Dataset, rows: pd.DataFrame, console: Console, what: str
) -> Any:
    """(N, C, C) confusion per image at native size, in the dataset's order of classes."""
    import numpy as np

    from autonad.data.loader import Normalisation, SegmentationData
    from autonad.evaluation.predict import evaluate_network

    classes, spec = source.num_classes, network.spec
    if rows.empty:
        return np.zeros((0, classes, classes), dtype=np.int64)
    places = [source.classes.index(name) for name in spec.classes]

    def forward(images: Any) -> Any:
        logits = network.forward(images)
        # A class that the network does not know is never predicted.
        full = np.full((logits.shape[0], classes, *logits.shape[2:]), -1e9, dtype=np.float32)
        full[:, places] = logits
        return full

    data = SegmentationData(
        source,
        rows,
        size=spec.size,
        keep_aspect=spec.keep_aspect,
        normalisation=Normalisation(spec.mean, spec.std),
    )
    return evaluate_network(
        forward,
        data,
        source,
        batch_size=16,
        num_classes=classes,
        progress=lambda done, total: console.advance(done, total, f"images, {what}"),
    ).native_matrices
