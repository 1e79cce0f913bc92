"""What was found wrong with data is named on the runs of the steps that look at it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad import steps
from autonad.config import Config, load_config
from autonad.config.context import Context
from autonad.steps.step import Step
from autonad.tracking.runs.run import NullRun


@pytest.fixture
def context(new_store: Callable[..., str]) -> Context:
    return Context(load_config(None, [f"tracking.uri={new_store()}", "tracking.system_seconds=null"]))


def batch(folder: Path, first: int, broken: str) -> Path:
    """Images with masks, and one that cannot be read."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(first, first + 12):
        noise = np.random.default_rng(number).integers(0, 255, (32, 32), dtype=np.uint8)
        mask = np.zeros((32, 32), np.uint8)
        mask[4:9, 4:20] = 1
        Image.fromarray(noise).save(folder / f"images/n{number}.png")
        Image.fromarray(mask).save(folder / f"masks/n{number}.png")
    (folder / f"images/{broken}.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(folder / f"masks/{broken}.png")
    return folder


def faults(context: Context, stage: str) -> str | None:
    """The tag of the newest run of a stage."""
    from autonad.tracking.connection import MlflowClient

    client = MlflowClient(context.config.tracking.uri)
    run = client.search_runs(["1"], f"tags.`autonad.stage` = '{stage}'", order_by=["start_time DESC"])[0]
    assert run.info.status == "FINISHED"
    return run.data.tags.get("autonad.faults")


def test_every_step_that_finds_errors_names_the_items(context: Context, tmp_path: Path) -> None:
    source, dataset = batch(tmp_path / "monday", 0, "dark"), tmp_path / "parts"
    steps.audit(context, source=source, format="masks")
    steps.import_data(context, source=source, output=dataset, format="masks", classes=("crack",))
    steps.ingest(context, source=str(batch(tmp_path / "tuesday", 100, "torn")), dataset=dataset)

    for stage, item in (("audit", "dark"), ("import-data", "dark"), ("ingest", "torn")):
        assert f"{item}.png (unreadable)" in (faults(context, stage) or ""), stage
    steps.audit(context, dataset=dataset)
    assert faults(context, "audit") is None


def test_a_tag_names_twenty_items_once_each_and_no_warning() -> None:
    told: list[object] = []

    class Tagged(NullRun):
        def tag(self, name: str, value: object) -> None:
            told.append(value)

    rows: list[dict[str, Any]] = [dict(severity="error", kind="torn", item=f"n{n % 25}") for n in range(50)]
    rows.append(dict(severity="warning", kind="dark", item="fine"))
    step = Step(Tagged(), Context(Config()))
    step.faulty(pd.DataFrame(rows))

    names = ", ".join(f"n{n} (torn)" for n in range(20))
    assert told == [f"25: {names} …"]
