"""What is kept apart: each file under a name of its own, with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from autonad.data.ingest.quarantine import Quarantine


@pytest.mark.parametrize(
    ("prefix", "names", "items"),
    [
        ("", ["images-a.png.png", "images-a.png-2.png"], ["images/a.png", "images/gone.png"]),
        ("b1", ["b1-images-a.png", "b1-images-a-2.png"], ["b1/images/a.png", "b1/images/gone.png"]),
    ],
)
def test_file_and_reason_are_kept(tmp_path: Path, prefix: str, names: list[str], items: list[str]) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"broken")
    quarantine = Quarantine(prefix, set())
    quarantine.keep(bad, "images/a.png", "it is damaged")
    quarantine.keep(bad, "images/a.png", "it is damaged again")
    quarantine.keep(tmp_path / "gone.png", "images/gone.png", "it is missing")
    assert quarantine.added == {f"quarantine/{name}": bad for name in names}
    assert [row["file"] for row in quarantine.reasons] == [*names, ""]
    assert [row["item"] for row in quarantine.reasons] == [items[0], *items]
    assert quarantine.reasons[2]["reason"] == "it is missing"
