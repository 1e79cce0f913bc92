"""Make room: old searches and challengers in MLflow, and copies of checkpoints that nobody goes on from."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config.context import Context
from autonad.steps.step import tracking_settings

if TYPE_CHECKING:
    from autonad.storage.checkpoint_copies import CheckpointCopy
    from autonad.tracking.history.retention import Leftover


def gc(context: Context, *, delete: bool = False) -> list[Leftover]:
    """Find what the retention rule does not keep, and remove it if asked to.

    Args:
        context: Section `gc` decides what is kept, `tracking` where it is.
        delete: Remove it; otherwise nothing is changed.

    Returns:
        What was removed, or would be.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used, or it is not known which version is the champion.
    """
    config, console = context.config, context.console
    from autonad.tracking.history.retention import Retention, Rule

    rule = config.gc
    retention = Retention(tracking_settings(config))
    found = retention.plan(Rule(rule.keep_searches, rule.keep_challengers, rule.min_age_days))
    if not delete:
        return found
    removed = []
    for number, leftover in enumerate(found, start=1):
        if retention.remove(leftover):
            removed.append(leftover)
        else:
            console.report(f"{leftover} was given an alias meanwhile and stays")
        console.advance(number, len(found), str(leftover))
    return removed


def gc_checkpoints(
    context: Context, *, place: str, older_than_days: float, delete: bool = False
) -> list[CheckpointCopy]:
    """Find copies of checkpoints that steps left behind, and remove them if asked to.

    The copies of a finished execution are removed at its end, so what is left is of one that failed or was
    terminated, and a later run of the same configuration would go on from it. Those of an execution that runs
    stay.

    Args:
        context: Section `tracking` decides where it is looked up what runs.
        place: "s3://bucket/prefix", or a folder on a volume; as the steps were given it.
        older_than_days: Age of the newest file of a copy that may go.
        delete: Remove them; otherwise nothing is changed.

    Returns:
        What was removed, or would be, the oldest first.

    Raises:
        ConfigError: Tracking is off.
        TrackingError: The server cannot be used.
        StorageError: The place cannot be used.
    """
    from autonad.storage.checkpoint_copies import CheckpointCopies
    from autonad.tracking.history.executions import running

    copies, console = CheckpointCopies(place), context.console
    if not place.startswith("s3://") and not Path(place).is_dir():
        console.report(f"{place} is not there: nothing was copied to it yet, or it is called otherwise")
    before = time.time() - older_than_days * 24 * 3600
    old = [copy for copy in copies.all() if copy.written < before]
    busy = running(tracking_settings(context.config), {copy.owner for copy in old if copy.owner})
    found = [copy for copy in old if copy.owner not in busy]
    for number, copy in enumerate(found, start=1):
        if delete:
            copies.remove(copy)
            console.advance(number, len(found), copy.name)
    return found
