"""How red flags are handed on: in the files of the steps, and as lines for people.

Every step that judges writes what it found, and what it read, into its own files under `KEY`: what was wrong
with a supernet is still said on the card of a detector that came from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autonad.console import printable
from autonad.data.faults import Fault
from autonad.errors import StorageError
from autonad.files import read_json

KEY = "red_flags"
_LONGEST_NAME = 60  # characters


def line_of(flag: Fault) -> str:
    """One line that can be printed and stored; "error" would say that the command failed."""
    return printable(f"{'warning' if flag.severity == 'warning' else 'red flag'}: {said_of(flag)}")


def said_of(flag: Fault) -> str:
    """What is concerned, and what is wrong with it; one line that can be printed and stored."""
    return printable(f"{printable(flag.item, _LONGEST_NAME)}: {flag.message}")


def to_json(flags: Iterable[Fault]) -> list[dict[str, str]]:
    """Plain JSON values, each flag once, to be written under `KEY`."""
    return [asdict(flag) for flag in dict.fromkeys(flags)]


def from_json(document: Mapping[str, Any], source: object) -> tuple[Fault, ...]:
    """What a file or a provenance holds under `KEY`; nothing where it holds none.

    Args:
        document: Its content.
        source: What it is called in messages.

    Raises:
        StorageError: It is something else.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return tuple(TypeAdapter(list[Fault]).validate_python(document.get(KEY) or []))
    except ValidationError as error:
        raise StorageError(
            f"the {KEY} in {source} are damaged ({error.error_count()} faults); run the step that wrote it "
            "again"
        ) from error


def of_search(folder: Path | None) -> tuple[Fault, ...]:
    """What a search folder says; nothing where it is no finished one.

    Raises:
        StorageError: Its `search.json` is damaged.
    """
    path = None if folder is None else folder / "search.json"
    if path is None or not path.is_file():
        return ()
    found = read_json(path, "the search")
    return from_json(found if isinstance(found, dict) else {}, path)
