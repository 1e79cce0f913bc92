"""What steps took last time: of the right dataset, stage and end, or nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from autonad.tracking import TrackingSettings, track
from autonad.tracking.history.durations import last_durations
from autonad.tracking.tags import DATASET

STAGES = ("train-supernet", "search")


def took(
    settings: TrackingSettings, stage: str, dataset: str, seconds: float, *, fails: bool = False
) -> None:
    try:
        with track(settings, stage=stage, tags={DATASET: dataset}, environment={}) as run:
            run.log({"time/seconds": seconds})
            if fails:
                raise ValueError("interrupted")
    except ValueError:
        pass
    time.sleep(0.002)  # MLflow counts in milliseconds


def test_the_newest_finished_run_of_a_stage_counts(new_store: Callable[..., str], tmp_path: Path) -> None:
    settings = TrackingSettings(uri=new_store(), unsent=tmp_path / "unsent")
    assert last_durations("steel", STAGES, settings=settings) == {}
    took(settings, "search", "steel", 100.0)
    took(settings, "search", "steel", 300.0)
    took(settings, "search", "steel", 5.0, fails=True)
    took(settings, "search", "tiles", 7.0)
    took(settings, "retrain", "steel", 9.0)
    assert last_durations("steel", STAGES, settings=settings) == {"search": 300.0}
    took(settings, "train-supernet", "steel", 2000.0)
    assert last_durations("steel", STAGES, settings=settings) == {"search": 300.0, "train-supernet": 2000.0}


def test_without_a_store_nothing_is_known(tmp_path: Path) -> None:
    off = TrackingSettings(uri="sqlite:///nowhere.db", enabled=False)
    assert last_durations("steel", STAGES, settings=off) == {}
