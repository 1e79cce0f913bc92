"""Which networks a search returned, and where each task keeps its part of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from autonad.errors import StorageError
from autonad.files import write_json
from autonad.steps import Variant, variants_of


def listed(*names: str, hardware: str = "aa") -> list[dict[str, Any]]:
    return [{"name": name, "folder": f"variants/{name}", "hardware_key": hardware} for name in names]


def search(folder: Path, variants: list[dict[str, Any]]) -> Path:
    for one in variants:
        (folder / one["folder"]).mkdir(parents=True, exist_ok=True)
        (folder / one["folder"] / "architecture.json").write_text("{}")
    write_json(folder / "search.json", {"variants": variants})
    return folder


@pytest.mark.parametrize("variants", [[], [{"name": "line-3ms", "folder": ".", "hardware_key": "aa"}]])
def test_one_network_alone_lies_in_the_folders_themselves(tmp_path: Path, variants: Any) -> None:
    (only,) = variants_of(search(tmp_path, variants))

    assert only.within(tmp_path) == tmp_path
    assert only.named(miou=0.5) == {"miou": 0.5}


def test_several_have_places_and_names_of_their_own_in_the_order_of_the_budgets(tmp_path: Path) -> None:
    found = variants_of(search(tmp_path, listed("line-30ms", "line-3ms")))

    assert [one.within(Path("model")) for one in found] == [
        Path("model/variants/line-30ms"),
        Path("model/variants/line-3ms"),
    ]
    assert found[1].named(miou=0.5) == {"miou_line-3ms": 0.5}


def test_those_for_other_targets_are_not_made_here(tmp_path: Path) -> None:
    both = listed("line-1ms", "line-3ms") + listed("lab-1ms", hardware="bb")
    found = variants_of(search(tmp_path, both))
    alone = variants_of(search(tmp_path, listed("line") + listed("lab", hardware="bb")))

    assert [one.name for one in found] == ["line-1ms", "line-3ms"]
    assert alone == (Variant(place="variants/line"),)


def test_a_search_that_lost_a_network_is_refused(tmp_path: Path) -> None:
    search(tmp_path, listed("line-1ms", "line-3ms"))
    (tmp_path / "variants/line-3ms/architecture.json").unlink()

    with pytest.raises(StorageError, match="lists 2 networks and lacks variants/line-3ms; search again"):
        variants_of(tmp_path)
