"""What is wrong with a dataset or a published layout, one row per finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from autonad.console import shown

Severity = Literal["error", "warning"]
FAULT_COLUMNS = ("severity", "kind", "item", "message")


@dataclass(frozen=True)
class Fault:
    """One finding.

    Attributes:
        severity: "error" for what must be mended; "warning" for what is known, handled or doubtful.
        kind: A short constant word for the kind of fault, such as "unreadable".
        item: The file, relative to its folder, or what else is concerned.
        message: What we found and what was, or can be, done about it. In both, what cannot be printed is
            escaped.
    """

    severity: Severity
    kind: str
    item: str
    message: str

    def __post_init__(self) -> None:
        """Names come from strangers' files."""
        object.__setattr__(self, "item", shown(self.item))
        object.__setattr__(self, "message", shown(self.message))


def fault_table(faults: Iterable[Fault]) -> pd.DataFrame:
    """Faults as a table (severity, kind, item, message), errors first, in a stable order."""
    rows = sorted(
        (asdict(fault) for fault in set(faults)), key=lambda row: tuple(row[c] for c in FAULT_COLUMNS)
    )
    return pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
