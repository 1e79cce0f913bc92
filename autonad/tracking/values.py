"""Values on their way to a tracking server: flattened, shortened with notice, free of passwords."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from autonad.errors import redact
from autonad.tracking.identifiers import identifier

# MLflow's limits (mlflow/utils/validation.py); a server refuses the whole batch when one value is longer.
MAX_PARAM = 6000
MAX_TAG = 5000
MAX_KEY = 250


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one level with dotted keys: `{"a": {"b": 1}}` → `{"a.b": 1}`; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def text(value: Any, limit: int = MAX_PARAM) -> str:
    """A value as text: JSON for lists and mappings, `str` for the rest; one cut at `limit` says so."""
    if isinstance(value, Mapping | list | tuple):
        value = json.dumps(value, default=str)
    shown = redact(str(value))
    if len(shown) <= limit:
        return shown
    notice = f"… (cut, {len(shown)} characters)"
    return shown[: limit - len(notice)] + notice


def key(name: str) -> str:
    """A name of a parameter, a tag or an execution that the server accepts; see `identifier`."""
    return identifier(name, also="/ ", limit=MAX_KEY)
