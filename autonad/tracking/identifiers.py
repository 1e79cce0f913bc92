"""Names that people give, as a tracking server takes them: readable, and different ones stay different."""

from __future__ import annotations

import hashlib
import posixpath
import re
import unicodedata

# MLflow takes letters and digits of every script (`\w`), "_", "-", ".", blanks and, in some places, "/";
# of ":" it depends on the server's operating system (mlflow/utils/validation.py).
_MARK = re.compile(r"-[0-9a-f]{8}$")


def identifier(name: str, *, also: str = "", limit: int = 250) -> str:
    """A name that a server accepts, one for each name.

    What the server takes stays as it is. Otherwise "_" stands for each character that it refuses, and "-"
    with eight digits of the name's sha256 follows, so that `depth>1` and `depth<1` stay two.

    Args:
        name: Any text; its Unicode normal forms count as one name.
        also: Characters that are kept besides letters, digits, "_", "-" and ".".
        limit: Characters at most; the end of a longer name is kept.

    Returns:
        The identifier, never empty.
    """
    name = unicodedata.normalize("NFC", name)
    kept = re.sub(rf"[^\w.{re.escape(also)}-]", "_", name).strip(" ") or "_"
    if _is_ambiguous_path(kept):
        kept = re.sub(r"[./]", "_", kept)
    if kept == name and len(name) <= limit and not _MARK.search(name):
        return name
    mark = f"-{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
    return kept[-(limit - len(mark)) :].lstrip(" /") + mark


def tag_is(tag: str, value: str) -> str:
    """Clause of a search filter: a tag has a value.

    Filters have no escapes, so of a value with both kinds of quotes the single ones match any character.
    """
    if "'" not in value:
        return f"tags.`{tag}` = '{value}'"
    if '"' not in value:
        return f'tags.`{tag}` = "{value}"'
    return f"tags.`{tag}` LIKE '{value.replace(chr(39), '_')}'"


def _is_ambiguous_path(name: str) -> bool:
    return posixpath.normpath(name) != name or name.startswith(("..", "/")) or name == "."
