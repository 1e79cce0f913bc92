"""Real magnetic tiles, where they are at hand: few parts, each shown about six times at several exposures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from autonad.appearance.calibration import calibrate, draw_parts
from autonad.appearance.drift import compare
from autonad.appearance.features import extract_features, image_features
from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings

SOURCE = Path(__file__).parents[4] / "shared" / "data" / "mt"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SOURCE.is_dir(), reason="the magnetic tiles are not here"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("tiles") / "mt"
    import_dataset(SOURCE, root, IngestSettings(format="mt", include_defect_free=False))
    return Dataset.open(root)


@pytest.fixture(scope="module")
def table(dataset: Dataset) -> pd.DataFrame:
    return extract_features(dataset, dataset.manifest)


def draw(table: pd.DataFrame, images: int, seed: int) -> set[str]:
    sizes = table.groupby("group").size()
    return set(sizes.index[draw_parts(sizes.to_numpy(), images, np.random.default_rng(seed))])


def test_unchanged_batches_of_whole_tiles_raise_few_alarms(table: pd.DataFrame) -> None:
    found = calibrate(table, draws=150, permutations=199)

    assert all(size.draws == 150 and size.alarms <= 5 for size in found.sizes)


@pytest.mark.parametrize("change", ["blur", "noise", "brightness"])
def test_a_changed_camera_is_seen_in_a_hundred_images(
    dataset: Dataset, table: pd.DataFrame, change: str
) -> None:
    rng = np.random.default_rng(0)
    groups = draw(table, 100, 0)
    batch = table[table["group"].isin(groups)].reset_index(drop=True)
    rows = dataset.manifest.set_index("image", drop=False)
    for position, name in enumerate(batch["image"]):
        image = dataset.read_image(rows.loc[name]).astype(np.float32)
        image = {
            "blur": cv2.GaussianBlur(image, (0, 0), sigmaX=1.0),
            "noise": image + rng.normal(0, 8, image.shape[:2])[..., None],
            "brightness": image + 25,
        }[change]
        changed = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        found = image_features(changed, dataset.read_mask(rows.loc[name]), dataset.num_classes)
        batch.loc[position, list(found)] = list(found.values())

    drift = compare(table[~table["group"].isin(groups)], batch)
    assert drift.changed
    assert drift.new_classes == ()
