"""Decide whether the last search still holds for the dataset and the target of today."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config.context import Context
from autonad.errors import ConfigError, StorageError
from autonad.steps.context import begin
from autonad.tracking.tags import ACTION, FINGERPRINT, HARDWARE_KEY, PIN_KEY

if TYPE_CHECKING:
    import pandas as pd

    from autonad.appearance.policy import BatchFinding, Decision


@dataclass(frozen=True)
class DecideResult:
    """The decision.

    Attributes:
        action: "train", "search" or "reuse".
        reasons: Why, as sentences; empty for "reuse".
        notes: What the reader should know besides.
        pin_key: Key of the pin that now holds.
        moved: Whether the pin was made or moved.
        page: The page that shows the decision.
        seconds: Wall time.
    """

    action: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    pin_key: str
    moved: bool
    page: Path
    seconds: float


def decide(
    context: Context,
    *,
    dataset: Path,
    pin: Path,
    target: Path,
    output: Path,
    search: Path | None = None,
    model: Path | None = None,
) -> DecideResult:
    """Compare the batches newer than the pin with it, and the target with that of the last search.

    Args:
        context: Section `decide` decides; `search`, `space`, `input` and `train_supernet` are compared with
            those of the last search.
        dataset: Dataset folder, new batches included.
        pin: Pin folder; it is written on a first search and when the pin moves, else only read.
        target: Target file.
        output: Decision folder to write: `decision.json`, `decision.html`.
        search: Search folder of the last search, where there was one.
        model: ONNX file of the champion; it predicts the masks of images that have none.

    Raises:
        StorageError: There was a search, but its pin is not here; or the pin is damaged.
        ConfigError: More batches have to confirm than are looked at.
        DatasetError: No image has a mask.
    """
    config, console = context.config, context.console
    from autonad.appearance import pin as pins
    from autonad.appearance.last_search import last_search, this_search
    from autonad.appearance.policy import decide as apply_policy
    from autonad.data.dataset import Dataset
    from autonad.files import write_json
    from autonad.latency.target import Target
    from autonad.report.decision import write_page
    from autonad.steps.batches import calibration_note, make_pin, new_classes, test_batches

    settings = config.decide
    if settings.confirm > settings.window:
        raise ConfigError(
            f"decide.confirm is {settings.confirm} and decide.window is {settings.window}; of n batches at "
            "most n can look different, so lower confirm or raise window"
        )
    source, device = Dataset.open(dataset), Target.load(target)
    last = last_search(search)
    found = pins.Pin.load(pin) if pins.exists(pin) else None
    searched = search is not None and (search / "architecture.json").is_file()
    if searched and found is None and settings.force != "train":
        raise StorageError(
            f"{search} holds the architecture of a search, but its pin is not in {pin}; fetch it with `dvc "
            "pull`, or, if it is lost, begin anew with --set decide.force=train"
        )
    now = this_search(config, device.hardware_key, device.name)
    params = {
        "decide": settings.model_dump(),
        "target": device.name,
        "latency_budget_ms": now.latency_budget_ms,
    }
    tags = {FINGERPRINT: source.fingerprint, HARDWARE_KEY: device.hardware_key}
    with begin("decide", context, params=params, tags=tags, learns=False) as step:
        findings: list[BatchFinding] = []
        tested: dict[str, pd.DataFrame] = {}
        notes: list[str] = []
        classes: list[str] = []
        gone: list[str] = []
        num_newer = 0
        if found is not None:
            gone = pins.withdrawn(source, found)
            newer = pins.newer_rows(source, found)
            num_newer = len(newer)
            classes = new_classes(source, found)
            findings, tested, notes = test_batches(config, source, found, newer, model, console)
            caution = calibration_note(found)
            notes += [caution] if findings and caution else []
        decision = apply_policy(
            has_pin=found is not None,
            forced=None if settings.force == "none" else settings.force,
            new_classes=classes,
            withdrawn=gone,
            batches=findings,
            confirm=settings.confirm,
            now=now,
            last=last if found is not None else None,
            notes=notes,
        )
        before = found
        if decision.moves_pin or found is None:
            found = make_pin(config, source, console)
            found.save(pin)
        document = {
            **decision.to_dict(),
            "keys": {
                "pin": found.key,
                "pin_before": before.key if before else None,
                "hardware": device.hardware_key,
                "dataset": source.fingerprint,
            },
            "pinned": {"images": len(found.manifest), "groups": int(found.manifest["group"].nunique())},
        }
        write_json(output / "decision.json", document)
        write_page(
            output / "decision.html",
            decision,
            dataset=source,
            pin=before or found,
            batches=tested,
            target=device.name,
        )
        step.run.tag(PIN_KEY, found.key)
        step.run.tag(ACTION, decision.action)
        step.run.log(_metrics(decision, num_newer))
        for name in ("decision.json", "decision.html"):
            step.run.artifact(output / name)
        return DecideResult(
            action=decision.action,
            reasons=tuple(reason.message for reason in decision.reasons),
            notes=decision.notes,
            pin_key=found.key,
            moved=before is None or before.key != found.key,
            page=output / "decision.html",
            seconds=step.seconds,
        )


def _metrics(decision: Decision, num_newer: int) -> dict[str, float | None]:
    """The decision in MLflow's vocabulary; the smallest p-value stands for all batches."""
    drifts = [finding.drift for finding in decision.batches if finding.drift]
    return {
        "drift/newer_images": float(num_newer),
        "drift/batches": float(len(decision.batches)),
        "drift/changed_batches": float(sum(finding.changed for finding in decision.batches)),
        "drift/p_value": min((drift["p_value"] for drift in drifts), default=None),
        "drift/class_mix_p_value": min((drift["class_mix"]["p"] for drift in drifts), default=None),
    }
