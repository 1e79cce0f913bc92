"""Decide whether the last search still holds for the dataset and the target of today."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config import Config, DecideConfig
from autonad.config.context import Context
from autonad.console import Console
from autonad.errors import ConfigError, StorageError
from autonad.reading.bounds import folded
from autonad.steps.step import begin, dataset_name, tracking_settings
from autonad.tracking.tags import ACTION, FINGERPRINT, HARDWARE_KEY, PIN_KEY

if TYPE_CHECKING:
    from autonad.appearance.batches import BatchTests, Predict
    from autonad.appearance.last_search import LastSearch
    from autonad.appearance.pin import Pin
    from autonad.appearance.policy import Decision
    from autonad.data.dataset import Dataset
    from autonad.data.faults import Fault
    from autonad.latency.target import Target

DECISION, PAGE = "decision.json", "decision.html"
# Inside the decision folder: the pin of the last finished search, from when the pin moves.
KEPT = "last-pin"
RETURNED = "what it had moved for is gone, and nothing was searched meanwhile"


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


def _check_places(dataset: Path, pin: Path, output: Path) -> None:
    """Make sure that writing the pin or the decision overwrites neither each other nor anything else.

    Raises:
        ConfigError: It would.
    """
    from autonad.appearance.pin import BROUGHT, FEATURES, MANIFEST, PIN

    names = {"--dataset": dataset, "--pin": pin, "--output": output, "the pin before": output / KEPT}
    for one, other in itertools.combinations(names, 2):
        if names[one].resolve() == names[other].resolve():
            raise ConfigError(f"{one} and {other} are both {names[one]}; give each a folder of its own")
    # An interruption while a pin is written leaves no `pin.json`; hidden files are those of git and systems.
    files = {path.name for path in pin.iterdir()} if pin.is_dir() else set[str]()
    there = {name for name in files if not name.startswith(".") and not name.endswith(".tmp")}
    if PIN not in there and (others := sorted(there - {MANIFEST, FEATURES, BROUGHT})):
        raise ConfigError(
            f"pin {pin} holds {folded(others[0], 60)}, and no {PIN}: it is something else's folder; choose "
            "another --pin"
        )


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
        pin: Pin folder; it is written on a first search, when the pin moves, and when what it had moved for
            is taken back before a search was finished; else only read.
        target: Target file.
        output: Decision folder to write: `decision.json`, `decision.html`, and `last-pin` when the pin moves.
        search: Search folder of the last search, where there was one.
        model: ONNX file of the champion; it predicts the masks of images that have none.

    Raises:
        StorageError: There was a search, but its pin is not here; or the pin is damaged.
        ConfigError: More batches have to confirm than are looked at; or the pin folder is another one's.
        DatasetError: No image has a mask.
    """
    config = context.config
    from autonad.appearance.last_search import read_last_search, this_search
    from autonad.appearance.policy import apply_policy
    from autonad.data.dataset import Dataset
    from autonad.latency.target import Target
    from autonad.report.flagged import of_search

    settings = config.decide
    _check_window(settings)
    _check_places(dataset, pin, output)
    source, device = Dataset.open(dataset), Target.load(target)
    last = read_last_search(search)
    kept = output / KEPT
    before = _last_pin(pin, kept, search, last, settings)
    now = this_search(config, before.key if before else None, device.hardware_key, device.name)
    params = {
        "decide": settings.model_dump(),
        "target": device.name,
        "latency_budget_ms": now.latency_budget_ms,
    }
    tags = {FINGERPRINT: source.fingerprint, HARDWARE_KEY: device.hardware_key}
    with begin("decide", context, params=params, tags=tags, learns=False) as step:
        seen = _look(context, source, before, model)
        decision = apply_policy(
            has_pin=before is not None,
            forced=None if settings.force == "none" else settings.force,
            new_classes=seen.classes,
            withdrawn=seen.gone,
            batches=seen.tests.findings,
            confirm=settings.confirm,
            now=now,
            last=last if before is not None else None,
            notes=seen.tests.notes,
        )
        found, decision = _settle(context, source, decision, before, last, pin, kept)
        costs = _last_costs(config, source) if step.run.id else {}
        flags = step.flag(of_search(search) if decision.action == "reuse" else ())
        _write(config, output, decision, seen, source, device, before, found, costs, flags)
        step.run.tag(PIN_KEY, found.key)
        step.run.tag(ACTION, decision.action)
        step.run.log(_metrics(decision, seen.newer))
        step.attach(output, DECISION, PAGE)
        step.headline(_headline(decision))
        return DecideResult(
            action=decision.action,
            reasons=tuple(reason.message for reason in decision.reasons),
            notes=decision.notes,
            pin_key=found.key,
            moved=before is None or before.key != found.key,
            page=output / PAGE,
            seconds=step.seconds,
        )


def _headline(decision: Decision) -> str:
    why = decision.reasons[0].message if decision.reasons else "nothing that matters has changed"
    return f"{decision.action}: {why}"


