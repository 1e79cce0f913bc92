"""How time and memory grow with the number of images, and those of a search with its evaluations.

Images are generated, small, each a part of its own. Half of them are imported, which finds parts and splits,
the other half is ingested as a batch; `audit`, `decide` (first, and with the batch to be judged) and
`evaluate` follow, each as a process of its own. Searches are of made-up networks, whose evaluation costs
nothing. Prints a table, the exponents of growth (1 is linear), then one JSON line. What was measured is kept
in the folder and not measured again.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.import_scale import generate

INPUT = 32  # pixels of the network's input: what is measured is what surrounds the network
PAGES = {
    "audit": "audit/audit.html",
    "decide": "decision/decision.html",
    "decide again": "again/decision.html",
    "evaluate": "evaluation/report.html",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="*", default=[1_000, 5_000, 20_000])
    parser.add_argument("--side", type=int, default=64, help="pixels")
    parser.add_argument("--generations", type=int, nargs="*", default=[10, 30, 100], help="of 100 each")
    parser.add_argument("--work", type=Path, required=True, help="folder for what is generated and measured")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    kept = Kept(work / "measured.jsonl")
    generate(work / "pool", max(options.images, default=0), options.side, ".png")
    for images in options.images:
        measure_images(kept, work, images)
    for generations in options.generations:
        if not kept.find("search", 100 * generations):
            journal = str(work / "journal.jsonl")
            run = [sys.executable, "-m", "benchmarks.scale_search", str(generations), journal]
            kept.add("search", 100 * generations, measured(run, work), work / "journal.jsonl")
    growth = {name: exponent(rows) for name, rows in kept.by_name() if len(rows) > 1}
    for name, rows in kept.by_name():
        for less, more in pairwise(rows):
            each = (more["cpu_s"] - less["cpu_s"]) / (more["count"] - less["count"])
            print(f"{name:<14} {less['count']:,} to {more['count']:,}: {1000 * each:.2f} ms for each more")
    for name, (power, rise_mib) in growth.items():
        print(f"{name:<14} time grows with exponent {power:.2f}, memory by {rise_mib:.0f} MiB in all")
    print(json.dumps({"benchmark": "scale", "rows": kept.rows, "growth": growth}))


class Kept:
    """What was measured before and is measured now, a line each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text() if path.is_file() else ""
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in text.splitlines()]

    def find(self, name: str, count: int) -> bool:
        """Whether that is known already."""
        return any((row["name"], row["count"]) == (name, count) for row in self.rows)

    def add(self, name: str, count: int, cost: dict[str, float], written: Path | None = None) -> None:
        """Keep and print a row."""
        row = {"name": name, "count": count, **cost}
        if written is not None:
            row["written_mb"] = written.stat().st_size / 1e6
        self.rows.append(row)
        with self.path.open("a") as handle:
            handle.write(json.dumps(row) + "\n")
        page = f", {row['written_mb']:.2f} MB" if written is not None else ""
        print(
            f"{name:<14}{count:>8,}: {row['cpu_s']:8.1f} s of processor, {row['wall_s']:8.1f} s, "
            f"{row['peak_mib']:6.0f} MiB{page}",
            flush=True,
        )

    def by_name(self) -> Iterator[tuple[str, list[dict[str, Any]]]]:
        """Rows of each name, smallest first."""
        for name in dict.fromkeys(row["name"] for row in self.rows):
            yield (
                name,
                sorted((row for row in self.rows if row["name"] == name), key=lambda row: row["count"]),
            )


def exponent(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Exponent of time between the smallest and the largest, and what memory rose by, MiB."""
    first, last = rows[0], rows[-1]
    slope = math.log(last["cpu_s"] / first["cpu_s"]) / math.log(last["count"] / first["count"])
    return slope, last["peak_mib"] - first["peak_mib"]


def measure_images(kept: Kept, work: Path, images: int) -> None:
    """Every verb on so many images."""
    place = work / f"{images}"
    half = images // 2
    for name, (first, last) in {"old": (0, half), "new": (half, images)}.items():
        link(work / "pool", place / name, range(first, last))
    quick = ["--set", f"input.height={INPUT}", "--set", f"input.width={INPUT}"]
    decide = ["decide", "--dataset", "data", "--pin", "pin", "--target", "target.json", "--output"]
    for verb, arguments in {
        "describe": ["describe-target", "--output", "target.json"],
        "import": ["import-data", "--source", "old", "--output", "data", *quick],
        "decide": [*decide, "decision"],
        "ingest": ["ingest", "--source", "new", "--dataset", "data", "--batch", "new", *quick],
        "audit": ["audit", "--dataset", "data", "--output", "audit", *quick],
        "decide again": [*decide, "again"],
        "evaluate": ["evaluate", "--dataset", "data", "--model", "model", "--output", "evaluation"],
    }.items():
        if kept.find(verb, images):
            continue
        if verb == "evaluate":
            alone(write_model, place / "data", place / "model")
        cost = measured([sys.executable, "-m", "autonad.cli", *arguments], place)
        kept.add(verb, images, cost, place / PAGES[verb] if verb in PAGES else None)


def link(pool: Path, folder: Path, numbers: range) -> None:
    """A source of some of the pool's images, without copying them."""
    if (folder / "groups.csv").is_file():
        return
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            target = folder / kind / f"{number:06d}.png"
            if not target.exists():
                os.link(pool / kind / target.name, target)
    rows = "".join(f"images/{number:06d}.png,part{number}\n" for number in numbers)
    (folder / "groups.csv").write_text("image,group\n" + rows)


def write_model(dataset: Path, folder: Path) -> None:
    """A network that has learnt nothing."""
    from autonad.data.dataset import Dataset
    from autonad.detector.spec import DetectorSpec
    from autonad.network import AutoNADNet
    from autonad.space import SearchSpace
    from autonad.training.folders import save_model

    classes = Dataset.open(dataset).classes
    architecture = SearchSpace.preset("tiny").sample(np.random.default_rng(0))
    spec = DetectorSpec(classes, INPUT, INPUT, False, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    history = [{"epoch": 1, "loss": 1.0}]
    save_model(folder, AutoNADNet(architecture, len(classes)), spec, history=history, provenance={})


def alone(function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in a process of its own: the peak of a command begins at what its parent holds."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(function, *arguments).result()


def measured(command: list[str], folder: Path) -> dict[str, float]:
    """Run a command: processor and wall time in seconds, and its peak memory in MiB."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    log = folder / "last.log"
    begun = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    found_something = process.returncode == 1 and "autonad.cli" in command  # as an audit may
    if process.returncode and not found_something:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {log.read_text()[-1000:]}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {
        "cpu_s": used.ru_utime + used.ru_stime,
        "wall_s": time.perf_counter() - begun,
        "peak_mib": used.ru_maxrss / unit,
    }


if __name__ == "__main__":
    main()
