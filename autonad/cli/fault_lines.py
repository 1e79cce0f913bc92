"""How findings are printed: each on a line, and of one kind only so many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MOST_OF_A_KIND = 5  # findings of one kind and severity that a terminal shows


def print_faults(faults: Any, listed: Path | None = None) -> None:
    """Print findings, errors first.

    Args:
        faults: Table of severity, kind, item, message.
        listed: The file that holds all of them, if there is one.
    """
    remedy = f"all of them are in {listed}" if listed else "`autonad audit --output DIR` lists all of them"
    for (severity, kind), found in faults.groupby(["severity", "kind"], sort=False):
        for fault in found.head(MOST_OF_A_KIND).itertuples():
            print(f"{severity:<8} {kind:<20} {fault.item}: {fault.message}")
        more = len(found) - MOST_OF_A_KIND
        if more > 0:
            print(f"{severity:<8} {kind:<20} … and {more} more, {len(found)} in all; {remedy}")
