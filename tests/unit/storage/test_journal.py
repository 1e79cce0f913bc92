"""A journal that is cut off at any byte keeps every whole line and can be continued."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from autonad.errors import StorageError
from autonad.storage.journal import Journal


def test_cut_off_at_any_byte_it_keeps_the_whole_lines_and_goes_on(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "out" / "journal.jsonl")
    journal.begin({"first": 1})
    for number in range(3):
        journal.append({"number": number, "share": 0.1 * number})
    content = journal.path.read_bytes()
    whole = journal.read("the journal")
    first = content.index(b"\n") + 1
    for length in range(first, len(content) + 1):
        journal.path.write_bytes(content[:length])
        kept = journal.read("the journal")
        assert kept == whole[: content[:length].count(b"\n")]
        journal.append({"next": 1})
        assert journal.read("the journal") == [*kept, {"next": 1}]


def test_an_entry_costs_its_own_bytes_alone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.begin({})
    inode, sizes = journal.path.stat().st_ino, []
    for _ in range(100):
        journal.append({"miou": 0.5})
        sizes.append(journal.path.stat().st_size)
    assert journal.path.stat().st_ino == inode
    assert {after - before for before, after in pairwise(sizes)} == {len('{"miou": 0.5}\n')}


def test_a_damaged_line_and_a_missing_file_are_named(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    with pytest.raises(StorageError, match=r"the journal at .*journal.jsonl cannot be read"):
        journal.read("the journal")
    journal.path.write_text('{"a": 1}\n{"a"\n{"a": 2}\n')
    with pytest.raises(StorageError, match="delete it to start anew"):
        journal.read("the journal")
