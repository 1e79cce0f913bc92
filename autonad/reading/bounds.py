"""JSON and YAML as plain values, within bounds, whatever the text is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

import yaml

from autonad.console import shown
from autonad.errors import first_line

LARGEST_JSON, LARGEST_YAML, LARGEST_DOCUMENTS = 2**27, 2**18, 2**22  # bytes
_DEEPEST = 64
_MOST_EXPANDED = 100_000  # values of YAML; those behind an alias count each time that it is used
_LARGEST_NUMBER = 2**128  # the state of a random generator
_LONGEST_REASON = 150  # characters
_KINDS = {"int": "whole number", "float": "number", "timestamp": "date"}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TOO_DEEP = f"it is nested more than {_DEEPEST} deep"


class Unreadable(ValueError):
    """Content that is not what it should be; the message is one short line that follows a file's name."""


def read_bytes(path: Path, most: int = LARGEST_JSON) -> bytes:
    """The bytes of a file.

    Args:
        path: The file.
        most: Bytes that it may have.

    Raises:
        OSError: It is missing or cannot be read.
        Unreadable: It is larger.
    """
    _check_size(path.stat().st_size, most)
    return path.read_bytes()


def parse_json(content: bytes | str) -> Any:
    """A JSON text in UTF-8 as plain values; every number in it is finite.

    Raises:
        Unreadable: It is no JSON, too large or nested too deeply, or holds a number or a text that is none.
    """
    _check_size(len(content), LARGEST_JSON)
    try:
        text = content if isinstance(content, str) else content.decode()
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Unreadable(_reason(error, "it is no JSON")) from error
    _check_json(value)
    return value


def parse_yaml(text: str) -> Any:
    """A YAML text as plain values.

    Raises:
        Unreadable: It is no YAML, too large or nested too deeply, also by aliases, or holds a value that is
            not the number or date that it looks like.
    """
    _check_size(len(text), LARGEST_YAML)
    try:
        value = yaml.load(text, _Shallow)  # nosec B506 # a SafeLoader
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(_reason(error, "it is no YAML")) from error
    _expanded(value, {}, 0)
    return value


def parse_documents(text: str) -> list[Any]:
    """A YAML text of several documents as plain values; see `parse_yaml`."""
    _check_size(len(text), LARGEST_DOCUMENTS)
    try:
        values = list(yaml.load_all(text, _Shallow))
    except (yaml.YAMLError, ValueError) as error:
        raise Unreadable(_reason(error, "it is no YAML")) from error
    for value in values:
        _expanded(value, {}, 0)
    return values


class _Shallow(yaml.SafeLoader):
    """Plain values that are nested only so deep, in which no key hides another."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unreadable(_TOO_DEEP)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: Any) -> Any:
        node, seen = super().compose_mapping_node(anchor), set[tuple[str, str]]()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if (key.tag, key.value) in seen:
                    raise Unreadable(
                        f"line {key.start_mark.line + 1}: {folded(key.value, 40)} stands there twice"
                    )
                seen.add((key.tag, key.value))
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        # PyYAML lets Python's own errors through where a value only looks like a number or a date.
        except (ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
            if isinstance(error, Unreadable):
                raise
            kind = _KINDS.get(str(node.tag).rpartition(":")[2], node.tag)
            raise Unreadable(
                f"line {node.start_mark.line + 1}: {folded(str(node.value), 40)} is no {kind}"
            ) from error


def folded(text: str, most: int = _LONGEST_REASON) -> str:
    """What another program says, in one line of at most so many characters that can be seen."""
    line = shown(" ".join(text[: 4 * most].split()))
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def _check_size(size: int, most: int) -> None:
    if size > most:
        raise Unreadable(f"it has {size / 2**20:.1f} MiB, and at most {most / 2**20:g} MiB are read")


def _no_constant(name: str) -> NoReturn:
    raise Unreadable(f"it holds {name}, which is no number")


def _reason(error: BaseException, what: str) -> str:
    match error:
        case Unreadable():
            return str(error)
        case RecursionError():
            return _TOO_DEEP
        case UnicodeDecodeError():
            return "it is no text in UTF-8"
        case yaml.MarkedYAMLError(problem_mark=mark):
            where = "" if mark is None else f", line {mark.line + 1}"
            return f"{what}{where}: {folded(error.problem or first_line(error))}"
        case ValueError() if "int_max_str_digits" in str(error):
            return "it holds a number of thousands of digits"
    return f"{what}: {folded(first_line(error))}"


def _check_json(value: Any) -> None:
    """Make sure that a value from JSON is nested only so deep, and that each number and text is one."""
    level, depth = [value], 0
    while level:
        if depth > _DEEPEST:
            raise Unreadable(_TOO_DEEP)
        following: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                _check_plain(one)
                following += one.values()
            elif isinstance(one, list):
                following += one
        _check_plain(level)
        level, depth = following, depth + 1


def _check_plain(values: Iterable[Any]) -> None:
    for one in values:
        if isinstance(one, str):
            if _LONE_SURROGATE.search(one):
                raise Unreadable("it holds half a character, which is no text")
        elif isinstance(one, float):
            if not math.isfinite(one):
                raise Unreadable("it holds a number that is too large")
        elif isinstance(one, int) and abs(one) > _LARGEST_NUMBER:
            raise Unreadable("it holds a number that is too large")


def _expanded(value: Any, known: dict[int, int], depth: int) -> int:
    """How many values there are in one from YAML, where an alias stands for all that is behind it.

    Args:
        value: The value.
        known: What was counted already, by `id`.
        depth: How deep it lies.

    Raises:
        Unreadable: They are too many, or nested too deeply, also because it holds itself.
    """
    if not isinstance(value, dict | list | tuple | set):
        return 1
    if depth > _DEEPEST:
        raise Unreadable(_TOO_DEEP)
    if id(value) not in known:
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_expanded(one, known, depth + 1) for one in inner)
    if known[id(value)] > _MOST_EXPANDED:
        raise Unreadable(f"with its aliases it holds more than {_MOST_EXPANDED:,} values")
    return known[id(value)]
