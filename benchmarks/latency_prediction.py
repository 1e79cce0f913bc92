"""How well does a latency table predict networks that it has not seen, over the whole range of a space?

Measures the table as `autonad profile-latency` does, then networks that are spread over the range of costs and
none of which calibrated the table, in turns beside a reference network. Prints a table, then one JSON line.
With `--measured` a table of before is used; `--output` keeps everything that was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from autonad.files import write_json
from autonad.latency.measured import Measured, Subject
from autonad.latency.pack import calibration_networks, reference_network
from autonad.latency.profile import profile_space, table_from_measured
from autonad.latency.profile_settings import ProfileSettings
from autonad.latency.runtime import Run, onnx_run
from autonad.latency.stratified import stratified
from autonad.latency.target import Target
from autonad.latency.turns import Plan, time_plan
from autonad.network import AutoNADNet
from autonad.network.onnx_bytes import module_to_onnx
from autonad.space import Architecture, SearchSpace


def main() -> None:
    options = arguments()
    size = (options.size, options.size)
    space = SearchSpace.preset(options.preset)
    settings = ProfileSettings(warmup=5, networks=options.calibrating)
    target = Target.describe("here", threads=options.threads)
    started, load = time.perf_counter(), os.getloadavg()[0]
    if options.measured is None:
        subject = Subject.of(space, options.classes, size, settings, options.preset)
        measured = profile_space(
            space,
            target,
            subject,
            accept_noise=options.accept_noise,
            say=lambda line: print(line, flush=True),
        )
    else:
        measured = Measured.load(options.measured)
    seconds = time.perf_counter() - started
    table = table_from_measured(measured)
    if options.output is not None:
        measured.save(options.output)
    unseen = unseen_networks(space, settings, options.networks)
    figures = measure_networks(unseen, space, settings, target, options)
    predicted = np.array([table.predict(one) for one in unseen])
    taken = np.array([float(np.median(visits)) for visits in figures])
    errors = np.abs(predicted - taken) / taken
    for one, guess, ms, error in zip(unseen, predicted, taken, errors, strict=True):
        print(f"{one.key} {guess:8.3f} ms predicted {ms:8.3f} ms measured {100 * error:6.1f} %")
    found = {
        "preset": options.preset,
        "size": options.size,
        "threads": options.threads,
        "table_seconds": round(seconds, 1),
        "costs": len(table.frame),
        "calibration": None
        if table.calibration is None
        else {
            "error": round(table.calibration.error, 4),
            "rank_correlation": round(table.calibration.rank_correlation, 4),
        },
        "quality": measured.quality.model_dump(mode="json"),
        "networks": len(unseen),
        "median_error": round(float(np.median(errors)), 4),
        "p90_error": round(float(np.percentile(errors, 90)), 4),
        "spearman": round(float(spearmanr(predicted, taken).statistic), 4),
        **{name: round(ms, 3) for name, ms in extremes(space, settings, target, options).items()},
        "load_at_start": round(load, 1),
    }
    if options.output is not None:
        rows = [
            {"architecture": one.to_dict(), "predicted_ms": float(guess), "visits_ms": visits}
            for one, guess, visits in zip(unseen, predicted, figures, strict=True)
        ]
        write_json(options.output / "unseen.json", {**found, "unseen": rows})
    print(json.dumps(found))


def unseen_networks(space: SearchSpace, settings: ProfileSettings, count: int) -> list[Architecture]:
    """Stratified members, none of which calibrated the table."""
    seen = {one.key for one in calibration_networks(space, settings)}
    found = stratified(space, 2 * count, np.random.default_rng(settings.seed + 1000))
    return [one for one in found if one.key not in seen][::2][:count]


def measure_networks(
    networks: list[Architecture],
    space: SearchSpace,
    settings: ProfileSettings,
    target: Target,
    options: argparse.Namespace,
) -> list[list[float]]:
    """Median of every visit to every network, ms, corrected by the reference."""
    plan = Plan(
        nothing=opener(torch.nn.ReLU(), (1, 1, 1, 1), target),
        reference=network_opener(reference_network(space, settings), target, options),
        groups=[],
        networks=[network_opener(one, target, options) for one in networks],
    )
    more = settings.model_copy(update={"network_repeats": 3 * options.samples, "network_seconds": 6.0})
    timings = time_plan(plan, target, more, lambda what, done, total: None)
    print(f"the machine changed its speed by {100 * timings.drift:.0f} % meanwhile", flush=True)
    return timings.medians


def extremes(
    space: SearchSpace, settings: ProfileSettings, target: Target, options: argparse.Namespace
) -> dict[str, float]:
    """Latency of the smallest and the largest member, and their ratio."""
    figures = measure_networks([space.smallest(), space.largest()], space, settings, target, options)
    fastest, slowest = (float(np.median(visits)) for visits in figures)
    return {"fastest_ms": fastest, "slowest_ms": slowest, "slowest_to_fastest": slowest / fastest}


def network_opener(architecture: Architecture, target: Target, options: argparse.Namespace) -> Any:
    torch.manual_seed(0)
    network = AutoNADNet(architecture, options.classes)
    return opener(network, (1, 3, options.size, options.size), target)


def opener(module: torch.nn.Module, shape: tuple[int, ...], target: Target) -> Any:
    def opened() -> Run:
        return onnx_run(module_to_onnx(module, shape), target, shape)

    return opened


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="edge")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--networks", type=int, default=50, help="unseen ones")
    parser.add_argument("--samples", type=int, default=30, help="of each of them")
    parser.add_argument("--calibrating", type=int, default=16, help="whole networks that calibrate the table")
    parser.add_argument("--measured", type=Path, help="folder of a table that was measured before")
    parser.add_argument("--output", type=Path, help="folder for what was measured")
    parser.add_argument(
        "--accept-noise", action="store_true", help="measure once, however busy the machine is"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
