"""The detectors of one search: a network per latency budget, one after another in each task of a pipeline."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.config.context import Context
from autonad.errors import StorageError
from autonad.files import read_json
from autonad.steps.retrain import RetrainResult, retrain


@dataclass(frozen=True)
class Variant:
    """A network that a search returned, and its place in the folders of all tasks.

    Attributes:
        name: `<target>-<budget>`, such as line-3ms; empty where the search returned this one alone.
        place: Below every task's folder; "." where it is alone.
    """

    name: str = ""
    place: str = "."

    def within(self, folder: Path) -> Path:
        """Its part of a task's folder."""
        return folder / self.place

    def named(self, **figures: Any) -> dict[str, Any]:
        """Figures by names that several variants do not share."""
        return {f"{figure}_{self.name}" if self.name else figure: value for figure, value in figures.items()}


ALONE = Variant()
"""The only network of a search."""


def variants_of(search: Path) -> tuple[Variant, ...]:
    """What a search returned for its first target, in the order of the budgets.

    Those for other targets are not made where this target's are: each needs a latency table of its own.

    Args:
        search: Search folder.

    Raises:
        StorageError: It is damaged, or lacks the folder of a variant.
    """
    found = read_json(search / "search.json", "the search")
    listed: list[dict[str, Any]] = found.get("variants") or [{}]
    first, *others = [one for one in listed if one.get("hardware_key") == listed[0].get("hardware_key")]
    if not others:
        return (Variant(place=first.get("folder", ".")),)
    variants = tuple(Variant(one["name"], one["folder"]) for one in (first, *others))
    missing = [one.place for one in variants if not (one.within(search) / "architecture.json").is_file()]
    if missing:
        raise StorageError(
            f"the search lists {len(variants)} networks and lacks {', '.join(missing)}; search again "
            "(decide.force=search)"
        )
    return variants


def retrain_each(
    context: Context,
    variants: Sequence[Variant],
    *,
    dataset: Path,
    search: Path,
    output: Path,
    teacher: Path,
    checkpoints: str,
) -> list[RetrainResult]:
    """Retrain one variant after another; what was lost goes on in the variant that it was in.

    Copies of checkpoints stay, so that another machine takes variants that are finished from there; the
    pipeline's last task removes them. A network that two budgets share is trained once.

    Args:
        context: See `retrain`.
        variants: Which, in this order.
        dataset: Dataset folder.
        search: Search folder.
        output: Model folder to write, with each variant in its place.
        teacher: See `retrain`.
        checkpoints: See `retrain`; empty for nowhere.

    Returns:
        What each training ended with.
    """
    from autonad.reading.bounds import read_bytes
    from autonad.training.resumable import FOLDER

    results: list[RetrainResult] = []
    trained: dict[bytes, Path] = {}
    for each in variants:
        place = each.within(output)
        same = trained.setdefault(read_bytes(each.within(search) / "architecture.json"), place)
        if same != place:
            shutil.copytree(same / FOLDER, place / FOLDER, dirs_exist_ok=True)
        results.append(
            retrain(
                context,
                dataset=dataset,
                search=each.within(search),
                output=place,
                teacher=teacher,
                resume="or-restart",
                checkpoints=checkpoints,
                keeps_copy=True,
            )
        )
    return results
