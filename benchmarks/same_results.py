"""What a change of the code must leave as it is: the files of a whole chain, by their sha256.

    python benchmarks/same_results.py --output /tmp/before                          # before the change
    python benchmarks/same_results.py --output /tmp/after --latency /tmp/before     # after it
    diff /tmp/before/results.json /tmp/after/results.json

A generated dataset, a supernet, a search, a retraining, an evaluation and an export in the presets `tiny` and
`small`, on one thread. Measured times differ from run to run, so they are left out: the finalists' latency in
`model.json` and in the ONNX file's metadata, the seconds in `history.parquet`. The latency table is measured
once and used again (`--latency`), since the search depends on it. The package that Python finds runs, so that
`PYTHONPATH` and a working folder outside of both compare two checkouts.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

PRESETS = ("tiny", "small")
SETTINGS = {
    "tracking.enabled": "false",
    "threads": 1,
    "synthesize.num_images": 80,
    "synthesize.image_side": 64,
    "input.height": 64,
    "input.width": 64,
    "train_supernet.epochs": 16,
    "train_supernet.validate_every": 4,
    "profile_latency.warmup": 1,
    "profile_latency.repeats": 3,
    "profile_latency.networks": 4,
    "search.population": 6,
    "search.generations": 3,
    "search.top_k": 3,
    "retrain.epochs": 12,
    "retrain.validate_every": 4,
    "evaluate.resamples": 200,
}
AS_THEY_ARE = (
    "dataset/manifest.parquet",
    "dataset/classes.json",
    "supernet/supernet.safetensors",
    "supernet/supernet.json",
    "search/architecture.json",
    "search/inherited.safetensors",
    "search/population.parquet",
    "model/model.safetensors",
    "model/architecture.json",
    "evaluation/metrics.json",
    "evaluation/per_image.parquet",
)
MEASURED = {"target_ms"}


def run_chain(folder: Path, preset: str, latency: Path | None) -> None:
    """Run every step of one preset in a folder."""
    table = latency or folder / "latency"

    def verb(name: str, **paths: Path) -> None:
        options = [f"--set={key}={value}" for key, value in SETTINGS.items()]
        command = [sys.executable, "-m", "autonad.cli", name]
        command += [part for key, path in paths.items() for part in (f"--{key}", str(path))]
        if name != "describe-target":
            command += [*options, f"--set=space.preset={preset}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    data, supernet, search = folder / "dataset", folder / "supernet", folder / "search"
    model, evaluation = folder / "model", folder / "evaluation"
    verb("synthesize", output=data)
    verb("train-supernet", dataset=data, output=supernet)
    if latency is None:
        verb("describe-target", output=folder / "target.json")
        verb("profile-latency", target=folder / "target.json", output=table)
    verb("search", dataset=data, supernet=supernet, latency=table, output=search)
    verb("retrain", dataset=data, search=search, output=model)
    verb("evaluate", dataset=data, model=model, search=search, latency=table, output=evaluation)
    verb("export", dataset=data, model=model, evaluation=evaluation, output=folder / "export")


def results(folder: Path) -> dict[str, str]:
    """Sha256 of what a chain must repeat, by file; of some files without what was measured."""
    import onnx

    found = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in AS_THEY_ARE}
    description = _without_measured(json.loads((folder / "model/model.json").read_text()))
    found["model/model.json, times apart"] = _sha256(json.dumps(description, sort_keys=True).encode())
    history = pd.read_parquet(folder / "model/history.parquet")
    kept = history[[name for name in history if not name.endswith("/seconds")]]
    found["model/history.parquet, times apart"] = _sha256(kept.to_csv(index=False).encode())
    network = onnx.load(folder / "export/model.onnx")
    metadata = {entry.key: _without_measured(_parsed(entry.value)) for entry in network.metadata_props}
    del network.metadata_props[:]
    found["export/model.onnx, metadata apart"] = _sha256(network.SerializeToString(deterministic=True))
    found["export/model.onnx, its metadata"] = _sha256(json.dumps(metadata, sort_keys=True).encode())
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _without_measured(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_measured(inner) for name, inner in value.items() if name not in MEASURED}
    return [_without_measured(inner) for inner in value] if isinstance(value, list) else value


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Run both presets and write `results.json`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--latency", type=Path, help="--output of the run whose latency tables are used")
    options = parser.parse_args()
    found = {}
    for preset in PRESETS:
        folder = options.output / preset
        run_chain(folder, preset, options.latency and options.latency / preset / "latency")
        found[preset] = results(folder)
        for name, digest in found[preset].items():
            print(f"{preset:<8}{digest[:16]}  {name}")
    (options.output / "results.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
