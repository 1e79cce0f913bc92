"""MLflow's user interface in headless Chromium: what a person sees of our runs.

    python tests/cockpit.py --folder DIR --output docs/images

takes the pictures of the documentation from the `mlflow.db` of a folder in which the chain ran twice or more.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

SIZE = {"width": 1500, "height": 780}
# Seconds for one page on a busy machine.
PATIENCE = 180
COLUMNS = ("test/miou", "test/mf1", "latency/p50_ms", "model/parameters", "register/champion")


def chromium() -> str | None:
    """Debian's browser; Playwright's own is not downloaded."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Cockpit:
    """A browser on an MLflow server.

    Args:
        page: Playwright's page.
        uri: The server.
        experiment: Id of the experiment.
    """

    def __init__(self, page: Any, uri: str, experiment: str) -> None:
        self.page, self._uri, self._experiment = page, uri, experiment

    def experiment(self, executions: Sequence[str]) -> None:
        """The list of executions."""
        self._open(f"experiments/{self._experiment}/runs")
        for name in executions:
            self._see(name)

    def children(self, execution: str, stages: Sequence[str]) -> None:
        """The list again, with the steps of one execution unfolded."""
        row = self.page.get_by_role("row").filter(has_text=execution)
        row.get_by_role("button").first.click()
        for stage in stages:
            self._see(stage)

    def run(self, run_id: str, texts: Sequence[str]) -> None:
        """A run's own page; a parent's lists its children and shows its note."""
        self._open(f"experiments/{self._experiment}/runs/{run_id}")
        for text in texts:
            self._see(text)
        self.page.get_by_text("Description", exact=True).first.scroll_into_view_if_needed()

    def compare(self, run_ids: Sequence[str], metrics: Sequence[str]) -> None:
        """The compare page, at the table of metrics."""
        runs, experiments = (quote(json.dumps(list(ids))) for ids in (run_ids, [self._experiment]))
        self._open(f"compare-runs?runs={runs}&experiments={experiments}")
        for metric in metrics:
            self._see(metric)
        # The table's first column scrolls by itself: the heading is what may be scrolled to.
        heading = self.page.get_by_text("Metrics", exact=True).last
        heading.evaluate("element => element.scrollIntoView({block: 'start'})")

    def model(self, name: str, texts: Sequence[str]) -> None:
        """A registered model with its versions and aliases."""
        self._open(f"models/{name}")
        for text in texts:
            self._see(text)
        self.page.get_by_text("Versions", exact=True).first.evaluate(
            "element => element.scrollIntoView({block: 'start'})"
        )

    def picture(self, path: Path) -> None:
        """Save what is seen, in few colours: a page of text needs no more."""
        from PIL import Image

        self.page.wait_for_timeout(1500)  # charts draw themselves slowly
        self.page.screenshot(path=path, animations="disabled")
        Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)

    def _open(self, place: str) -> None:
        # The same document with another fragment is not loaded anew.
        self.page.goto("about:blank")
        self.page.goto(f"{self._uri}/#/{place}")

    def _see(self, text: str) -> None:
        self.page.get_by_text(text, exact=False).first.wait_for(state="visible")


@contextmanager
def cockpit(uri: str, experiment: str) -> Iterator[Cockpit]:
    """Start the browser, as one that has been there before: columns chosen, no assistant in the way."""
    from playwright.sync_api import sync_playwright

    columns = ["attributes.`Dataset`", *(f"metrics.`{name}`" for name in COLUMNS)]
    state: Mapping[str, Any] = {
        f'MLflowLocalStorage-1.1-ExperimentPage-["{experiment}"]-ReactComponentState': {
            "searchFilter": "",
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "datasetsFilter": [],
            "modelVersionFilter": "All Runs",
            "selectedColumns": columns,
            "columnOrder": [],
        },
        "mlflow.workflowType_v1": "machine_learning",
        "mlflow.assistant.panelOpen_v1": False,
        "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
    }
    script = "".join(
        f"if (localStorage.getItem({json.dumps(key)}) === null) "
        f"localStorage.setItem({json.dumps(key)}, {json.dumps(json.dumps(value))});"
        for key, value in state.items()
    )
    with sync_playwright() as playwright:
        # Root's browser has no sandbox of its own.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            page = browser.new_page(viewport=SIZE, timezone_id="UTC", locale="en-GB")
            page.set_default_timeout(PATIENCE * 1000)
            page.add_init_script(f"if (location.protocol.startsWith('http')) {{ {script} }}")
            yield Cockpit(page, uri, experiment)
        finally:
            browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="Take the pictures of the documentation.")
    parser.add_argument("--folder", type=Path, required=True, help="where mlflow.db is")
    parser.add_argument("--output", type=Path, required=True, help="folder of the pictures")
    options = parser.parse_args()
    from mlflow_servers import running, sqlite_server

    from autonad.tracking.connection import MlflowClient

    with running(sqlite_server(options.folder.resolve())) as server:
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("autonad").experiment_id
        runs = client.search_runs([experiment], "tags.`autonad.role` = 'parent'")
        names = {run.info.run_id: run.info.run_name for run in runs}
        # One that trained a supernet has all steps to be shown.
        (trained, *_) = client.search_runs([experiment], "tags.`autonad.stage` = 'train-supernet'")
        whole = trained.data.tags["mlflow.parentRunId"]
        (model,) = (found.name for found in client.search_registered_models())
        options.output.mkdir(parents=True, exist_ok=True)
        with cockpit(server.uri, experiment) as seen:
            seen.experiment(list(names.values()))
            seen.children(names[whole], ("train-supernet", "register"))
            seen.picture(options.output / "mlflow-experiment.png")
            seen.run(whole, ("Child runs", "inherited validation mIoU"))
            seen.picture(options.output / "mlflow-execution.png")
            seen.compare(list(names), COLUMNS)
            seen.picture(options.output / "mlflow-compare.png")
            seen.model(model, ("champion",))
            seen.picture(options.output / "mlflow-model.png")


if __name__ == "__main__":
    main()
