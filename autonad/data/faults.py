"""What is wrong with a dataset or a published layout, one row per finding."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from autonad.console import abridged, some
from autonad.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

Severity = Literal["error", "warning"]
FAULT_COLUMNS = ("severity", "kind", "item", "message")


@dataclass(frozen=True, slots=True)
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
    """None of the images can be used.

    Attributes:
        faults: Why: severity, kind, item, message.
    """

    def __init__(self, message: str, faults: pd.DataFrame) -> None:
        first = [f"{row.item}: {row.message}" for row in faults.head(1).itertuples()]
        super().__init__("; ".join([message, *first]))
        self.faults = faults


def said_once(faults: Iterable[Fault], kinds: Collection[str], name: str) -> list[Fault]:
    """Findings of some kinds said once, of all items together, and the others as they are.

    Args:
        faults: Findings.
        kinds: Those that one sentence says of all.
        name: What the items are called together.
    """
    rest, items = list[Fault](), dict[tuple[Severity, str, str], list[str]]()
    for fault in faults:
        if fault.kind in kinds:
            items.setdefault((fault.severity, fault.kind, fault.message), []).append(fault.item)
        else:
            rest.append(fault)
    for (severity, kind, message), found in items.items():
        named = some(found)
        count = f"{len(found)} image{'s' * (len(found) > 1)} ({named})"
        rest.append(Fault(severity, kind, name, f"{count}: {message}"))
    return rest


def fault_table(faults: Iterable[Fault]) -> pd.DataFrame:
    """Faults as a table (severity, kind, item, message), errors first, in a stable order.

    Items and messages hold names of strangers' files: what cannot be printed is escaped, and none is endless.
    """
    import pandas as pd

    rows = sorted(
        ({name: abridged(value) for name, value in asdict(fault).items()} for fault in set(faults)),
        key=lambda row: tuple(row[c] for c in FAULT_COLUMNS),
    )
    return pd.DataFrame(rows, columns=list(FAULT_COLUMNS))
