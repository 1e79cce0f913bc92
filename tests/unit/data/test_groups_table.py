"""Tables of groups as people write them: one meaning, many spellings."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from autonad.data.layouts.groups_table import match_groups, read_groups
from autonad.errors import DatasetError

ITEMS = ["images/ä0.png", "images/p 1.PNG", "images/sub/p2.png"]
STATED = {"images/ä0.png": "s0", "images/p 1.PNG": "s0", "images/sub/p2.png": "s1"}
ROOT = Path("/some/where")


def stated(tmp_path: Path, content: bytes, items: list[str] = ITEMS) -> dict[str, str]:
    path = tmp_path / "groups.csv"
    path.write_bytes(content)
    groups, faults = match_groups(read_groups(path), items, ROOT, path.name)
    assert not faults
    return groups


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_separators(tmp_path: Path, encoding: str, separator: str, end: str) -> None:
    rows = [("image", "group"), *STATED.items()]
    assert stated(tmp_path, end.join(separator.join(row) for row in rows).encode(encoding)) == STATED


@pytest.mark.parametrize(
    "names",
    [
        ("ä0.png", "p 1.PNG", "p2.png"),
        ("ä0", "p 1", "p2"),
        ("Ä0.png", "P 1.png", "P2.PNG"),
        ("./images/ä0.png", "images\\p 1.PNG", ".\\images\\sub\\p2.png"),
        ("/some/where/images/ä0.png", "C:\\set\\images\\p 1.PNG", "/else/images/sub/p2.png"),
        tuple(unicodedata.normalize("NFD", item) for item in ITEMS),
    ],
)
def test_names_and_paths(tmp_path: Path, names: tuple[str, ...]) -> None:
    lines = [f"{name},{group}" for name, group in zip(names, STATED.values(), strict=True)]
    assert stated(tmp_path, "\n".join(["image,group", *lines]).encode()) == STATED


@pytest.mark.parametrize(
    ("header", "order"),
    [
        ("Image,GROUP", 1),
        ("part,filename", -1),
        ("File Name ,Part_ID", 1),
        ("image,id", 1),
        ("sep=,\nimage,group", 1),
        (None, 1),
    ],
)
def test_headers(tmp_path: Path, header: str | None, order: int) -> None:
    lines = [",".join(row[::order]) for row in STATED.items()]
    assert stated(tmp_path, "\n".join([header, *lines] if header else lines).encode()) == STATED


def test_the_exact_word_wins_and_empty_rows_and_columns_do_no_harm(tmp_path: Path) -> None:
    text = "id,image,path,group,\n7,ä0.png,x,s0,\n\n,,,,\n8,p 1.PNG,x,s0,\n9,p2.png,x,s1,\n"
    assert stated(tmp_path, text.encode()) == STATED


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,path,group\n", "file and path may both be"),
        ("image,part,serial\n", "part and serial may both be"),
        ("image,group\nä0.png\n", "line 2: it has 1 cells"),
        ("image,group\nä0.png,1\nimages/ä0.png,2\n", "into groups 1 and 2"),
        ("image,group\nä0.png,1\n./ä0.png,2\n", "into groups 1 and 2"),
        ("image,group\nother.png,1\n", "names none of the images"),
        ("", "needs image and group"),
    ],
)
def test_what_has_no_one_meaning_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        stated(tmp_path, text.encode())


def test_latin_1_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="save it as CSV in UTF-8"):
        stated(tmp_path, "image,group\nä0.png,1\n".encode("latin-1"))


def test_rows_that_fit_none_or_several_images_are_counted_and_named() -> None:
    items = [*(f"{folder}/{n}.png" for folder in "ab" for n in range(3)), "a/x.png"]
    known = {"0.png": "g", "a/1.png": "h", "gone.png": "i", "gone2.png": "i"}
    groups, faults = match_groups(known, items, ROOT, "groups.csv")
    assert {item: group for item, group in groups.items() if group} == {"a/1.png": "h"}
    assert [(fault.severity, fault.kind) for fault in faults] == [
        ("error", "ambiguous-group"),
        ("warning", "unknown-row"),
        ("warning", "no-group"),
    ]
    assert "a/0.png and b/0.png" in faults[0].message
    assert "2 rows (gone.png, gone2.png)" in faults[1].message
    assert "6 images (a/0.png, a/2.png, b/0.png …)" in faults[2].message


def test_the_longer_path_that_a_name_ends_in_is_meant() -> None:
    groups, _ = match_groups({"C:/set/images/a.png": "g"}, ["a.png", "images/a.png"], ROOT, "t")
    assert groups == {"a.png": "", "images/a.png": "g"}
