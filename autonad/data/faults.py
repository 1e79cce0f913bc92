"""What is wrong with a dataset or a published layout, one row per finding."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from autonad.errors import DatasetError

Severity = Literal["error", "warning"]
FAULT_COLUMNS = ("severity", "kind", "item", "message")


@dataclass(frozen=True)
class Fault:
    """One finding.

    Attributes:
        severity: "error" for what must be mended; "warning" for what is known, handled or doubtful.
        kind: A short constant word for the kind of fault, such as "unreadable".
        item: The file, relative to its folder, or what else is concerned.
        message: What we found and what was, or can be, done about it.
    """

    severity: Severity
    kind: str
    item: str
    message: str


class NothingUsable(DatasetError):
    """All images were read, and none can be used.

    Attributes:
        faults: Why: severity, kind, item, message.
    """

    def __init__(self, message: str, faults: pd.DataFrame) -> None:
        super().__init__(message)
        self.faults = faults


def fault_table(faults: Iterable[Fault]) -> pd.DataFrame:
    """Faults as a table (severity, kind, item, message), errors first, in a stable order."""
    rows = sorted(
        (asdict(fault) for fault in set(faults)), key=lambda row: tuple(row[c] for c in FAULT_COLUMNS)
    )
    return pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
