"""The pin of the last finished search, kept beside the decision while a moved one waits to be searched.

Until a search has been finished on the moved pin, new data are compared with the kept one: whoever takes the
new batch back has the pin back too, and nothing is searched.
"""

from __future__ import annotations

from pathlib import Path

from autonad.appearance.last_search import LastSearch
from autonad.appearance.pin import FEATURES, MANIFEST, PIN, Pin, exists
from autonad.errors import StorageError
from autonad.files import write_bytes_atomic


def compared_pin(folder: Path, kept: Path, last: LastSearch | None) -> Pin | None:
    """The pin that the last finished search was run on where it is here, else the one in the folder.

    Args:
        folder: Pin folder.
        kept: Where the pin of the last search was kept when the one in the folder moved.
        last: The last finished search.

    Returns:
        The pin; None if there is none.

    Raises:
        StorageError: The pin in the folder is damaged.
    """
    if last is not None and not _holds(folder, last.pin_key) and _holds(kept, last.pin_key):
        return Pin.load(kept)
    return Pin.load(folder) if exists(folder) else None


def move_pin(pin: Pin, folder: Path, kept: Path, last: LastSearch | None) -> None:
    """Put a new pin in the folder; the one that the last search was run on is kept."""
    if last is not None and _holds(folder, last.pin_key):
        _copy(folder, kept)
    pin.save(folder)


def return_pin(pin: Pin, folder: Path, kept: Path) -> bool:
    """Put a kept pin back, byte for byte; returns whether the folder held another one."""
    if _holds(folder, pin.key):
        return False
    _copy(kept, folder)
    return True


def _holds(folder: Path, key: str | None) -> bool:
    """Whether a folder holds the pin of this key, whole."""
    try:
        return exists(folder) and Pin.load(folder).key == key
    except StorageError:
        return False


def _copy(source: Path, target: Path) -> None:
    """Copy a pin; `pin.json`, which completes it, comes last."""
    (target / PIN).unlink(missing_ok=True)
    for name in (MANIFEST, FEATURES, PIN):
        write_bytes_atomic(target / name, (source / name).read_bytes())
