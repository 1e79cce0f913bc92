"""How findings are printed: each on a line, and of one kind only so many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from autonad.console import with_paths

MOST_OF_A_KIND = 5  # findings of one kind and severity that a terminal shows


@contextmanager
def causes_printed() -> Iterator[None]:
    """Print why nothing could be used, before that ends the command."""
    from autonad.data.faults import NothingUsable

    try:
        yield
    except NothingUsable as error:
        print_faults(error.faults)
        raise


def print_faults(faults: Any, listed: Path | None = None) -> None:
    """Print findings, errors first.

    Args:
        faults: Table of severity, kind, item, message.
        listed: The file that holds all of them, if there is one.
    """
    remedy = f"all of them are in {listed}" if listed else "`autonad audit --output DIR` lists all of them"
    for (severity, kind), found in faults.groupby(["severity", "kind"], sort=False):
        for fault in found.head(MOST_OF_A_KIND).itertuples():
            print(f"{severity:<8} {kind:<20} {with_paths(f'{fault.item}: {fault.message}')}")
        more = len(found) - MOST_OF_A_KIND
        if more > 0:
            print(f"{severity:<8} {kind:<20} … and {more} more, {len(found)} in all; {remedy}")
