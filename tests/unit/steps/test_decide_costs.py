"""The decision's page says what the steps that follow took last time, from a real store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autonad.config import parse_config
from autonad.config.context import Context
from autonad.data.synthetic.generator import synthesize
from autonad.latency.target import Target
from autonad.steps.decide import decide
from autonad.tracking import TrackingSettings, track
from autonad.tracking.tags import DATASET


def test_what_a_search_took_is_on_the_next_page(new_store: Callable[..., str], tmp_path: Path) -> None:
    uri = new_store()
    synthesize(tmp_path / "data", num_images=12, size=(32, 32), materials=("steel",))
    Target.describe("line", threads=1).save(tmp_path / "line.json")
    config = parse_config(
        f"decide: {{calibration_draws: 0}}\ntracking: {{uri: '{uri}', dataset: steel}}", source="the test"
    )

    def page() -> str:
        done = decide(
            Context(config),
            dataset=tmp_path / "data",
            pin=tmp_path / "pin",
            target=tmp_path / "line.json",
            output=tmp_path / "decide",
        )
        return done.page.read_text()

    assert "Took last time" not in page()
    settings = TrackingSettings(uri=uri, unsent=tmp_path / "unsent")
    with track(settings, stage="search", tags={DATASET: "steel"}, environment={}) as run:
        run.log({"time/seconds": 301.0})
    text = page()
    assert '<td data-of="Took last time">5 min</td>' in text
    assert "5 min and more" in text
    assert text == page()
