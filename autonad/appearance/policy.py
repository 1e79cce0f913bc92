"""Reuse the last search, search again, or train a new supernet: one decision, with its reasons.

    train    first search, a new class, changed appearance, pinned images withdrawn, other supernet settings,
             a search that was never finished or was run on another pin, by hand
    search   another target, latency budget or search settings, by hand
    reuse    none of these

The pin moves for the reasons in `MOVES_PIN` and for no others: a supernet that is trained anew with other
settings sees the same images as before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import Field

from autonad.appearance.last_search import LastSearch
from autonad.reading.shape_checks import Shape

Action = Literal["train", "search", "reuse"]
ReasonKind = Literal[
    "first_search",
    "new_class",
    "appearance_changed",
    "data_withdrawn",
    "supernet_settings_changed",
    "forced_training",
    "unfinished_search",
    "pin_not_searched",
    "hardware_changed",
    "latency_budget_changed",
    "search_settings_changed",
    "forced_search",
]
MOVES_PIN: tuple[ReasonKind, ...] = (
    "first_search",
    "new_class",
    "appearance_changed",
    "data_withdrawn",
    "forced_training",
)
TRAINS: tuple[ReasonKind, ...] = (
    *MOVES_PIN,
    "supernet_settings_changed",
    "unfinished_search",
    "pin_not_searched",
)


@dataclass(frozen=True)
class Reason:
    """Why something has to be done anew.

    Attributes:
        kind: A constant word.
        message: What was found, for people.
    """

    kind: ReasonKind
    message: str


@dataclass(frozen=True)
class BatchFinding:
    """What the tests say about one batch that is newer than the pin.

    Attributes:
        batch: Its name.
        images: Images that were tested.
        groups: Physical parts that they show.
        labelled: Images with a mask.
        changed: Whether its appearance differs from the pin's.
        alpha: The level that it was tested at.
        drift: The tests, as JSON values; None where the batch was too small to be tested.
        note: What limits the finding.
    """

    batch: str
    images: int
    groups: int
    labelled: int
    changed: bool
    alpha: float
    drift: dict[str, Any] | None
    note: str


class ReasonFile(Shape):
    """One reason in `decision.json`."""

    kind: str
    message: str


class DecisionFile(Shape):
    """What is shown of `decision.json`."""

    action: str
    reasons: list[ReasonFile]
    notes: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class Decision:
    """What is to be done.

    Attributes:
        action: The step to begin with.
        reasons: Why; empty for `reuse`.
        moves_pin: Whether the present labelled images become the pin.
        batches: Findings about batches newer than the pin.
        notes: What the reader should know besides.
    """

    action: Action
    reasons: tuple[Reason, ...]
    moves_pin: bool
    batches: tuple[BatchFinding, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values, without anything that differs between equal decisions."""
        return asdict(self)


def apply_policy(
    *,
    has_pin: bool,
    forced: Literal["search", "train"] | None,
    new_classes: Sequence[str] = (),
    withdrawn: Sequence[str] = (),
    batches: Sequence[BatchFinding] = (),
    confirm: int = 1,
    now: LastSearch,
    last: LastSearch | None,
    notes: Sequence[str] = (),
) -> Decision:
    """Apply the policy to what was found.

    Args:
        has_pin: Whether there is a pin; without one everything begins.
        forced: What a person asks for, whatever was found.
        new_classes: Classes that the pin does not show.
        withdrawn: Pinned images that are no longer there.
        batches: Findings about the newest batches.
        confirm: Of these, how many have to be changed.
        now: What a search would be run with.
        last: What the last finished search was run with.
        notes: Handed through.
    """
    found: list[Reason] = []
    if not has_pin:
        found.append(
            Reason("first_search", "there is no pin: nothing has been searched for this dataset yet")
        )
    else:
        if new_classes:
            found.append(Reason("new_class", f"never seen by the last search: {', '.join(new_classes)}"))
        if withdrawn:
            found.append(
                Reason(
                    "data_withdrawn",
                    f"{len(withdrawn)} images of the last search are no longer in the dataset as they were, "
                    f"the first is {withdrawn[0]}",
                )
            )
        changed = [finding for finding in batches if finding.changed]
        if len(changed) >= confirm and changed:
            found.append(
                Reason(
                    "appearance_changed",
                    f"{len(changed)} of {len(batches)} new batches differ in appearance: "
                    f"{', '.join(finding.batch for finding in changed)}",
                )
            )
        found += _changed_settings(now, last)
    if forced == "train":
        found.append(Reason("forced_training", "asked for by hand (decide.force)"))
    if forced == "search":
        found.append(Reason("forced_search", "asked for by hand (decide.force)"))
    kinds = {reason.kind for reason in found}
    action: Action = "train" if kinds & set(TRAINS) else "search" if kinds else "reuse"
    return Decision(action, tuple(found), bool(kinds & set(MOVES_PIN)), tuple(batches), tuple(notes))


def _changed_settings(now: LastSearch, last: LastSearch | None) -> list[Reason]:
    if last is None:
        return [Reason("unfinished_search", "there is a pin, but no search that was finished with it")]
    found = []
    if now.pin_key != last.pin_key:
        # The pin moved, and what was to follow was interrupted.
        found.append(
            Reason(
                "pin_not_searched",
                f"the pin is {now.pin_key}, the last search was run on "
                f"{f'pin {last.pin_key}' if last.pin_key else 'images without a pin'}: its supernet belongs "
                "to other images",
            )
        )
    if now.hardware_key != last.hardware_key:
        found.append(
            Reason(
                "hardware_changed",
                f"the target is {now.target} ({now.hardware_key}), the last search was for {last.target} "
                f"({last.hardware_key})",
            )
        )
    if now.latency_budget_ms != last.latency_budget_ms:
        found.append(
            Reason(
                "latency_budget_changed",
                f"the latency budget is {_ms(now.latency_budget_ms)}, it was {_ms(last.latency_budget_ms)}",
            )
        )
    kinds: tuple[tuple[ReasonKind, Mapping[str, Any] | None, Mapping[str, Any] | None], ...] = (
        ("search_settings_changed", now.search_settings, last.search_settings),
        ("supernet_settings_changed", now.supernet_settings, last.supernet_settings),
    )
    for kind, new, old in kinds:
        if new is None or old is None:
            continue
        names = [name for name in sorted({*new, *old}) if new.get(name) != old.get(name)]
        if names:
            text = "; ".join(f"{name} is {new.get(name)}, it was {old.get(name)}" for name in names)
            found.append(Reason(kind, text))
    return found


def _ms(value: float | list[float] | None) -> str:
    if isinstance(value, list):
        return " and ".join(map(_ms, value))
    return "absent" if value is None else f"{value:g} ms"