def _check_window(settings: DecideConfig) -> None:
    if settings.confirm > settings.window:
        raise ConfigError(
            f"decide.confirm is {settings.confirm} and decide.window is {settings.window}; of n batches at "
            "most n can look different, so lower confirm or raise window"
        )


def _last_pin(
    folder: Path, kept: Path, search: Path | None, last: LastSearch | None, settings: DecideConfig
) -> Pin | None:
    """The pin to compare with; None only if nothing was searched, or if a person wants to begin anew."""
    from autonad.appearance.searched_pin import compared_pin

    found = compared_pin(folder, kept, last)
    searched = search is not None and (search / "architecture.json").is_file()
    if searched and found is None and settings.force != "train":
        raise StorageError(
            f"{search} holds the architecture of a search, but its pin is not in {folder}; fetch it with "
            "`dvc pull`, or, if it is lost, begin anew with --set decide.force=train"
        )
    return found


def _settle(
    context: Context,
    source: Dataset,
    decision: Decision,
    before: Pin | None,
    last: LastSearch | None,
    folder: Path,
    kept: Path,
) -> tuple[Pin, Decision]:
    """Let the folder hold the pin that holds from now on."""
    from autonad.appearance.pinning import make_pin
    from autonad.appearance.searched_pin import move_pin, return_pin

    if decision.moves_pin or before is None:
        found = make_pin(source, context.config.decide, context.config.seed, context.console.report)
        move_pin(found, folder, kept, last)
        return found, decision
    if return_pin(before, folder, kept):
        decision = replace(decision, notes=(*decision.notes, f"the pin is {before.key} again: {RETURNED}"))
    return before, decision


@dataclass(frozen=True)
class _Seen:
    """What distinguishes the dataset of today from the pin; nothing without a pin."""

    gone: list[str]
    newer: int
    classes: list[str]
    tests: BatchTests


def _look(context: Context, source: Dataset, pin: Pin | None, model: Path | None) -> _Seen:
    from autonad.appearance import pin as pins
    from autonad.appearance.batches import BatchTests, compare_batches
    from autonad.appearance.pinning import calibration_note

    if pin is None:
        return _Seen([], 0, [], BatchTests())
    newer = pins.newer_rows(source, pin)
    tests = compare_batches(
        source,
        pin,
        newer,
        context.config.decide,
        seed=context.config.seed,
        predict=_champion(model, context.console),
        report=context.console.report,
    )
    caution = calibration_note(pin)
    tests.notes += [caution] if tests.findings and caution else []
    return _Seen(pins.withdrawn(source, pin), len(newer), pins.new_classes(source, pin), tests)


def _champion(model: Path | None, console: Console) -> Predict | None:
    """Predicts masks with the champion, which is opened when the first is asked for."""
    from autonad.deploy.shipped import ShippedNetwork

    if model is None or not model.is_file():
        return None

    @cache
    def opened() -> ShippedNetwork:
        champion = ShippedNetwork.open(model)
        console.report(f"predicting masks with {champion.architecture.key}")
        return champion

    return lambda image: opened().mask(image)


def _last_costs(config: Config, source: Dataset) -> dict[str, float]:
    """What the steps that may follow took last time, s."""
    from autonad.report.next_steps import TIMED
    from autonad.tracking.history.durations import last_durations

    return last_durations(dataset_name(config, source), TIMED, settings=tracking_settings(config))


def _write(
    config: Config,
    output: Path,
    decision: Decision,
    seen: _Seen,
    source: Dataset,
    device: Target,
    before: Pin | None,
    pin: Pin,
    costs: Mapping[str, float],
    flags: tuple[Fault, ...],
) -> None:
    """Write `decision.json` and the page."""
    from autonad.files import write_json
    from autonad.report.decision import write_page
    from autonad.report.flagged import KEY, to_json

    document = {
        **decision.to_dict(),
        "keys": {
            "pin": pin.key,
            "pin_before": before.key if before else None,
            "hardware": device.hardware_key,
            "dataset": source.fingerprint,
        },
        "pinned": {"images": len(pin.manifest), "groups": int(pin.manifest["group"].nunique())},
        KEY: to_json(flags),
    }
    write_json(output / DECISION, document)
    write_page(
        output / PAGE,
        decision,
        name=dataset_name(config, source),
        dataset=source,
        before=before,
        pin=pin,
        costs=costs,
        batches=seen.tests.features,
        target=device.name,
        red_flags=flags,
    )


def _metrics(decision: Decision, num_newer: int) -> dict[str, float | None]:
    """The decision in MLflow's vocabulary; the smallest p-value stands for all batches."""
    drifts = [finding.drift for finding in decision.batches if finding.drift]
    # Without masks, nobody knows which classes a batch shows.
    mixes = [drift["class_mix"]["p"] for drift in drifts if drift["class_mix"] is not None]
    return {
        "drift/newer_images": float(num_newer),
        "drift/batches": float(len(decision.batches)),
        "drift/changed_batches": float(sum(finding.changed for finding in decision.batches)),
        "drift/p_value": min((drift["p_value"] for drift in drifts), default=None),
        "drift/class_mix_p_value": min(mixes, default=None),
    }
