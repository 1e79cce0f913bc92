"""Make room in MLflow: old searches and challengers, never a champion's lineage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autonad.config.context import Context
from autonad.steps.step import tracking_settings

if TYPE_CHECKING:
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
