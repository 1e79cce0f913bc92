"""What a search reads, and whether it fits together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.steps.search_limits import pricing_by
from autonad.tracking.tags import FINGERPRINT, HARDWARE_KEY, PIN_KEY

if TYPE_CHECKING:
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.detector.spec import DetectorSpec
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.network import SuperNet
    from autonad.search.goals import Goal, Pricing


@dataclass(frozen=True)
class Device:
    """A target and what networks cost on it.

    Attributes:
        folder: The latency folder.
        table: Costs on the target.
        target: What a network will run on.
    """

    folder: Path
    table: LatencyTable
    target: Target


@dataclass(frozen=True)
class SearchInputs:
    """What a search reads.

    Attributes:
        net: The supernet; on the CPU until it is moved.
        spec: Its classes, input and normalisation.
        provenance: Where its weights come from.
        devices: What the networks will run on; the first is what progress is told by.
        source: The images that judge.
        pin_key: Key of the pin that they were taken from; None without one.
        digests: What must be equal for a search to be the same.
    """

    net: SuperNet
    spec: DetectorSpec
    provenance: dict[str, Any]
    devices: tuple[Device, ...]
    source: Dataset
    pin_key: str | None
    digests: dict[str, str]

    @property
    def tiles(self) -> int | None:
        """Passes of the network that an image takes; None where that differs."""
        from autonad.data.tile_choice import tiles_per_image

        return tiles_per_image(self.source, self.spec.tiles)

    @property
    def target(self) -> Target:
        """The first target."""
        return self.devices[0].target

    @property
    def red_flags(self) -> tuple[Fault, ...]:
        """What makes supernet or latencies worthless or doubtful."""
        return self.flags_of(*self.devices)

    def flags_of(self, *devices: Device) -> tuple[Fault, ...]:
        """The same for some of the devices."""
        from autonad.report.flagged import from_json
        from autonad.report.red_flags import doubtful_latencies

        tables = [doubtful_latencies(device.target.name, device.table.cautions) for device in devices]
        return (*from_json(self.provenance, "the supernet"), *(flag for flags in tables for flag in flags))

    def goals(self, budgets_ms: Sequence[float | None]) -> list[Goal]:
        """A network per target and budget."""
        from autonad.search.goals import Goal

        targets = [device.target.name for device in self.devices]
        return [Goal(n, budget, name) for n, name in enumerate(targets) for budget in budgets_ms]

    def pricing(self) -> Pricing:
        """What architectures cost, each counted once."""
        tables = [device.table for device in self.devices]
        return pricing_by(tables, self.spec.num_classes, self.spec.size)

    def check_latencies(self, budgets_ms: Sequence[float | None], *, accept_noise: bool) -> None:
        """Make sure that every latency table is of this space and can keep the budgets.

        Args:
            budgets_ms: Limits of the latency; None for no limit.
            accept_noise: Whether tables that were not measured well will do.

        Raises:
            LatencyError: One is of another space or input size, or was not measured well.
            SearchError: Two are of one target.
        """
        from autonad.errors import SearchError

        known: dict[str, Device] = {}
        for device in self.devices:
            device.table.check_made_for(self.net.space.key, self.spec.size, device.target)
            for budget in budgets_ms:
                device.table.check_budget(budget, accept_noise)
            for name in (device.target.name, device.target.hardware_key):
                other = known.setdefault(name, device)
                if other.folder == device.folder:
                    continue
                if other.target.hardware_key != device.target.hardware_key:
                    raise SearchError(
                        f"{other.folder} and {device.folder} are of two devices that are called {name!r}; "
                        f'change "name" in {device.folder / "target.json"}'
                    )
                raise SearchError(
                    f"{other.folder} and {device.folder} are both of target {device.target.name!r} "
                    f"(hardware key {device.target.hardware_key}); give one --latency per target"
                )

    @property
    def tags(self) -> dict[str, str]:
        """Hexadecimal keys, for MLflow."""
        tags = {HARDWARE_KEY: self.target.hardware_key}
        tags[FINGERPRINT] = self.source.fingerprint
        return tags | ({PIN_KEY: self.pin_key} if self.pin_key else {})


def read_inputs(dataset: Path, pin: Path | None, supernet: Path, latency: Sequence[Path]) -> SearchInputs:
    """Open everything, and make sure that the supernet is of these images.

    Raises:
        DatasetError: The dataset has other classes than the supernet.
        SearchError: A latency folder is named twice.
    """
    from autonad.appearance.pin import searched_images
    from autonad.errors import SearchError
    from autonad.files import sha256_file
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target
    from autonad.training.folders import load_supernet
    from autonad.training.inputs import check_classes

    if len({folder.resolve() for folder in latency}) < len(latency):
        raise SearchError(f"--latency names a folder twice: {', '.join(map(str, latency))}; name each once")
    net, spec, provenance = load_supernet(supernet)
    devices = tuple(
        Device(folder, LatencyTable.load(folder / "table.parquet"), Target.load(folder / "target.json"))
        for folder in latency
    )
    source, pin_key = searched_images(dataset, pin)
    check_classes(source, spec, "the supernet")
    digests = {
        "supernet": sha256_file(supernet / "supernet.safetensors"),
        "latency": sha256_file(latency[0] / "table.parquet"),
        "dataset": source.fingerprint,
    }
    for device in devices[1:]:
        digests[f"latency on {device.target.name}"] = sha256_file(device.folder / "table.parquet")
    return SearchInputs(net, spec, provenance, devices, source, pin_key, digests)
