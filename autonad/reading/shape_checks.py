"""Plain values with the fields and types that a file must have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from autonad.reading.bounds import Unreadable, folded


class Shape(BaseModel):
    """What is relied on in a JSON object: fields that it must have, their types and ranges.

    Further fields may be there. Types are strict: a text is no number, and 1.5 is no count.
    """

    model_config = ConfigDict(frozen=True, extra="allow", strict=True, allow_inf_nan=False)


def check_shape(value: Any, shape: type[BaseModel]) -> dict[str, Any]:
    """A plain value that is an object of this shape, as it is: fields that it may lack are not added.

    Raises:
        Unreadable: It is none; names the first fields that are wrong.
    """
    if not isinstance(value, dict):
        raise Unreadable(f"it holds {folded(repr(value), 40)} in place of named values")
    try:
        shape.model_validate(value)
    except ValidationError as error:
        raise Unreadable(faults(error.errors(include_url=False, include_context=False))) from error
    return value


def faults(found: Sequence[Any], most: int = 2) -> str:
    """What pydantic found, in one short line."""
    lines = [_fault(one) for one in found[:most]]
    more = f", and {len(found) - most} more" if len(found) > most else ""
    return "; ".join(lines) + more


def _fault(one: Any) -> str:
    """A field, what it is, and what it should be."""
    where = folded(".".join(map(str, one["loc"])), 60) or "it"
    if one["type"] == "missing":
        return f"it has no {where}"
    said = folded(str(one["msg"]).removeprefix("Value error, "), 100)
    return f"{where} is {folded(repr(one['input'])[:200], 40)}: {said[:1].lower()}{said[1:]}"
