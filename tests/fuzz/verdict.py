"""What must hold after a file was damaged, whatever was done to it."""

from __future__ import annotations

import resource
import shutil
import sys
import traceback
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autonad.config import load_config
from autonad.console import printable
from autonad.data.audit import audit_layout
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import FORMATS
from autonad.errors import AutonadError

from .artefact import Artefact
from .artefacts import build
from .mutations import mutate
from .source import ARTEFACT, CONFIGURATION, Source, Target
from .sources import SOURCES

SHORT = 300  # characters of a message about a file of our own, beside the folder's name
LONGEST = 2000  # characters of a message: a name and what is quoted may be long, a dump of the file may not


def kinds(scratch: Path) -> dict[str, str]:
    """Name of the source in which a kind of file is damaged, by that kind."""
    found: dict[str, str] = {}
    for name in SOURCES:
        source = template(name, scratch)[1]
        if source.format not in (*FORMATS, CONFIGURATION):
            continue
        for kind in source.targets:
            assert kind not in found, f"{kind} is named twice"
            found[kind] = name
    return found | dict.fromkeys(artefacts(scratch)[1], ARTEFACT)


def artefacts(scratch: Path) -> tuple[Path, dict[str, Artefact]]:
    """The folder of the files that the product wrote, built once in each process, and what they are."""
    if scratch not in _WRITTEN:
        folder = scratch / "artefacts"
        folder.mkdir(parents=True)
        _WRITTEN[scratch] = build(folder)
    return scratch / "artefacts", _WRITTEN[scratch]


def try_one(kind: str, seed: int, scratch: Path) -> list[str]:
    """Damage a file of a source and import it.

    Args:
        kind: What is damaged, see `kinds`.
        seed: How.
        scratch: A folder to work in; nothing stays there but the sources as they were before.

    Returns:
        What should not have happened; nothing if all is well.
    """
    if kind in artefacts(scratch)[1]:
        return _try_artefact(kind, seed, scratch)
    source, folder = damaged(kind, seed, scratch)
    target = source.targets[kind]
    output = scratch / "dataset"
    shutil.rmtree(output, ignore_errors=True)
    wrong: list[str] = []
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            wrong += _outcome(source, target, folder, output, audits=seed % 4 == 0)
        except AutonadError as error:
            wrong += _refusal(target, printable(str(error)))
        except BaseException as error:
            wrong += _traceback(error)
    wrong += _warnings(heard)
    shutil.rmtree(output, ignore_errors=True)
    shutil.rmtree(folder)
    return wrong


def _try_artefact(kind: str, seed: int, scratch: Path) -> list[str]:
    """Damage one of our own files in its place, read it, and put it back."""
    folder, known = artefacts(scratch)
    artefact = known[kind]
    path, wrong = folder / artefact.path, list[str]()
    whole = path.read_bytes()
    path.write_bytes(mutate(artefact.mutations, whole, _generator(kind, seed)))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            artefact.read(folder)
        except AutonadError as error:
            message = str(error).replace(str(folder), "")
            wrong += [f"no line: {message!r:.160}"] * (not message.isprintable())
            wrong += [f"long message: {len(message)}: {message!r:.400}"] * (len(message) > SHORT)
        except BaseException as error:
            wrong += _traceback(error)
    wrong += _warnings(heard)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(whole)
    return wrong


def _traceback(error: BaseException) -> list[str]:
    if isinstance(error, KeyboardInterrupt):
        raise error
    where = traceback.extract_tb(error.__traceback__)
    ours = [f"{Path(at.filename).name}:{at.lineno}" for at in where if "/autonad/" in at.filename]
    return [f"traceback: {type(error).__name__}: {error!s:.120} at {' '.join(ours[-3:])}"]


def _warnings(heard: Sequence[warnings.WarningMessage]) -> list[str]:
    return sorted({f"warning on the screen: {one.category.__name__}: {one.message!s:.100}" for one in heard})


def _generator(kind: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(kind.encode())])


def damaged(kind: str, seed: int, scratch: Path) -> tuple[Source, Path]:
    """A source in which one file is damaged, and its folder."""
    whole, source = template(kinds(scratch)[kind], scratch)
    folder = scratch / "source"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    target = source.targets[kind]
    path = folder / target.path
    path.write_bytes(mutate(target.mutations, path.read_bytes(), _generator(kind, seed)))
    return source, folder


def _outcome(source: Source, target: Target, folder: Path, output: Path, *, audits: bool) -> list[str]:
    if source.format == CONFIGURATION:
        load_config(folder / target.path)
        return []
    settings = IngestSettings(format=source.format, include_defect_free=True)
    report = import_dataset(folder, output, settings)
    wrong = _losses(source, target, report)
    if audits:
        audit_layout(folder, settings)
    return wrong


def _losses(source: Source, target: Target, report: ImportReport) -> list[str]:
    kept = {Path(image).stem for image in report.dataset.manifest["image"]}
    told = "\n".join(f"{fault.item}: {fault.message}" for fault in report.faults.itertuples())
    wrong = [
        f"line break in a message: {message!r:.100}"
        for message in report.faults["message"]
        if "\n" in message
    ]
    wrong += [
        f"long message: {len(text)}: {text[:60]!r}"
        for text in report.faults["message"]
        if len(text) > LONGEST
    ]
    for name in source.images:
        if name in kept:
            continue
        if target.images is None and "unlisted" in set(report.faults["kind"]):
            continue  # those that a list leaves out are counted
        if name not in told:
            wrong.append(f"dropped without a word: {name}")
        elif target.images is not None and name not in target.images:
            wrong.append(f"lost with another's damage: {name}")
    return wrong


def _refusal(target: Target, message: str) -> list[str]:
    wrong = [] if target.images is None else [f"one damaged file, nothing imported: {message:.160}"]
    wrong += [f"control code in a message: {message!r:.100}"] * (not message.isprintable())
    return wrong + ([f"long message: {len(message)}: {message[:60]!r}"] if len(message) > LONGEST else [])


def template(name: str, scratch: Path) -> tuple[Path, Source]:
    """A source as it is before it is damaged, built once in each process."""
    if (name, scratch) not in _BUILT:
        folder = scratch / f"whole-{name}"
        folder.mkdir(parents=True)
        _BUILT[name, scratch] = (folder, SOURCES[name](folder))
    return _BUILT[name, scratch]


_WRITTEN: dict[Path, dict[str, Artefact]] = {}
_BUILT: dict[tuple[str, Path], tuple[Path, Source]] = {}


def peak_mib() -> float:
    """Peak memory of this process, MiB.

    Linux says it of the program that runs; `getrusage` also counts what its parent held when it was started.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
