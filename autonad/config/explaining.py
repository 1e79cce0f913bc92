"""What is wrong with parameters, in one line: field, what it holds, what it needs, how to write it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from reprlib import Repr
from typing import Any

from pydantic import BaseModel

LONGEST = 300  # characters of a message
LONGEST_VALUE = 60  # characters of a value that it quotes
_SHORT = Repr()  # its own limits hold for lists, depth and numbers
_SHORT.maxstring = _SHORT.maxother = 50


def explain(faults: Sequence[Mapping[str, Any]], model: type[BaseModel], source: str) -> str:
    """All faults in a line, or as many as it takes.

    Args:
        faults: What pydantic found.
        model: Of the whole configuration.
        source: What holds the faults, for the user.
    """
    found: dict[str, list[str]] = {}
    for fault in faults:
        what, need = _fault(fault, model)
        found.setdefault(what, []).append(need[:1].lower() + need[1:])
    lines = [f"{what}: {', or '.join(dict.fromkeys(needs))}" for what, needs in found.items()]
    kept = f"{cut(source, LONGEST // 3)}: {lines[0]}"
    for number, line in enumerate(lines[1:], start=1):
        rest = f"; and {len(lines) - number} more"
        if len(kept) + len(line) + 2 + len(rest) > LONGEST:
            return cut(kept, LONGEST - len(rest)) + rest
        kept += f"; {line}"
    return cut(kept, LONGEST)


def misplaced(data: Mapping[Any, Any], model: type[BaseModel]) -> list[dict[str, Any]]:
    """Sections that hold something else than keys with values, as faults."""
    return [
        {"type": "model_type", "loc": (name,), "input": value, "msg": ""}
        for name, value in data.items()
        if _is_section(model, name) and not isinstance(value, dict)
    ]


def quoted(value: Any) -> str:
    """A value as a message quotes it: of a long or deep one the beginning."""
    return cut(_SHORT.repr(value), LONGEST_VALUE)


def cut(text: str, longest: int) -> str:
    """The beginning of a text, with an ellipsis if there is more."""
    return text if len(text) <= longest else f"{text[: longest - 1].rstrip()}…"


def _fault(fault: Mapping[str, Any], model: type[BaseModel]) -> tuple[str, str]:
    """A fault's field with what it holds, and what it needs."""
    # A union adds the branch that was tried to the field's place ("constrained-float", "literal['auto']").
    names = [str(name) for name in fault["loc"]]
    kept = [name for name in names if not name.startswith(("function", "constrained", "literal[", "tuple["))]
    field, held = cut(".".join(kept), LONGEST_VALUE), quoted(fault["input"])
    match fault["type"]:
        case "extra_forbidden":
            return f"{field} is no known key", _nearest(kept, fault["input"], model)
        case "invalid_key":
            return f"{field} is no known key", "keys are names"
        case "tuple_type":
            return f"{field} is {held}", "it needs a list, such as [a, b]"
        case "missing":
            return f"{field} is missing", "give it a value"
        case "model_type":
            content = _content_of(model.model_fields[names[0]].annotation, fault["input"])
            return (
                f"{field} is {held}",
                f"it is a section and holds keys with values: write {field}: {content}",
            )
        case _:
            return f"{field} is {held}", str(fault["msg"]).removeprefix("Value error, ")


def _nearest(names: Sequence[str], value: Any, model: type[BaseModel]) -> str:
    """Where a key belongs, or which one was probably meant."""
    inner: Any = model
    for name in names[:-1]:
        inner = inner.model_fields[name].annotation
    known, key = list(inner.model_fields), names[-1]
    if key in model.model_fields and not _is_section(model, key):
        return f"it belongs to no section: write {key}: {_as_yaml(value)} at the beginning of a line"
    homes = [
        name
        for name, field in model.model_fields.items()
        if _is_section(model, name) and key in field.annotation.model_fields  # type: ignore[union-attr]
    ]
    if homes:
        return f"it is a key of {', '.join(homes)}: write {homes[0]}: {{{key}: {_as_yaml(value)}}}"
    close = get_close_matches(key, known, n=1)
    return f"did you mean {close[0]}?" if close else f"known here are {', '.join(known)}"


def _is_section(model: type[BaseModel], name: Any) -> bool:
    field = model.model_fields.get(name)
    return (
        field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    )


def _content_of(section: Any, value: Any) -> str:
    """What was probably meant with a value in place of a section's content, else an example."""
    key, _, inner = str(value)[:LONGEST].partition("=" if "=" in str(value)[:LONGEST] else ":")
    if key.strip() in section.model_fields and inner.strip():
        return f"{{{key.strip()}: {cut(inner.strip(), LONGEST_VALUE)}}}"
    first, field = next(iter(section.model_fields.items()))
    return f"{{{first}: {_as_yaml(field.default)}}}"


def _as_yaml(value: Any) -> str:
    """A value as people write it into YAML."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return cut(value, LONGEST_VALUE)
        case tuple():
            return quoted(list(value))
    return quoted(value)
