"""Which images show the same part, as the user states it: groups.csv, in any unambiguous spelling."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from autonad.console import abridged, some
from autonad.data.faults import Fault
from autonad.data.images import IMAGE_SUFFIXES
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.naming import Names, path_key
from autonad.errors import DatasetError

# Words for the two columns, without case, blanks, "_" and "-".
_IMAGE = ("image", "file", "filename", "imagename", "imagepath", "imagefile", "filepath", "path", "img")
_GROUP = ("group", "groupid", "part", "partid", "partno", "partnumber", "piece", "specimen", "serial", "id")
GROUPS = "groups.csv"
_SEPARATORS = (",", ";", "\t", "|")


def read_groups(path: Path) -> dict[str, str]:
    """Group by image, as a table states it.

    The columns `image` (a path or a bare name) and `group` may also be called as people call them (filename,
    part, id …), in any case and order, among others. Separators are ",", ";", tab or "|"; the text is UTF-8
    or UTF-16, with or without a byte order mark.

    Returns:
        Group by `path_key` of the image; without the rows whose group is empty.

    Raises:
        DatasetError: The file is missing, is no such table, or gives an image two groups.
    """
    text = _text(path)
    first, _, rest = text.partition("\n")
    separators: Sequence[str] = _SEPARATORS
    if first.lower().startswith("sep=") and len(first.strip()) == 5:  # what Excel writes above the header
        text, separators = rest, (first.strip()[4],)
    rows, image, group = _columns(path, text, separators)
    groups: dict[str, str] = {}
    for number, row in rows:
        if len(row) <= max(image, group):
            raise DatasetError(
                f"groups file {path}, line {number}: it has {len(row)} cells, the header more; complete it"
            )
        key, value = path_key(row[image]), row[group].strip()
        if key and value and groups.setdefault(key, value) != value:
            raise DatasetError(
                f"groups file {path} puts {key} into groups {groups[key]} and {value}; choose one"
            )
    return groups


def match_groups(
    known: Mapping[str, str], items: Sequence[str], root: Path, table: str
) -> tuple[dict[str, str], list[Fault]]:
    """Stated group of every item, empty where the table names none.

    Args:
        known: From `read_groups`.
        items: Images, relative to their source folder.
        root: That folder, for absolute paths.
        table: Name of the file in messages.

    Returns:
        Group by item; and warnings: rows that name no image, or several, and images that no row names.

    Raises:
        DatasetError: The table names none of the images, or gives one two groups.
    """
    names = Names(items, root)
    groups, lost, unclear = dict.fromkeys(items, ""), list[str](), list[str]()
    for key, group in known.items():
        found = names.find(key)
        if len(found) != 1:
            # A file that is there was left out by the reader, which says so itself.
            if found or not _is_file(root / key):
                (unclear if found else lost).append(key)
        elif groups[found[0]] not in {"", group}:
            raise DatasetError(
                f"groups file {table} puts {found[0]} into groups {groups[found[0]]} and {group}; choose one"
            )
        else:
            groups[found[0]] = group
    if items and not any(groups.values()) and not unclear:
        raise DatasetError(
            f"groups file {table} names none of the images; write their names or paths, such as {items[0]}"
        )
    faults = []
    if unclear:
        both = " and ".join(names.find(unclear[0])[:2])
        message = (
            f"{_some(unclear, 'row')} may mean several images ({both}); write paths instead of bare names"
        )
        faults.append(Fault("error", "ambiguous-group", table, message))
    if lost:
        message = f"{_some(lost, 'row')} name no usable image; correct or remove them"
        faults.append(Fault("warning", "unknown-row", table, message))
    return groups, [*faults, *without_group(groups, table)]


def without_group(groups: Mapping[str, str], table: str) -> list[Fault]:
    """A warning if a table leaves images without a group.

    Args:
        groups: Group by item, empty where the table names none.
        table: Name of the file in messages.
    """
    alone = [item for item, group in groups.items() if not group]
    if not alone:
        return []
    message = f"it gives no group to {_some(alone, 'image')}; near-duplicates among them are searched for"
    return [Fault("warning", "no-group", table, message)]


def stated_groups(layout: Layout, groups_csv: Path | None) -> tuple[Mapping[str, str] | None, list[Fault]]:
    """Group of every record, or None when they have to be found by similarity.

    What the layout itself states counts where there is no table.

    Raises:
        DatasetError: See `read_groups` and `match_groups`.
    """
    if groups_csv is None:
        return layout.groups, []
    items = [record.item for record in layout.records]
    return match_groups(read_groups(groups_csv), items, layout.source, groups_csv.name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # no name that a file could have
        return False


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"groups file {path} does not exist; check the path") from error
    except OSError as error:
        raise DatasetError(f"groups file {path} cannot be read: {error.strerror}; check it") from error
    encoding = "utf-8-sig"
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        encoding = "utf-16"
    elif b"\0" in content[:2]:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
    try:
        return "\n".join(content.decode(encoding).splitlines())
    except UnicodeDecodeError as error:
        raise DatasetError(f"groups file {path} is not in UTF-8; save it as CSV in UTF-8") from error


def _columns(
    path: Path, text: str, separators: Sequence[str]
) -> tuple[list[tuple[int, list[str]]], int, int]:
    """Numbered rows without the header, and which columns are the image and its group."""
    widest: list[str] = []
    for separator in separators:
        try:
            reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
            rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
        except csv.Error as error:
            raise DatasetError(f"groups file {path} cannot be read: {error}; save it as CSV") from error
        header = rows[0][1] if rows else []
        image, group = _column(header, _IMAGE, path), _column(header, _GROUP, path)
        if image is not None and group is not None:
            return rows[1:], image, group
        if len(header) == 2 and Path(header[0].strip()).suffix.lower() in IMAGE_SUFFIXES:
            return rows, 0, 1
        if len(header) > len(widest):
            widest = header
    raise DatasetError(
        f"groups file {path} has the columns {abridged(', '.join(widest), 100)}; it needs image and group"
    )


def _column(header: Sequence[str], words: Sequence[str], path: Path) -> int | None:
    """The column that one of the words names; the first word wins over the others."""
    plain = ["".join(c for c in cell.lower() if c not in " _-\t") for cell in header]
    found = [i for i, cell in enumerate(plain) if cell == words[0]]
    found = found or [i for i, cell in enumerate(plain) if cell in words]
    if len(found) > 1:
        both = " and ".join(header[i].strip() for i in found[:2])
        raise DatasetError(f"groups file {path}: the columns {both} may both be the {words[0]}; rename one")
    return found[0] if found else None


def _some(names: Sequence[str], what: str) -> str:
    shown = some(names)
    return f"{len(names)} {what}{'s' if len(names) > 1 else ''} ({shown})"
