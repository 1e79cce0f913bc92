"""Values on their way to a tracking server: flattened, shortened with notice, free of passwords."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# MLflow's limits (mlflow/utils/validation.py); a server refuses the whole batch when one value is longer.
MAX_PARAM = 6000
MAX_TAG = 5000
MAX_KEY = 250

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")


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
    """A name that the server accepts: other characters become "_", the end of a long one is kept."""
    return re.sub(r"[^0-9A-Za-z_./ -]", "_", name)[-MAX_KEY:]


def redact(message: str) -> str:
    """Replace the user and password of every URI, so that no secret reaches logs or runs."""
    return _CREDENTIALS.sub("***@", message)


def one_line(error: BaseException, limit: int = 300) -> str:
    """Why something failed, in one line without secrets.

    The operating system's reason ("Connection refused") where one lies beneath, since HTTP libraries wrap it
    in hundreds of characters; else the first line of the error's text, else its type.
    """
    beneath: BaseException | None = error
    while beneath is not None:
        if isinstance(beneath, OSError) and beneath.strerror:
            return beneath.strerror
        beneath = beneath.__cause__ or beneath.__context__
    lines = redact(str(error)).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:limit]
