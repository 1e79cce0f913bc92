import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autonad.errors import LatencyError, StorageError
from autonad.latency.sums import Calibration, calibrate
from autonad.latency.table import LatencyTable
from autonad.space import Architecture, SearchSpace

Make = Callable[[SearchSpace], LatencyTable]


@pytest.mark.parametrize("preset", ["tiny", "small", "table1", "released", "edge"])
def test_the_prediction_is_the_sum_of_the_pieces_for_every_member(
    preset: str,
    profile_table: Make,
    whole_network_ms: Callable[[Architecture], float],
    rng: np.random.Generator,
) -> None:
    space = SearchSpace.preset(preset)
    table = profile_table(space)
    for architecture in (space.smallest(), space.largest(), *(space.sample(rng) for _ in range(50))):
        assert table.predict(architecture) == pytest.approx(whole_network_ms(architecture), rel=1e-9)


def test_calibration_scales_and_shifts_and_never_goes_below_zero(
    profile_table: Make, rng: np.random.Generator
) -> None:
    space = SearchSpace.preset("tiny")
    table = profile_table(space)
    architecture = space.sample(rng)
    raw = table.predict(architecture)
    calibrated = dataclasses.replace(table, calibration=Calibration(0.5, 2.0, 1.0, 0.0, ()))
    assert calibrated.raw(architecture) == raw
    assert calibrated.predict(architecture) == pytest.approx(0.5 * raw + 2.0)
    below = dataclasses.replace(table, calibration=Calibration(0.5, -1e6, 1.0, 0.0, ()))
    assert below.predict(architecture) == 0.0


def test_calibration_recovers_a_line_and_reports_how_well_it_predicts() -> None:
    sums = [1.0, 2.0, 4.0, 8.0, 9.0]
    exact = calibrate([(str(s), s, 0.7 * s + 0.4) for s in sums])
    assert (exact.slope, exact.offset) == pytest.approx((0.7, 0.4))
    assert exact.rank_correlation == pytest.approx(1.0)
    assert exact.error == pytest.approx(0.0, abs=1e-9)
    noisy = calibrate([(str(s), s, ms) for s, ms in zip(sums, [2.0, 1.0, 5.0, 4.0, 9.0], strict=True)])
    assert noisy.rank_correlation == pytest.approx(0.8)
    assert noisy.error > 0.1
    # Each network by the line through the two others: -2 for 1, 3.5 for 2, 3 for 6.
    three = calibrate([("a", 1.0, 1.0), ("b", 2.0, 2.0), ("c", 3.0, 6.0)])
    assert three.error == pytest.approx((3.0 + 0.75 + 0.5) / 3)


def test_calibration_keeps_the_order_of_sums_when_noise_outweighs_them() -> None:
    falling = calibrate([("a", 1.0, 3.0), ("b", 2.0, 2.0), ("c", 3.0, 1.0)])
    assert falling.slope > 0
    equal = calibrate([("a", 1.0, 3.0), ("b", 1.0, 2.0), ("c", 1.0, 1.0)])
    assert equal.slope > 0
    assert equal.rank_correlation == 0.0
    for points in ([("a", 1.0, 1.0)], [(name, 1.0, 0.0) for name in "abc"]):
        with pytest.raises(LatencyError, match="three or more"):
            calibrate(points)


def test_a_saved_table_comes_back_equal_and_equal_tables_give_equal_bytes(
    tmp_path: Path, profile_table: Make
) -> None:
    space = SearchSpace.preset("tiny")
    points = (("0123456789ab", 1.5, 2.5),)
    table = dataclasses.replace(
        profile_table(space),
        calibration=Calibration(0.1 + 0.2, 1 / 3, 0.9, 0.05, points),
        context={"space": space.key, "input_size": [64, 64]},
    )
    table.save(tmp_path / "a.parquet")
    loaded = LatencyTable.load(tmp_path / "a.parquet")
    loaded.save(tmp_path / "b.parquet")
    assert loaded.frame.equals(table.frame)
    assert (loaded.source, loaded.calibration, loaded.context) == (
        table.source,
        table.calibration,
        table.context,
    )
    assert loaded.predict(space.largest()) == table.predict(space.largest())
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="autonad profile-latency"):
        LatencyTable.load(tmp_path / "table.parquet")
    (tmp_path / "table.parquet").write_bytes(b"PAR1 not at all")
    with pytest.raises(LatencyError, match="no latency table"):
        LatencyTable.load(tmp_path / "table.parquet")
    pd.DataFrame({"ms": [1.0]}).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(LatencyError, match="no latency table"):
        LatencyTable.load(tmp_path / "table.parquet")
    with pytest.raises(LatencyError, match="stderr"):
        LatencyTable(pd.DataFrame({"ms": [1.0]}), "profile")


def test_an_architecture_of_another_space_is_named(profile_table: Make) -> None:
    table = profile_table(SearchSpace.preset("tiny", operators=["attention"]))
    with pytest.raises(LatencyError, match="convolution"):
        table.predict(SearchSpace.preset("tiny").largest())


def test_operator_costs_average_over_widths_and_ratios(profile_table: Make) -> None:
    space = SearchSpace.preset("tiny")
    table = profile_table(space)
    costs = table.operator_costs()
    blocks = costs[costs["edge"].isna()]
    places = sum(max(stage.depths) for stage in space.stages)
    assert len(blocks) == places * len(space.mixers)
    assert len(costs) - len(blocks) == 10 * len(space.edge_operators)
    frame = table.frame
    rows = frame[(frame["part"] == "block") & (frame["stage"] == 3) & (frame["block"] == 1)]
    rows = rows[(rows["operator"] == "convolution") & (rows["kernel"] == 5)]
    found = blocks[(blocks["stage"] == 3) & (blocks["block"] == 1) & (blocks["mixer"] == "convolution5")]
    assert found["ms"].item() == pytest.approx(rows["ms"].mean())
    assert found["n"].item() == rows["n"].sum()
    assert found["stderr"].item() == pytest.approx(0.002 / len(rows) ** 0.5)
