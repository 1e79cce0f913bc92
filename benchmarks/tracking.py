"""What tracking costs, how quickly the last search is found, and how seldom a wrong detector is put in use.

Everything runs against an MLflow server that is started here (sqlite, as `make mlflow` starts it):

1. processor time of tracking while one step in ten is logged, all threads counted, beside that of a step of
   supernet training;
2. a component that logs a few metrics, parameters and a file, against the same without tracking;
3. `last_search` among many runs;
4. the server killed for two minutes in the middle of training: what is missing afterwards;
5. seeded challengers that are worse than the champion, or equal to it: who has the alias afterwards.

Prints a table, then one JSON line.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from detectors import decide
from mlflow_servers import MlflowServer, running, sqlite_server

from autonad.network import SuperNet
from autonad.space import SearchSpace
from autonad.tracking import TrackingSettings, last_search, track
from autonad.tracking.connection import MlflowClient, experiment_id
from autonad.tracking.registry.registry import Registry
from autonad.tracking.tags import ARCHITECTURE, CHAMPION, DATASET, DIGEST_TAG, HARDWARE_KEY, STAGE

ALONE: dict[str, str] = {}
EVERY = 10  # steps between two that are logged


def main() -> None:
    options = arguments()
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, running(sqlite_server(Path(folder))) as server:
        settings = TrackingSettings(uri=server.uri, unsent=Path(folder) / "unsent", system_seconds=10.0)
        parts: dict[str, Callable[[], dict[str, float]]] = {
            "steps": lambda: step_cost(settings, options.steps, options.logged, options.preset),
            "component": lambda: component_cost(server.uri, options.repeats, Path(folder)),
            "lookup": lambda: lookup(settings, options.runs),
            "outage": lambda: outage(settings, server, options.outage, options.preset),
            "challengers": lambda: challengers(settings, options.simulations),
        }
        figures: dict[str, float] = {}
        for part in options.parts or parts:
            figures |= parts[part]()
    for name, value in figures.items():
        print(f"{name:<44}{value:>12.4g}")
    print(json.dumps({"benchmark": "tracking", **figures}))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40, help="training steps that are timed")
    parser.add_argument("--logged", type=int, default=30, help="logged steps while tracking is measured")
    parser.add_argument("--preset", default="small", help="search space of the supernet")
    parser.add_argument("--repeats", type=int, default=5, help="components of each kind")
    parser.add_argument("--runs", type=int, default=2000, help="runs to find the last search among")
    parser.add_argument("--outage", type=float, default=120.0, help="seconds without a server")
    parser.add_argument("--simulations", type=int, default=100, help="challengers of each kind")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("steps", "component", "lookup", "outage", "challengers"),
        help="these alone; default: all",
    )
    return parser.parse_args()


def training(preset: str) -> Callable[[int], float]:
    """One step of supernet training, by its number: the same number samples the same architecture."""
    space = SearchSpace.preset(preset)
    net = SuperNet(space, 4, "cross")
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    images, masks = torch.randn(8, 3, 128, 128), torch.randint(0, 4, (8, 128, 128))

    def step(number: int) -> float:
        optimiser.zero_grad()
        architecture = space.sample(np.random.default_rng(number))
        loss = torch.nn.functional.cross_entropy(net(images, architecture), masks)
        loss.backward()
        optimiser.step()
        return float(loss.detach())

    return step


def step_cost(settings: TrackingSettings, steps: int, logged: int, preset: str) -> dict[str, float]:
    """Processor time that tracking takes of a training step.

    Tracking alone is measured, in a process that else waits: the difference between two trainings would be
    lost in their own variation.
    """
    one_step = training(preset)
    durations = []
    for number in range(steps):
        begun = time.process_time()
        one_step(number)
        durations.append(time.process_time() - begun)
    step_seconds = statistics.mean(durations)
    with track(settings, stage="train-supernet", environment=ALONE) as run:
        run.log({"train/loss": 0.1, "train/learning_rate": 1e-3}, 0)
        time.sleep(1)
        begun, busy, in_thread = time.monotonic(), time.process_time(), 0.0
        for number in range(1, logged + 1):
            time.sleep(EVERY * step_seconds)
            called = time.thread_time()
            run.log({"train/loss": 0.1, "train/learning_rate": 1e-3}, EVERY * number)
            in_thread += time.thread_time() - called
        seconds, busy = time.monotonic() - begun, time.process_time() - busy
    return {
        "step, ms of processor time (mean)": 1000 * step_seconds,
        "values logged": float(logged),
        "in, s": seconds,
        "tracking, all threads, % of a step": 100 * busy / (EVERY * logged * step_seconds),
        "tracking, in the training thread, % of a step": 100 * in_thread / (EVERY * logged * step_seconds),
    }


COMPONENT = """
import sys, time, pandas, torch
from autonad.tracking import TrackingSettings, track
from pathlib import Path

uri, enabled = sys.argv[1:]
begun = time.perf_counter()
settings = TrackingSettings(uri=uri, enabled=enabled == "on", system_seconds=10.0)
params = {"train_supernet": {f"p{n}": n for n in range(25)}}
with track(settings, stage="evaluate", execution="benchmark", params=params, environment={}) as run:
    run.log({"test/miou": 0.8, "test/mf1": 0.9})
    run.text("<svg/>", "figures/curves.svg")
    run.headline("test mIoU 80.0 %")
