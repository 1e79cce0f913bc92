"""Killed with SIGKILL at a random moment and resumed: the result is that of a run never killed."""


import pandas as pd
import pytest
from commands import run_killing

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seed", [0, 1])
def test_supernet(chain, start_autonad, tmp_path, seed):
    arguments = [
        "train-supernet",
        "--dataset",
        chain / "dataset",
        "--output",
        "supernet",
        "--params",
        chain / "params.yaml",
        "--set",
        "tracking.enabled=false",
    ]
    kills = run_killing(start_autonad, arguments, tmp_path, tmp_path / "supernet/records.jsonl", seed)
    assert kills > 0
    whole, cut = chain / "supernet", tmp_path / "supernet"
    assert (cut / "supernet.safetensors").read_bytes() == (whole / "supernet.safetensors").read_bytes()
    records = [pd.read_parquet(folder / "records.parquet")[["step", "key"]] for folder in (whole, cut)]
    pd.testing.assert_frame_equal(*records)


def test_search(chain, start_autonad, tmp_path):
    arguments = [
        "search",
        "--dataset",
        chain / "dataset",
        "--supernet",
        chain / "supernet",
        "--latency",
        chain / "latency",
        "--output",
        "search",
        "--params",
        chain / "params.yaml",
        "--set",
        "tracking.enabled=false",
    ]
    kills = run_killing(start_autonad, arguments, tmp_path, tmp_path / "search/journal.jsonl", 0)
    assert kills > 0
    whole, cut = chain / "search", tmp_path / "search"
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(folder / "population.parquet") for folder in (whole, cut))
    )
    for name in ("architecture.json", "inherited.safetensors"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes()


def test_retraining(chain, start_autonad, tmp_path):
    arguments = [
        *("retrain", "--dataset", chain / "dataset", "--search", chain / "search", "--output", "model"),
        *("--params", chain / "params.yaml", "--set", "tracking.enabled=false"),
    ]
    kills = run_killing(start_autonad, arguments, tmp_path, tmp_path / "model/checkpoint/latest.json", 0)
    assert kills > 0
    weights = "model.safetensors"
    assert (tmp_path / "model" / weights).read_bytes() == (chain / "model" / weights).read_bytes()
