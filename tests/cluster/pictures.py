"""Pictures of Kubeflow's interface for the documents.

python tests/cluster/pictures.py --runs TRAIN REUSE --output docs/images
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

HOST = os.environ.get("KFP_HOST", "http://localhost:3000")
WIDTH, HEIGHT = 1600, 900
SETTLED_MS = 3000


def visit(page: Page, place: str) -> None:
    page.goto("about:blank")  # the same address again would change nothing
    page.goto(f"{HOST}/#/{place}", wait_until="networkidle")
    page.wait_for_timeout(SETTLED_MS)


def enter(page: Page, name: str) -> None:
    """Open a group of the graph."""
    node = page.locator(".react-flow__node", has_text=name).first
    node.locator("svg").last.evaluate("icon => icon.parentElement.click()")
    page.wait_for_timeout(SETTLED_MS)


def form(page: Page) -> None:
    """Of the newest version that was uploaded."""
    visit(page, "pipelines")
    page.get_by_text("autonad", exact=True).first.click()
    page.wait_for_timeout(SETTLED_MS)
    page.get_by_text("Create run", exact=True).first.click()
    page.wait_for_timeout(SETTLED_MS)
    page.get_by_text("Run parameters", exact=True).first.scroll_into_view_if_needed()
    page.mouse.wheel(0, 4000)
    page.wait_for_timeout(SETTLED_MS)


def graph(page: Page, run: str) -> None:
    visit(page, f"runs/details/{run}")
    enter(page, "detector")
    page.get_by_title("Fit View").click()
    page.wait_for_timeout(SETTLED_MS)


def page_of_run(page: Page, run: str) -> None:
    visit(page, f"runs/details/{run}")
    page.locator(".react-flow__node", has_text="page").first.locator("button").first.click()
    page.wait_for_timeout(SETTLED_MS)
    page.get_by_text("Visualization", exact=True).first.click()
    page.wait_for_timeout(2 * SETTLED_MS)


def compare(page: Page, runs: list[str]) -> None:
    visit(page, f"compare?runlist={','.join(runs)}")
    page.wait_for_timeout(SETTLED_MS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", nargs=2, required=True, metavar=("TRAIN", "REUSE"))
    parser.add_argument("--output", type=Path, required=True)
    given = parser.parse_args()
    with sync_playwright() as play:
        program = shutil.which("chromium")
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        for name, take in (
            ("form", lambda: form(page)),
            ("graph", lambda: graph(page, given.runs[0])),
            ("page", lambda: page_of_run(page, given.runs[0])),
            ("compare", lambda: compare(page, given.runs)),
        ):
            take()
            page.screenshot(path=given.output / f"kubeflow-{name}.png")
            print(given.output / f"kubeflow-{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
