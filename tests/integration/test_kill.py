"""Killed with SIGKILL at a random moment and resumed: the result is that of a run never killed."""

import signal
import sqlite3
import time

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


@pytest.mark.parametrize("sampler", ["fair", "sandwich"])
def test_supernet_of_another_sampler(chain, autonad, start_autonad, tmp_path, sampler):
    arguments = [
        *("train-supernet", "--dataset", chain / "dataset", "--params", chain / "params.yaml"),
        *("--set", "tracking.enabled=false", "--set", f"train_supernet.sampler={sampler}"),
    ]
    autonad(*arguments, "--output", "whole", cwd=tmp_path)
    cut = [*arguments, "--output", "cut"]
    kills = run_killing(start_autonad, cut, tmp_path, tmp_path / "cut/records.jsonl", 0)
    assert kills > 0
    whole, cut = ((tmp_path / name / "supernet.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    assert whole != (chain / "supernet/supernet.safetensors").read_bytes()


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


def test_retraining_with_a_teacher(chain, autonad, start_autonad, tmp_path):
    arguments = [
        *("retrain", "--dataset", chain / "dataset", "--search", chain / "search"),
        *("--params", chain / "params.yaml", "--set", "tracking.enabled=false"),
        *("--set", "retrain.teacher=supernet-largest", "--teacher", chain / "supernet"),
    ]
    autonad(*arguments, "--output", "whole", cwd=tmp_path)
    pointer = tmp_path / "cut/checkpoint/latest.json"
    assert run_killing(start_autonad, [*arguments, "--output", "cut"], tmp_path, pointer, 0) > 0
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut
    assert whole != (chain / "model/model.safetensors").read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_asked_to_end_and_repeated(chain, autonad, start_autonad, tmp_path, number, code):
    """State is kept, the run is KILLED, and the line says how to go on; the same command then does."""
    arguments = [
        *("retrain", "--dataset", chain / "dataset", "--search", chain / "search", "--output", "model"),
        *("--params", chain / "params.yaml"),
    ]
    process = start_autonad(*arguments, cwd=tmp_path)
    pointer = tmp_path / "model/checkpoint/latest.json"
    while not pointer.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == code
    line = said.decode().splitlines()[-1]
    assert line.startswith("interrupted; what was written is kept, the same command goes on from here: ")
    assert "autonad retrain --dataset" in line
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select status from runs").fetchall() == [("KILLED",)]

    done = autonad(*arguments, cwd=tmp_path)
    assert "resumed after epoch" in done.stdout
    whole, cut = chain / "model", tmp_path / "model"
    assert (cut / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    curves = [pd.read_csv(folder / "curves.csv") for folder in (whole, cut)]
    history = [pd.read_parquet(folder / "history.parquet") for folder in (whole, cut)]
    for one, two in (curves, history):
        assert list(one.columns) == list(two.columns)
        pd.testing.assert_frame_equal(*(table.drop(columns="train/seconds") for table in (one, two)))


def test_a_second_command_on_one_output_is_refused(chain, autonad, start_autonad, tmp_path):
    arguments = [
        *("retrain", "--dataset", chain / "dataset", "--search", chain / "search", "--output", "model"),
        *("--params", chain / "params.yaml", "--set", "tracking.enabled=false"),
    ]
    first = start_autonad(*arguments, cwd=tmp_path)
    while not (tmp_path / ".model.lock").exists():
        assert first.poll() is None
        time.sleep(0.01)
    refused = autonad(*arguments, "--replace", cwd=tmp_path, code=2)
    assert f"(process {first.pid}) since 20" in refused.stderr
    assert "autonad retrain --dataset" in refused.stderr
    first.communicate()
    assert first.returncode == 0
    assert not (tmp_path / ".model.lock").exists()
    weights = "model.safetensors"
    assert (tmp_path / "model" / weights).read_bytes() == (chain / "model" / weights).read_bytes()
