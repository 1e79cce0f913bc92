"""Small inputs that real users' reports led to, of the kind that can be read and is wrong.

Each is generated here; where the folder of the reports' own inputs is present, it is read as well.
"""

from __future__ import annotations

from pathlib import Path

import layouts as make
import numpy as np
import pytest

from autonad.data.audit import audit_layout
from autonad.data.faults import NothingUsable
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings

CASES = Path(__file__).parents[4] / "shared" / "cases"
SETTINGS = IngestSettings(format="masks")


def black(root: Path) -> Path:
    return make.masks(root, [0], count=12)


def inverted(root: Path) -> Path:
    for number in range(12):
        mask = np.roll(make.patch(255), (2 * number, number), axis=(0, 1))
        image = np.where(mask[..., None] > 0, 30, make.texture(number) // 2 + 100)
        make.save(root / "images" / f"{number}.png", image.astype(np.uint8))
        make.save(root / "masks" / f"{number}.png", 255 - mask)
    return root


def case(name: str) -> Path:
    if not (CASES / name).is_dir():
        pytest.skip("the inputs of the reports are not here")
    return CASES / name


@pytest.mark.parametrize("origin", ["generated", "17-all-black"])
def test_masks_that_are_all_black_import_nothing_and_are_named(tmp_path: Path, origin: str) -> None:
    source = black(tmp_path / "m") if origin == "generated" else case(origin)
    with pytest.raises(NothingUsable, match=r"none of 12 images in .* shows a usable defect") as caught:
        import_dataset(source, tmp_path / "d", SETTINGS)
    for faults in (caught.value.faults, audit_layout(source, SETTINGS).faults):
        named = faults[faults["kind"] == "empty-mask"]
        assert len(named) == 12
        assert set(named["severity"]) == {"error"}
        assert named["message"].str.contains("save defects as values above 127").all()
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("origin", ["generated", "35-inverted"])
def test_masks_that_are_inverted_are_imported_with_a_warning(tmp_path: Path, origin: str) -> None:
    source = inverted(tmp_path / "m") if origin == "generated" else case(origin)
    for faults in (
        import_dataset(source, tmp_path / "d", SETTINGS).faults,
        audit_layout(source, SETTINGS).faults,
    ):
        found = faults[faults["kind"] == "inverted-masks"]
        assert found["severity"].tolist() == ["warning"]
        assert "12 of 12 masks" in found["message"].iloc[0]
        assert set(faults["kind"]) == {"inverted-masks", "no-groups"}
