"""What a search reads, and whether it fits together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.tracking.tags import FINGERPRINT, HARDWARE_KEY, PIN_KEY

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.detector.spec import DetectorSpec
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.network import SuperNet


@dataclass(frozen=True)
class SearchInputs:
    """What a search reads.

    Attributes:
        net: The supernet; on the CPU until it is moved.
        spec: Its classes, input and normalisation.
        provenance: Where its weights come from.
        table: Costs on the target.
        target: What the network will run on.
        source: The images that judge.
        pin_key: Key of the pin that they were taken from; None without one.
        digests: What must be equal for a search to be the same.
    """

    net: SuperNet
    spec: DetectorSpec
    provenance: dict[str, Any]
    table: LatencyTable
    target: Target
    source: Dataset
    pin_key: str | None
    digests: dict[str, str]

    @property
    def tiles(self) -> int | None:
        """Passes of the network that an image takes; None where that differs."""
        from autonad.data.tile_choice import tiles_per_image

        return tiles_per_image(self.source, self.spec.tiles)

    @property
    def tags(self) -> dict[str, str]:
        """Hexadecimal keys, for MLflow."""
        tags = {HARDWARE_KEY: self.target.hardware_key}
        tags[FINGERPRINT] = self.source.fingerprint
        return tags | ({PIN_KEY: self.pin_key} if self.pin_key else {})


def read_inputs(dataset: Path, pin: Path | None, supernet: Path, latency: Path) -> SearchInputs:
    """Open everything, and make sure that the supernet is of these images.

    Raises:
        DatasetError: The dataset has other classes than the supernet.
    """
    from autonad.appearance.pin import searched_images
    from autonad.files import sha256_file
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.training.folders import load_supernet
    from autonad.training.inputs import check_classes

    net, spec, provenance = load_supernet(supernet)
    table = LatencyTable.load(latency / "table.parquet")
    target = Target.load(latency / "target.json")
    source, pin_key = searched_images(dataset, pin)
    check_classes(source, spec, "the supernet")
    digests = {
        "supernet": sha256_file(supernet / "supernet.safetensors"),
        "latency": sha256_file(latency / "table.parquet"),
        "dataset": source.fingerprint,
    }
    return SearchInputs(net, spec, provenance, table, target, source, pin_key, digests)
