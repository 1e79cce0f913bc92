"""Register an exported detector, and put it in use if it beats the one that is."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config import Config
from autonad.config.context import Context
from autonad.deploy import MODEL
from autonad.errors import ConfigError, ExportError, TrackingError, one_line
from autonad.steps.step import begin, dataset_name, tracking_settings
from autonad.tracking.tags import ARCHITECTURE, FINGERPRINT, HARDWARE_KEY, MISSES, MODEL_NAME, OVERKILL

if TYPE_CHECKING:
    import pandas as pd

    from autonad.data.dataset import Dataset
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.deploy.verdict import Verdict
    from autonad.tracking.registry.model_versions import Version
    from autonad.tracking.registry.registry import Registry

# Longest side of the image that is registered as an example, pixels.
EXAMPLE_SIDE = 512
_KNOWN = ("image", "group", "sha256", "split")  # what a champion keeps of its images
# Tags of a version: what its rules do.
LINE_TAGS = ((OVERKILL, "overkill"), (MISSES, "misses"))


@dataclass(frozen=True)
class RegisterResult:
    """What was decided about a detector.

    Attributes:
        model: Registered model.
        version: Its new version; None when tracking is off.
        champion: Whether the detector is in use now.
        reasons: Why, as sentences.
    """

    model: str
    version: int | None
    champion: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """The detector that wants to be registered.

    Attributes:
        name: The registered model.
        folder: The export folder.
        network: The exported network.
        source: The dataset.
        latency: Whether it keeps the budget.
        line: What its rules do on the test split; None where that is not known.
        tags: Of the run and the version.
    """

    name: str
    folder: Path
    network: ShippedNetwork
    source: Dataset
    latency: Verdict
    line: dict[str, Any] | None
    tags: dict[str, str]


def register(
    context: Context,
    *,
    export: Path,
    evaluation: Path,
    dataset: Path,
    output: Path,
    target: Path | None = None,
) -> RegisterResult:
    """Write `registration.json`: the version, whether it has the alias `champion`, and why.

    Both detectors run on the test images of both, as exported. The challenger wins if it is better with the
    probability that `register.probability` asks for, and keeps the latency budget. The first version that
    keeps the budget wins without a rival. Apart from version numbers the file follows from the inputs alone.

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
        TrackingError: MLflow, or the champion in it, cannot be used.
    """
    from autonad.files import write_json
    from autonad.tracking.registry.registry import Registry

    config = context.config
    entry = _read(config, export, evaluation, dataset, target)
    report: dict[str, Any] = {
        "model": entry.name,
        "dataset": entry.source.fingerprint,
        "architecture": entry.network.architecture.key,
        "latency": entry.latency.figures,
        "rules": entry.network.network.rules.to_dict(),
        "line": entry.line,
    }
    if not config.tracking.enabled:
        reasons: tuple[str, ...] = ("not registered: tracking is off (tracking.enabled)",)
        report |= {"version": None, "champion": False, "reasons": reasons}
        write_json(output / "registration.json", report)
        return RegisterResult(entry.name, None, False, reasons)
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
        registry = Registry(tracking_settings(config))
        champion = registry.champion(entry.name)
        verdict = _verdict(context, registry, champion, entry, Path(temporary))
        version = _add(registry, entry, Path(temporary), step.run.id)
        promote, reasons = entry.latency.wins and verdict.wins, (*verdict.reasons, *entry.latency.reasons)
        if champion is not None and champion.number == version.number:
            promote, reasons = True, (f"{version} is the champion already", *entry.latency.reasons)
        registry.decide(version, promote=promote, description=_description(champion, promote, reasons, entry))
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
        return RegisterResult(entry.name, version.number, promote, reasons)


def _read(config: Config, export: Path, evaluation: Path, dataset: Path, target: Path | None) -> _Entry:
    """The detector, checked to belong to evaluation and dataset.

    Raises:
        ExportError: It does not.
        ConfigError: It is not known what the detector shall run on.
    """
    from autonad.data.dataset import Dataset
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.latency.target import Target
    from autonad.steps.shipped_rules import rules_on_test
    from autonad.tracking.registry.model_versions import model_name

    network = ShippedNetwork.open(export / MODEL, config.threads)
    source = Dataset.open(dataset)
    _check_evaluation(evaluation, network, source)
    device = Target.load(target) if target is not None else None
    where = network.provenance.get("target") if device is None else device.name
    if where is None:
        raise ConfigError(
            f"{export} does not say which target its architecture was searched for; name one with --target "
            "FILE"
        )
    key = network.provenance.get("hardware_key") if device is None else device.hardware_key
    budget = network.provenance.get("latency_budget_ms", config.search.budgets_ms[0])
    latency = _latency(config, export, network, str(where), key, budget)
    tags = {FINGERPRINT: source.fingerprint, ARCHITECTURE: network.architecture.key}
    if key is not None:
        tags[HARDWARE_KEY] = key
    rules, confidence = network.network.rules, config.fit_thresholds.confidence
    line, _ = rules_on_test(evaluation, rules, confidence)
    name = model_name(dataset_name(config, source), str(where), budget)
    return _Entry(name, export, network, source, latency, line, tags)


def _check_evaluation(evaluation: Path, challenger: ShippedNetwork, source: Dataset) -> None:
    from autonad.evaluation.line_result import EvaluatedFile
    from autonad.files import read_json

    told = read_json(evaluation / "metrics.json", "the evaluation", EvaluatedFile)["parameters"]
    weights = challenger.provenance.get("weights_sha256")
    if told.get("weights_sha256") != weights or told.get("dataset") != source.fingerprint:
        what = "other weights" if told.get("weights_sha256") != weights else "another dataset"
        raise ExportError(
            f"the evaluation in {evaluation} is of {what} than {challenger.path}; run `autonad evaluate` and "
            "`autonad export` on this model and dataset first"
        )


def _latency(
    config: Config,
    export: Path,
    challenger: ShippedNetwork,
    where: str,
    key: str | None,
    budget_ms: float | None,
) -> Verdict:
    """The latency on the target against the budget."""
    from autonad.deploy.latency_figure import LatencyFile, target_latency
    from autonad.deploy.verdict import judge_latency
    from autonad.files import read_json

    here = read_json(export / "latency.json", "the exported network's latency", LatencyFile)[MODEL]
    latency_ms = target_latency(challenger.provenance, here, key)
    return judge_latency(latency_ms, budget_ms, config.register.latency_tolerance, where)


def _verdict(
    context: Context, registry: Registry, champion: Version | None, entry: _Entry, folder: Path
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
    place = folder / "champion"
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


def _add(registry: Registry, entry: _Entry, temporary: Path, run_id: str | None) -> Version:
    """Add the detector to the registry, with all that a later challenger needs."""
    from autonad.deploy.contest import IMAGES
    from autonad.files import write_text_atomic

    images = temporary / IMAGES
    entry.source.manifest[list(_KNOWN)].to_parquet(images, index=False)
    architecture = temporary / "architecture.json"
    write_text_atomic(architecture, entry.network.architecture.to_json())
    files = {MODEL: entry.folder / MODEL, IMAGES: images, "architecture.json": architecture}
    files |= {name: entry.folder / name for name in ("MODEL_CARD.md", "parity.json", "latency.json")}
    files |= {name: entry.folder / name for name in _smaller(entry.folder)}
    missing = [name for name, path in files.items() if not path.is_file()]
    if missing:
        raise TrackingError(f"{entry.folder} lacks {', '.join(missing)}; run `autonad export` again")
    return registry.add(
        entry.name,
        files,
        run_id=run_id,
        tags={MODEL_NAME: entry.name, **entry.tags, **_line_tags(entry.line)},
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


def _smaller(export: Path) -> list[str]:
    """The smaller files that belong to this export: one that another export left there is none of it."""
    from autonad.files import read_json, sha256_file

    told = read_json(export / "parity.json", "the exported network's parity")
    return [
        name
        for name, facts in told.items()
        if name != MODEL
        and facts["kept"]
        and (export / name).is_file()
        and sha256_file(export / name) == facts["sha256"]
    ]


def _line_tags(line: dict[str, Any] | None) -> dict[str, str]:
    """What the shipped rules do, where versions are listed."""
    from autonad.evaluation.line_result import spread

    return {} if line is None else {tag: spread(line[name]) for tag, name in LINE_TAGS}


def _description(champion: Version | None, promote: bool, reasons: tuple[str, ...], entry: _Entry) -> str:
    from autonad.evaluation.line_result import told_found

    rival = "" if champion is None else f" against version {champion.number}"
    head = f"In use{rival}." if promote else f"Refused{rival}: not in use."
    found = () if entry.line is None else (f"At the rules in its file. {told_found('test', entry.line)}",)
    return "\n".join((head, "", *(f"- {reason}" for reason in (*reasons, *found))))


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
