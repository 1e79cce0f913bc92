"""The kit: everything that a device needs to measure a search space, without torch and without weights.

A folder of `kit.json` (what there is to measure) and `models.zip` (ONNX files that leave out their weights).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.errors import LatencyError, StorageError, one_line
from autonad.files import read_json, write_bytes_atomic, write_json
from autonad.latency.measured import FORMAT, Measured, Strict, Subject, read_part
from autonad.latency.measuring import measure_plan
from autonad.latency.placeholders import Placeholder, filled
from autonad.latency.runtime import Run, onnx_run
from autonad.latency.target import Target
from autonad.latency.turns import Log, Plan

_NO_ZIP = (zipfile.BadZipFile, zlib.error, OSError)
INDEX, MODELS = "kit.json", "models.zip"
# Every archive member has this time, so that equal kits have equal bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


class Model(Strict):
    """One ONNX file of a kit.

    Attributes:
        shape: Of its input, (1, C, H, W).
        placeholders: The weights that it leaves out.
    """

    shape: tuple[int, ...]
    placeholders: tuple[Placeholder, ...]


class PieceRows(Strict):
    """One piece: which file it is, and the rows of the table that its cost goes to."""

    model: str
    rows: tuple[dict[str, str | int | float | None], ...]


class WholeNetwork(Strict):
    """One network that calibrates the sums."""

    model: str
    architecture: dict[str, Any]


class Index(Strict):
    """The content of `kit.json`, without its checksum.

    Attributes:
        format: Of the kit.
        subject: What is to be measured.
        models: Name → file in `models.zip`; equal pieces share one.
        nothing: The model that does nothing.
        reference: A network that is timed among all others.
        groups: Pieces; those of one group are timed in turns.
        networks: Whole networks.
        models_sha256: Of `models.zip`.
    """

    format: int
    subject: Subject
    models: dict[str, Model]
    nothing: str
    reference: str
    groups: tuple[tuple[PieceRows, ...], ...]
    networks: tuple[WholeNetwork, ...]
    models_sha256: str

    @property
    def sha256(self) -> str:
        """Hexadecimal sha256 of the content."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Kit:
    """A kit in memory.

    Attributes:
        index: What there is.
        archive: The content of `models.zip`.
    """

    index: Index
    archive: bytes

    @property
    def key(self) -> str:
        """First 12 hexadecimal digits of its sha256."""
        return self.index.sha256[:12]

    def save(self, folder: Path) -> None:
        """Write the kit.

        Raises:
            StorageError: It cannot be written.
        """
        write_bytes_atomic(folder / MODELS, self.archive)
        write_json(folder / INDEX, {**self.index.model_dump(mode="json"), "sha256": self.index.sha256})

    @classmethod
    def load(cls, folder: Path) -> Kit:
        """Read a kit and check that it is whole.

        Raises:
            StorageError: A file is missing or unreadable.
            LatencyError: It is no kit, of another format, or damaged.
        """
        what = f"the kit at {folder}"
        content = read_json(folder / INDEX, "the kit")
        told = content.pop("sha256", None) if isinstance(content, dict) else None
        index = read_part(Index, content, what)
        try:
            archive = (folder / MODELS).read_bytes()
        except OSError as error:
            raise StorageError(
                f"{what} has no readable {MODELS}: {error.strerror}; copy the whole folder again"
            ) from error
        for name, sha256, wanted in (
            (INDEX, index.sha256, told),
            (MODELS, hashlib.sha256(archive).hexdigest(), index.models_sha256),
        ):
            if sha256 != wanted:
                raise LatencyError(
                    f"{what} is damaged: the sha256 of {name} is {sha256[:12]}…, not "
                    f"{str(wanted)[:12]}…; copy the whole folder again"
                )
        return cls(index, archive)

    def models(self) -> dict[str, bytes]:
        """Name → ONNX file without weights.

        Raises:
            LatencyError: The archive lacks one.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(self.archive)) as opened:
                return {name: opened.read(f"{name}.onnx") for name in self.index.models}
        except (KeyError, ValueError, RuntimeError, NotImplementedError, EOFError, *_NO_ZIP) as error:
            raise LatencyError(
                f"the kit's {MODELS} is not whole: {one_line(error)}; pack it again"
            ) from error


def zipped(models: Mapping[str, bytes]) -> bytes:
    """`models.zip`; equal models give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(models):
            archive.writestr(zipfile.ZipInfo(f"{name}.onnx", EPOCH), models[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def measure_kit(
    kit: Kit,
    target: Target,
    *,
    measured_on: Target | None = None,
    accept_noise: bool = False,
    log: Log = lambda what, done, total: None,
    say: Callable[[str], object] = lambda line: None,
) -> Measured:
    """Measure everything in a kit with ONNX Runtime.

    Args:
        kit: What.
        target: What it runs on.
        measured_on: This machine, where it is another than the target.
        accept_noise: Do not repeat a bad measurement.
        log: Receives what is being timed, how many are done and how many there are.
        say: Receives what is waited for.

    Raises:
        LatencyError: The target's runtime runs no ONNX files, there are fewer cores than threads, or
            something cannot be run here.
    """
    if target.runtime != "onnxruntime":
        raise LatencyError(
            f"target {target.name!r} has runtime {target.runtime}, and a kit holds ONNX files; use a target "
            "with runtime onnxruntime, or profile with torch on the device"
        )
    index, contents = kit.index, kit.models()
    seed = index.subject.settings.seed

    def opener(name: str) -> Callable[[], Run]:
        model = index.models[name]
        return lambda: onnx_run(filled(contents[name], model.placeholders, seed), target, model.shape)

    plan = Plan(
        nothing=opener(index.nothing),
        reference=opener(index.reference),
        groups=[[opener(piece.model) for piece in group] for group in index.groups],
        networks=[opener(network.model) for network in index.networks],
    )
    found, quality = measure_plan(
        plan,
        [[piece.rows for piece in group] for group in index.groups],
        [network.architecture for network in index.networks],
        target,
        index.subject.settings,
        accept_noise=accept_noise,
        log=log,
        say=say,
    )
    return Measured(
        format=FORMAT,
        subject=index.subject,
        kit=kit.key,
        target=target,
        measured_on=measured_on,
        overhead_ms=found.overhead_ms,
        rows=found.rows,
        networks=found.networks,
        quality=quality,
    )
