from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from autonad.appearance.calibration import Calibration, FalseAlarms, calibrate, draw_parts
from autonad.errors import DatasetError

MakeTable = Callable[..., pd.DataFrame]


def test_unchanged_batches_raise_few_alarms(make_table: MakeTable) -> None:
    found = calibrate(make_table(0, 60), batch_images=(20, 60), alpha=0.05, draws=60, permutations=99)

    assert [(size.images, size.draws) for size in found.sizes] == [(20, 60), (60, 60)]
    assert all(size.alarms <= 9 for size in found.sizes)  # 3 are expected
    assert found.alpha == 0.05


def test_a_calibration_repeats_and_survives_json(make_table: MakeTable) -> None:
    table = make_table(0, 40)
    arguments = {"batch_images": (20,), "alpha": 0.2, "draws": 20, "permutations": 49}
    first = calibrate(table, **arguments)  # type: ignore[arg-type]

    assert calibrate(table.sample(frac=1, random_state=1), **arguments) == first  # type: ignore[arg-type]
    assert Calibration.from_dict(json.loads(json.dumps(first.to_dict()))) == first


def test_sizes_that_the_images_do_not_allow_are_not_drawn(make_table: MakeTable) -> None:
    table = make_table(0, 10, images=(2, 2))
    found = calibrate(table, batch_images=(10, 11), draws=3, permutations=199)

    assert [size.draws for size in found.sizes] == [3, 0]
    assert found.sizes[1].rate is None
    assert found.warning == ""


def test_images_without_masks_are_calibrated_too(make_table: MakeTable) -> None:
    table = make_table(0, 40).assign(classes=None)
    assert calibrate(table, batch_images=(20,), draws=3, permutations=199).sizes[0].draws == 3


def test_too_many_alarms_are_said() -> None:
    bad = Calibration(0.01, (FalseAlarms(30, 200, 4), FalseAlarms(100, 200, 9)))

    assert "9 of 200 unchanged batches of 100 images" in bad.warning
    assert "30 images" not in bad.warning


def test_levels_that_cannot_be_reached_are_refused(make_table: MakeTable) -> None:
    for arguments in ({"permutations": 10}, {"alpha": 0.0}, {"alpha": 1.5}):
        with pytest.raises(DatasetError, match="permutations"):
            calibrate(make_table(0, 10), **arguments)  # type: ignore[arg-type]


def test_drawn_parts_are_whole_and_leave_one() -> None:
    images = np.array([3, 6, 1, 6, 2])
    for seed in range(20):
        chosen = draw_parts(images, 7, np.random.default_rng(seed))
        assert images[chosen].sum() >= 7
        assert not chosen.all()
    assert draw_parts(images, 100, np.random.default_rng(0)).sum() == 4
