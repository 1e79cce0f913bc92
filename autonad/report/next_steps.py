"""What follows a decision: the steps, what they took last time, and what to do if one disagrees."""

from __future__ import annotations

from collections.abc import Mapping

from autonad.appearance.policy import Action, Decision
from autonad.console import duration
from autonad.report.kit import Table
from autonad.report.units import ABSENT

HEADLINES: dict[str, str] = {
    "train": "Train a new supernet and search",
    "search": "Search again with the supernet that there is",
    "reuse": "Reuse the last search",
}
TIMED = ("train-supernet", "search", "retrain", "evaluate", "export")
"""Steps whose last wall time for a dataset is asked for; the others take seconds, or belong to a target."""

_SETTINGS = {
    "hardware_changed",
    "latency_budget_changed",
    "search_settings_changed",
    "supernet_settings_changed",
}
_STEPS = {
    "train-supernet": "trains all architectures at once on the pinned images",
    "profile-latency": "measures the target, if its latency table is not there yet",
    "search": "chooses an architecture for the target and the latency budget",
    "retrain": "trains that architecture on all labelled images, new batches included",
    "evaluate": "measures it on test parts",
    "fit-thresholds": "chooses the rules of the line",
    "export": "writes the ONNX file and checks it",
    "register": "puts it in use if it beats the detector that is",
}
_LEFT_OUT: dict[str, tuple[str, ...]] = {
    "train": (),
    "search": ("train-supernet",),
    "reuse": ("train-supernet", "profile-latency", "search"),
}


def following(action: Action) -> list[str]:
    """The steps that follow a decision, in order."""
    return [step for step in _STEPS if step not in _LEFT_OUT[action]]


def coming(action: Action, costs: Mapping[str, float]) -> Table:
    """The steps that follow, what each does, and what it took last time.

    Args:
        action: What was decided.
        costs: Stage → s; what is not known is a dash.
    """
    columns = [following(action)]
    columns.append([_STEPS[step] for step in columns[0]])
    if any(step in costs for step in columns[0]):
        columns.append([duration(costs[step]) if step in costs else ABSENT for step in columns[0]])
    header = ("Step", "What it does", "Took last time")[: len(columns)]
    return Table(header, list(zip(*columns, strict=True)), "In this order", "steps")


def cost_told(action: Action, costs: Mapping[str, float]) -> tuple[str, str]:
    """What the steps that follow take together, and by what that is known.

    Args:
        action: What was decided.
        costs: As in `coming`.
    """
    steps = [step for step in following(action) if step in TIMED]
    missing = [step for step in steps if step not in costs]
    if len(missing) == len(steps):
        return ABSENT, "nothing is known of an earlier run"
    total = duration(sum(costs.get(step, 0.0) for step in following(action)))
    if missing:
        return f"{total} and more", f"nothing is known yet of {', '.join(missing)}"
    return total, "by what these steps took last time"


def remedies(decision: Decision) -> list[str]:
    """What a person does who disagrees, in sentences; commands stand in backticks."""
    kinds = {reason.kind for reason in decision.reasons}
    if decision.action == "reuse":
        search = (
            "To search all the same, set `decide.force=search` (with the supernet that there is) or "
            "`decide.force=train`, and set it back to `none` afterwards."
        )
        return [search]
    said = []
    if kinds & {"appearance_changed", "new_class", "data_withdrawn"}:
        said.append(
            "If the images are wrong (a lamp failed, a lens is dirty, labels are missing), mend the line and "
            "take the batch back before a search is finished: "
            "`git checkout HEAD -- data/current.dvc && dvc checkout data/current.dvc`."
        )
    if "appearance_changed" in kinds:
        said.append(
            "If the images are right and the difference is too small for another network, raise "
            "`decide.minimum_effect`, or `decide.confirm` to wait for another batch that looks different."
        )
    if kinds & _SETTINGS:
        said.append("If a setting was not meant to change, set it back: the reasons name what it was.")
    if kinds & {"forced_training", "forced_search"}:
        said.append("It was asked for by hand: set `decide.force=none`.")
    said.append("On Kubeflow, `force: reuse` in the form of a run keeps the last search, whatever is found.")
    return said
