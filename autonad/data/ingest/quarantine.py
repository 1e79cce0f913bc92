"""Files that are kept apart, each with its reason, so that they are neither used nor lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from autonad.console import shown
from autonad.data.writer import unique_name

QUARANTINE = "quarantine"


@dataclass
class Quarantine:
    """What goes to quarantine.

    Attributes:
        prefix: Begins the names of its files and items; may be empty.
        taken: File names without suffix, case-folded, that are there already.
        added: Files to add: place in the dataset → where they are.
        reasons: New rows of quarantine/reasons.csv: file ("" if there is none), item, reason.
    """

    prefix: str
    taken: set[str]
    added: dict[str, Path] = field(default_factory=dict)
    reasons: list[dict[str, str]] = field(default_factory=list)

    def keep(self, path: Path | None, item: str, reason: str) -> None:
        """Keep a file apart; of one that is missing or cannot be read, the reason alone."""
        name = ""
        if path is not None and _is_readable(path):
            place = self.place(item)
            self.added[place] = path
            name = Path(place).name
        self.reasons.append(
            {
                "file": name,
                "item": shown(f"{self.prefix}/{item}" if self.prefix else item),
                "reason": shown(reason),
            }
        )

    def retire(self, file: str, reason: str) -> str:
        """Record that a file of the dataset moves here; its new place in the dataset."""
        place = self.place(file)
        self.reasons.append({"file": Path(place).name, "item": file, "reason": reason})
        return place

    def place(self, item: str) -> str:
        """A free place for a file."""
        wanted = f"{self.prefix}-{Path(item).with_suffix('')}" if self.prefix else item
        return f"{QUARANTINE}/{unique_name(wanted, self.taken)}{Path(item).suffix.lower()}"


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False
