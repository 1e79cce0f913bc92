"""Which search was the last one, as MLflow remembers it.

A search counts if its run has ended with success and the tag with the sha256 of its files is set, which
happens when all of them have arrived (see `search_files`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autonad.errors import ConfigError, TrackingError
from autonad.reading.bounds import folded, parse_json
from autonad.tracking.destination import TrackingSettings
from autonad.tracking.identifiers import tag_is
from autonad.tracking.tags import (
    ARCHITECTURE,
    ARCHITECTURES,
    DATASET,
    DIGEST_TAG,
    HARDWARE_KEY,
    PIN_KEY,
    STAGE,
)

if TYPE_CHECKING:
    from autonad.tracking.connection import MlflowClient


@dataclass(frozen=True)
class FoundSearch:
    """A finished search in MLflow.

    Attributes:
        run_id: Its run.
        dataset: Name of the dataset.
        hardware_key: Of the target that it was for.
        pin_key: Of the images that it was made on; None if it had no pin.
        architecture_key: What it found.
        latency_budget_ms: What it was asked for; None for no limit.
        ended_ms: When it ended, milliseconds since 1970.
        digests: Sha256 of its list of files.
    """

    run_id: str
    dataset: str
    hardware_key: str
    pin_key: str | None
    architecture_key: str
    latency_budget_ms: float | None
    ended_ms: int
    digests: str


def last_search(
    dataset: str, hardware_key: str | None = None, *, settings: TrackingSettings
) -> FoundSearch | None:
    """The newest search of a dataset that was finished and kept whole.

    Args:
        dataset: The dataset's name (`tracking.dataset`, or its folder's).
        hardware_key: Of the target; None for any.
        settings: Where to look.

    Returns:
        The search; None if there is none, or no such experiment.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used.
    """
    from autonad.tracking.connection import CONNECT, clear_failures

    client = open_history(settings)
    query = [
        "attributes.status = 'FINISHED'",
        f"tags.`{STAGE}` = 'search'",
        tag_is(DATASET, dataset),
        f"tags.`{DIGEST_TAG}` != ''",
    ]
    if hardware_key is not None:
        query.append(tag_is(HARDWARE_KEY, hardware_key))
    with clear_failures(settings, CONNECT):
        experiment = client.get_experiment_by_name(settings.experiment)
        if experiment is None or experiment.lifecycle_stage == "deleted":
            return None
        runs = client.search_runs(
            [experiment.experiment_id],
            " AND ".join(query),
            order_by=["attributes.end_time DESC"],
            max_results=1,
        )
    return found_search(runs[0]) if runs else None


def architectures_of(tags: Mapping[str, str]) -> set[str]:
    """Keys of all architectures that a run found, or worked with."""
    found = {tags.get(ARCHITECTURE, ""), *tags.get(ARCHITECTURES, "").split()}
    return found - {""}


def open_history(settings: TrackingSettings) -> MlflowClient:
    """A client to look for searches.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used.
    """
    from autonad.tracking.connection import connect

    if not settings.enabled:
        raise ConfigError("tracking is off, and the last search is remembered there; switch it on")
    return connect(settings)


def first_budget(setting: str) -> float | None:
    """The budget of the architecture at the top of a search folder, from how MLflow keeps the setting."""
    if setting == "None":
        return None
    try:
        budgets = parse_json(setting)
        return float(budgets[0] if isinstance(budgets, list) else budgets)
    except (ValueError, TypeError, LookupError) as error:
        raise TrackingError(
            f"MLflow keeps {folded(repr(setting), 60)} as a latency budget, which is none; search again"
        ) from error


def found_search(run: Any) -> FoundSearch:
    """What a run says about the search that it was.

    Raises:
        TrackingError: It was none, or one that did not end or was not kept whole.
    """
    tags, budget = run.data.tags, run.data.params.get("search.latency_budget_ms", "None")
    if tags.get(STAGE) != "search" or run.info.status != "FINISHED" or DIGEST_TAG not in tags:
        raise TrackingError(
            f"run {run.info.run_id} is no search that was finished and kept whole; find one with "
            "`tracking.last_search`, or search again"
        )
    return FoundSearch(
        run_id=run.info.run_id,
        dataset=tags.get(DATASET, ""),
        hardware_key=tags.get(HARDWARE_KEY, ""),
        pin_key=tags.get(PIN_KEY),
        architecture_key=tags.get(ARCHITECTURE, ""),
        latency_budget_ms=first_budget(budget),
        ended_ms=run.info.end_time,
        digests=tags[DIGEST_TAG],
    )
