"""MLflow's user interface shows our runs as people need them, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cockpit import COLUMNS, Cockpit, chromium, cockpit
from mlflow_servers import running, sqlite_server

from autonad.tracking import TrackingSettings, track
from autonad.tracking.runs.dataset_facts import DatasetFacts

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(chromium() is None, reason="Chromium is not installed (apt-get install chromium)"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MODEL = "autonad-steel-line-3"
DATA = DatasetFacts("steel", "f" * 64, None, 100, 50, ("background", "crack"))
HEADLINES = {"search": "architecture 0123456789ab, 2.05 ms on line-3", "evaluate": "test mIoU 81.0 %"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cockpit, Any]]:
    """A browser on a server that holds two executions and a registered model, and the server's client."""
    folder = tmp_path_factory.mktemp("cockpit")
    with running(sqlite_server(folder)) as server:
        settings = TrackingSettings(uri=server.uri, unsent=folder / "unsent")
        for number, name in enumerate(("monday", "tuesday")):
            for stage, headline in HEADLINES.items():
                with track(settings, stage=stage, execution=name, environment={}) as run:
                    run.dataset(DATA, "test")
                    run.headline(headline)
                    for epoch in range(1, 6):
                        run.log({"val/miou": 0.1 * epoch}, step=epoch)
                    if stage == "evaluate":
                        run.log(dict.fromkeys(COLUMNS, 0.8125 + number))
        from autonad.tracking.connection import MlflowClient

        client = MlflowClient(server.uri)
        client.create_registered_model(MODEL)
        for alias, text in (("champion", "In use."), (None, "Refused against version 1: not in use.")):
            version = client.create_model_version(MODEL, "s3://nowhere/model", description=text)
            if alias:
                client.set_registered_model_alias(MODEL, alias, version.version)
        with cockpit(server.uri, client.get_experiment_by_name("autonad").experiment_id) as browser:
            yield browser, client


def parents(client: Any) -> dict[str, str]:
    experiment = client.get_experiment_by_name("autonad").experiment_id
    runs = client.search_runs([experiment], "tags.`autonad.role` = 'parent'")
    return {run.info.run_name: run.info.run_id for run in runs}


def test_the_list_shows_executions_with_figures_and_unfolds_their_steps(seen: tuple[Cockpit, Any]) -> None:
    browser, _ = seen
    browser.experiment(["monday", "tuesday"])
    text = browser.page.inner_text("body")
    assert "evaluate" not in text  # steps are folded into their execution
    row = browser.page.get_by_role("row").filter(has_text="monday")
    row.first.wait_for()
    for column in COLUMNS[:2]:
        assert column in text
    browser.children("tuesday", ["search", "evaluate"])


def test_an_execution_shows_its_steps_its_data_and_the_headlines(seen: tuple[Cockpit, Any]) -> None:
    browser, client = seen
    browser.run(parents(client)["monday"], ("Child runs", *HEADLINES.values()))
    text = browser.page.inner_text("body")
    for stage in HEADLINES:
        assert stage in text
    assert "steel" in text


def test_the_compare_page_has_our_metrics_of_both(seen: tuple[Cockpit, Any]) -> None:
    browser, client = seen
    browser.compare(list(parents(client).values()), COLUMNS)
    text = browser.page.inner_text("body")
    assert "monday" in text
    assert "tuesday" in text
    assert "0.813" in text
    assert "1.813" in text


def test_a_registered_model_shows_the_alias_and_why_others_were_refused(seen: tuple[Cockpit, Any]) -> None:
    browser, _ = seen
    browser.model(MODEL, ("champion", "In use.", "Refused"))


def test_a_picture_is_small(seen: tuple[Cockpit, Any], tmp_path: Path) -> None:
    browser, _ = seen
    browser.experiment(["monday"])
    browser.picture(tmp_path / "list.png")
    assert 5_000 < (tmp_path / "list.png").stat().st_size < 150_000