print(time.perf_counter() - begun)
"""


IMPORT = """
import time, pandas, torch

begun = time.perf_counter()
import autonad.tracking.runs.mlflow_run
print(time.perf_counter() - begun)
"""


def component_cost(uri: str, repeats: int, folder: Path) -> dict[str, float]:
    """Seconds that a component in a process of its own takes longer with tracking, imports included."""
    seconds: dict[str, list[float]] = {"on": [], "off": []}
    for _ in range(repeats):
        for enabled, values in seconds.items():
            done = subprocess.run(
                [sys.executable, "-c", COMPONENT, uri, enabled],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            values.append(float(done.stdout.split()[-1]))
    imported = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=folder, capture_output=True, text=True, check=True
    )
    return {
        "component, s (median)": statistics.median(seconds["on"]) - statistics.median(seconds["off"]),
        "of that, importing MLflow, s": float(imported.stdout.split()[-1]),
    }


def lookup(settings: TrackingSettings, count: int) -> dict[str, float]:
    """Seconds to find the last search among runs of all kinds, one in five of them a search."""
    client = MlflowClient(settings.uri)
    experiment = experiment_id(client, settings)
    for number in range(count):
        search = number % 5 == 0
        tags = {STAGE: "search" if search else "retrain", DATASET: "steel", HARDWARE_KEY: "aa"}
        tags |= {DIGEST_TAG: f"{number:064x}", ARCHITECTURE: f"{number:012x}"} if search else {}
        run_id = client.create_run(experiment, tags=tags).info.run_id
        client.set_terminated(run_id, "FAILED" if number % 35 == 0 else "FINISHED")
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        found = last_search("steel", "aa", settings=settings)
        times.append(time.perf_counter() - begun)
    last = max(n for n in range(count) if n % 5 == 0 and n % 35)
    assert found is not None
    assert found.digests == f"{last:064x}"
    return {"runs": float(count), "last_search, s (highest of 5)": max(times)}


def challengers(settings: TrackingSettings, count: int) -> dict[str, float]:
    """How many challengers of a known quality get the alias, in the registry itself."""
    client, registry = MlflowClient(settings.uri), Registry(settings)

    def taken(name: str, recall: float) -> int:
        """Challengers of this recall against champions of 0.8, one after the other."""
        client.create_registered_model(name)
        first = client.create_model_version(name, "s3://nowhere/champion")
        client.set_registered_model_alias(name, CHAMPION, first.version)
        promoted = 0
        for seed in range(count):
            client.create_model_version(name, f"s3://nowhere/{seed}")
            version = registry.versions(name)[-1]
            verdict = decide(seed, recall, 0.8, 24)
            registry.decide(version, promote=verdict.wins, description=verdict.reasons[0])
            champion = registry.alias(name, CHAMPION)
            assert champion is not None
            promoted += champion.number == version.number
            client.set_registered_model_alias(name, CHAMPION, first.version)
        return promoted

    return {
        "challengers of each kind": float(count),
        "worse by 5 points of recall: put in use": float(taken("worse", 0.75)),
        "equal: put in use (5 % are allowed)": float(taken("equal", 0.8)),
        "better by 10 points: put in use": float(taken("better", 0.9)),
    }


def outage(settings: TrackingSettings, server: MlflowServer, seconds: float, preset: str) -> dict[str, float]:
    """Kill the server while a supernet is trained, start it again, and count what is missing at the end."""
    one_step = training(preset)
    slowest: dict[str, float] = {"before": 0.0, "outage": 0.0, "after": 0.0}
    steps = 0

    def train_until(over: Callable[[], bool], phase: str) -> None:
        nonlocal steps
        while not over():
            begun = time.perf_counter()
            run.log({"train/loss": one_step(steps)}, steps)
            steps += 1
            slowest[phase] = max(slowest[phase], time.perf_counter() - begun)

    def after(wait: float) -> Callable[[], bool]:
        end = time.monotonic() + wait
        return lambda: time.monotonic() >= end

    with track(settings, stage="train-supernet", environment=ALONE) as run:
        one_step(0)
        train_until(after(15), "before")
        server.kill()
        killed = time.monotonic()
        train_until(after(seconds), "outage")
        starting = threading.Thread(target=server.start)
        starting.start()
        train_until(lambda: not starting.is_alive(), "outage")
        away = time.monotonic() - killed
        train_until(after(15), "after")
    assert run.id is not None
    kept = [point.step for point in MlflowClient(settings.uri).get_metric_history(run.id, "train/loss")]
    return {
        "outage, s": away,
        "values logged around and in it": float(steps),
        "missing afterwards": float(len(set(range(steps)) - set(kept))),
        "twice afterwards": float(len(kept) - len(set(kept))),
        "slowest step before, ms": 1000 * slowest["before"],
        "slowest step in the outage, ms": 1000 * slowest["outage"],
    }


if __name__ == "__main__":
    main()
