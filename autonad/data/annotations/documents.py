"""Files that somebody else's tool wrote, read within limits: JSON, XML, YAML, lines of text.

A file that is too large, nested too deeply, in another encoding or simply damaged ends in one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from autonad.console import shown
from autonad.errors import DatasetError
from autonad.reading.bounds import Unreadable, parse_yaml

_SMALL_BYTES = 2**20  # lists of classes, settings
_MAX_DEPTH = 32


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The bytes of an annotation file; the limit of all files was kept when the source was walked.

    Raises:
        DatasetError: It cannot be read, or is larger than `limit` bytes.
    """
    try:
        if not path.is_file():
            raise DatasetError(f"{path.name} is not there; put it back")
        size = path.stat().st_size
        if limit is not None and size > limit:
            raise DatasetError(
                f"{path.name} has {size / 2**20:.0f} MiB, at most {limit / 2**20:g} are read; split it"
            )
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path.name} cannot be read: {error.strerror}; check its permissions") from error


def read_text(path: Path, limit: int | None = _SMALL_BYTES) -> str:
    """Text in UTF-8, with or without a byte order mark.

    Raises:
        DatasetError: It cannot be read, is too large, or is in another encoding.
    """
    try:
        return read_bytes(path, limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.name} is no text in UTF-8; save it in UTF-8") from error


def read_lines(path: Path) -> list[str]:
    """The lines of a small text file, without blanks around them and without empty ones; see `read_text`."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_json_file(path: Path, shrink: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """JSON in UTF-8 or UTF-16; of equal keys the last one counts.

    Args:
        path: The file.
        shrink: Called with every object as soon as it is read, for what takes its place.

    Raises:
        DatasetError: It cannot be read, is no JSON, is nested too deeply, or holds NaN, infinity or a number
            of thousands of digits.
    """
    content = read_bytes(path)
    try:
        text = content.decode(json.detect_encoding(content))
        del content  # the text alone may have hundreds of megabytes
        return json.loads(text.removeprefix("\ufeff"), object_hook=shrink, parse_constant=_no_constant)
    except (ValueError, RecursionError, MemoryError) as error:
        raise DatasetError(f"{path.name} is no usable JSON: {_reason(error)}; export it again") from error


def read_yaml_file(path: Path) -> Any:
    """A small YAML file.

    Raises:
        DatasetError: It cannot be read, is too large, or is no YAML.
    """
    text = read_text(path)
    try:
        return parse_yaml(text)
    except Unreadable as error:
        raise DatasetError(f"{path.name} is no usable YAML: {error}; export it again") from error


def read_xml_file(
    path: Path, start: Callable[[str, Mapping[str, str]], None], end: Callable[[str, str], None]
) -> None:
    """Walk through an XML file without holding it; entities and document types are refused.

    Args:
        path: The file.
        start: Called with the name and attributes of every element.
        end: Called with its name and the text in it.

    Raises:
        DatasetError: It cannot be read, is no XML, defines entities, or is nested too deeply.
    """
    content = read_bytes(path)
    parser = expat.ParserCreate()
    texts: list[list[str]] = []

    def opened(name: str, attributes: dict[str, str]) -> None:
        if len(texts) >= _MAX_DEPTH:
            raise DatasetError(f"{path.name} is nested more than {_MAX_DEPTH} deep; export it again")
        texts.append([])
        start(name, attributes)

    def closed(name: str) -> None:
        end(name, "".join(texts.pop()).strip())

    def defined(*_: Any) -> NoReturn:
        raise DatasetError(f"{path.name} defines a document type or entities; export it without")

    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = lambda text: texts[-1].append(text) if texts else None
    parser.StartDoctypeDeclHandler = defined
    parser.EntityDeclHandler = defined
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise DatasetError(f"{path.name} is no usable XML: {_reason(error)}; export it again") from error


def end_of(text: str, limit: int = 100) -> str:
    """The end of a text that somebody else wrote, in one line without control codes."""
    return shown(text[-limit:])


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return " ".join(str(error).split())[:120] or type(error).__name__
