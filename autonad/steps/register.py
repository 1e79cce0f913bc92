"""Register an exported detector, and put it in use if it beats the one that is."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from autonad.config.context import Context
from autonad.deploy import MODEL
from autonad.errors import TrackingError, one_line
from autonad.steps.comparable import why_not_registered, write_figures
from autonad.steps.register_entry import Entry, read_entry
from autonad.steps.step import begin, tracking_settings
from autonad.tracking.tags import MISSES, MODEL_NAME, OVERKILL, RED_FLAGS

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.deploy.verdict import Verdict
    from autonad.tracking.registry.model_versions import Version
    from autonad.tracking.registry.registry import Registry

# Longest side of the image that is registered as an example, pixels.
EXAMPLE_SIDE = 512
# A contest takes minutes; where another version is put in use meanwhile there is one more, but not for ever.
CONTESTS = 3
_KNOWN = ("image", "group", "sha256", "split")  # what a champion keeps of its images
# Tags of a version: what its rules do.
LINE_TAGS = ((OVERKILL, "overkill"), (MISSES, "misses"))


@dataclass(frozen=True)
class RegisterResult:
    """What was decided about a detector.

    Attributes:
        model: Registered model.
        version: Its new version; None when nothing is registered.
        champion: Whether the detector is in use now.
        reasons: Why, as sentences.
        red_flags: What makes it worthless or doubtful.
    """

    model: str
    version: int | None
    champion: bool
    reasons: tuple[str, ...]
    red_flags: tuple[Fault, ...] = ()


class Decided(NamedTuple):
    """A version, the champion that it was compared with, and what came of it."""

    version: Version
    champion: Version | None
    verdict: Verdict
    promote: bool
    reasons: tuple[str, ...]


def register(
    context: Context,
    *,
    export: Path,
    evaluation: Path,
    dataset: Path,
    output: Path,
    target: Path | None = None,
) -> RegisterResult:
    """Write `registration.json`: the version, whether it is `champion`, and why; and `figures.json`.

    Both detectors run on the test images of both, as exported. The challenger wins if it is better with the
    probability that `register.probability` asks for, and keeps the latency budget. The first version that
    keeps the budget wins without a rival. Nothing wins that misses more than `register.minimum` allows, or
    has a red flag that `register.accept` does not name. Apart from version numbers the file follows from the
    inputs alone.

    Args:
        context: Sections `register`, `search` (the budget) and `tracking` decide.
        export: Export folder.
        evaluation: Evaluation folder of the same model.
        dataset: Dataset folder.
        output: Registration folder to write.
        target: Target file; None takes the target that the architecture was searched for.

    Raises:
        ExportError: Export, evaluation and dataset do not belong together.
        ConfigError: It is not known what the detector shall run on.
        TrackingError: MLflow, or the champion in it, cannot be used, or changes faster than it can be
            compared with.
    """
    from autonad.files import write_json
    from autonad.tracking.registry.registry import Registry

    config = context.config
    entry = read_entry(config, export, evaluation, dataset, target)
    report = entry.to_dict()
    write_figures(output, evaluation, entry.folder / MODEL, entry.latency.figures["latency_ms"], entry.line)
    if why_not := why_not_registered(config):
        reasons: tuple[str, ...] = (f"not registered: {why_not}",)
        report |= {"version": None, "champion": False, "reasons": reasons}
        write_json(output / "registration.json", report)
        return RegisterResult(entry.name, None, False, reasons, entry.flags)
    params = {
        "register": config.register.model_dump(),
        "architecture": entry.network.architecture.key,
        "model": entry.name,
    }
    with (
        begin("register", context, params=params, tags=entry.tags) as step,
        tempfile.TemporaryDirectory() as temporary,
    ):
        step.uses(entry.source, "test")
        step.flag(entry.flags)
        registry = Registry(tracking_settings(config))
        decided = _decide(context, registry, entry, Path(temporary), step.run.id)
        version, champion, verdict, promote, reasons = decided
        report |= {
            "version": version.number,
            "champion": promote,
            "compared_with": None if champion is None else champion.number,
            "reasons": list(reasons),
            "comparison": verdict.figures,
        }
        write_json(output / "registration.json", report)
        step.run.log(_metrics(verdict, entry.latency, promote))
        step.attach(output, "registration.json")
        step.headline(f"{version} is {'in use' if promote else 'not in use'}: {reasons[0]}")
        return RegisterResult(entry.name, version.number, promote, reasons, entry.flags)


def _decide(context: Context, registry: Registry, entry: Entry, folder: Path, run_id: str | None) -> Decided:
    """Compare the detector with the one in use, add it to the registry, and put it in use if it won.

    Raises:
        TrackingError: Others were put in use again and again meanwhile; also see `_verdict`.
    """
    version = None
    for _ in range(CONTESTS):
        champion = registry.champion(entry.name)
        verdict = _verdict(context, registry, champion, entry, folder)
        version = version or _add(registry, entry, folder, run_id)
        promote = entry.minimum.wins and entry.latency.wins and verdict.wins
        reasons = (*_refusal(entry, version), *verdict.reasons, *entry.latency.reasons)
        if champion is not None and champion.number == version.number:
            promote, reasons = True, (f"{version} is the champion already", *entry.latency.reasons)
        described = _description(champion, promote, reasons, entry)
        if registry.decide(version, promote=promote, description=described, rival=champion):
            return Decided(version, champion, verdict, promote, reasons)
        context.console.report(
            f"another version was put in use meanwhile; {version} is compared with it, too"
        )
    raise TrackingError(
        f"while {version} was compared with the champion, another version was put in use, {CONTESTS} times; "
        "repeat the command when no other registers"
    )


def _refusal(entry: Entry, version: Version) -> tuple[str, ...]:
    """Why it cannot be in use whatever it is compared with, and how it can; nothing where it can."""
    if entry.minimum.wins:
        return ()
    by_hand = (
        f"if it shall be used all the same, give it the alias with `autonad rollback --name {entry.name} "
        f"--to {version.number}`, or change register.minimum or register.accept"
    )
    return (*entry.minimum.reasons, by_hand)


def _verdict(
    context: Context, registry: Registry, champion: Version | None, entry: Entry, folder: Path
) -> Verdict:
    """Whether the detector beats the one in use; without one there is nothing to beat.

    Raises:
        TrackingError: The champion's files cannot be fetched, or were changed.
    """
    from autonad.deploy.contest import IMAGES, Champion, hold_contest
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.deploy.verdict import Verdict
    from autonad.files import sha256_file

    if champion is None:
        return Verdict(True, ("there is no champion yet",))
    if champion.onnx_sha256 == sha256_file(entry.network.path):
        return Verdict(True, (f"{champion} is this very file",))
    place = folder / f"champion-{champion.number}"
    registry.fetch(champion, (MODEL, IMAGES), place)
    moved = registry.moved_by_hand(champion)
    note = f"somebody moved the alias from version {moved} to {champion.number}, which counts"
    config = context.config
    rival = Champion(
        model=champion.name,
        title=str(champion),
        network=ShippedNetwork.open(place / MODEL, config.threads),
        images=_images(place / IMAGES),
        notes=(note,) if moved else (),
    )
    return hold_contest(
        rival, entry.network, entry.source, config.register, seed=config.seed, console=context.console
    )


def _images(path: Path) -> pd.DataFrame:
    """The images that a champion knows, as `_add` kept them."""
    from autonad.reading.table_checks import TEXT, read_table

    try:
        return read_table(path, dict.fromkeys(_KNOWN, TEXT))
    except (OSError, ValueError) as error:
        raise TrackingError(
            f"the champion's {path.name} is damaged ({one_line(error)}); roll back"
        ) from error


def _add(registry: Registry, entry: Entry, temporary: Path, run_id: str | None) -> Version:
    """Add the detector to the registry, with all that a later challenger needs."""
    from autonad.deploy.contest import IMAGES
    from autonad.files import write_text_atomic

    images = temporary / IMAGES
    entry.source.manifest[list(_KNOWN)].to_parquet(images, index=False)
    architecture = temporary / "architecture.json"
    write_text_atomic(architecture, entry.network.architecture.to_json())
    files = {MODEL: entry.folder / MODEL, IMAGES: images, "architecture.json": architecture}
    files |= {name: entry.folder / name for name in ("MODEL_CARD.md", "parity.json", "latency.json")}
    files |= {name: entry.folder / name for name in smaller(entry.folder)}
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        raise TrackingError(f"{entry.folder} lacks {', '.join(missing)}; run `autonad export` again")
    return registry.add(
        entry.name,
        files,
        run_id=run_id,
        tags={MODEL_NAME: entry.name, **entry.tags, **_line_tags(entry.line), **_flag_tags(entry.flags)},
        example=_example(entry.source),
    )


def _example(source: Dataset) -> bytes:
    """A test image as a file, small enough for a page."""
    import io

    from PIL import Image

    picture = Image.fromarray(source.read_image(str(source.split("test")["image"].iloc[0])))
    picture.thumbnail((EXAMPLE_SIDE, EXAMPLE_SIDE))
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def smaller(export: Path) -> list[str]:
    """The smaller files that belong to this export: one that another export left there is none of it."""
    from autonad.deploy.parity import ParityFile
    from autonad.files import read_json, sha256_file

    told = read_json(export / "parity.json", "the exported network's parity", ParityFile)
    return [
        name
        for name, facts in told.items()
        if name != MODEL
        and facts.get("kept")
        and (export / name).is_file()
        and sha256_file(export / name) == facts.get("sha256")
    ]


def _line_tags(line: dict[str, Any] | None) -> dict[str, str]:
    """What the shipped rules do, where versions are listed."""
    from autonad.evaluation.line_result import spread

    return {} if line is None else {tag: spread(line[name]) for tag, name in LINE_TAGS}


def _flag_tags(flags: tuple[Fault, ...]) -> dict[str, str]:
    """What makes a version worthless or doubtful, where versions are listed."""
    from autonad.report.flagged import line_of

    return {RED_FLAGS: "\n".join(line_of(flag) for flag in flags)} if flags else {}


def _description(champion: Version | None, promote: bool, reasons: tuple[str, ...], entry: Entry) -> str:
    from autonad.evaluation.line_result import told_found
    from autonad.report.flagged import said_of

    rival = "" if champion is None else f" against version {champion.number}"
    head = f"In use{rival}." if promote else f"Refused{rival}: not in use."
    doubts = [said_of(flag) for flag in entry.flags if flag.severity == "warning"]
    found = () if entry.line is None else (f"At the rules in its file. {told_found('test', entry.line)}",)
    return "\n".join((head, "", *(f"- {reason}" for reason in (*reasons, *doubts, *found))))


def _metrics(verdict: Verdict, latency: Verdict, promote: bool) -> dict[str, float | None]:
    compared = verdict.figures.get("sets", {}).get("all", {})
    return {
        "register/champion": float(promote),
        "register/p_better": compared.get("probability"),
        "register/p_value": verdict.figures.get("p_value"),
        "register/difference": compared.get("difference"),
        "register/images": compared.get("images"),
        "latency/p50_ms": latency.figures["latency_ms"],
    }
