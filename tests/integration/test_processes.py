"""Training in two processes of one machine: what one process does, once."""

import os
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from commands import command, environment
from safetensors.torch import load_file

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]
TWO = ("--set", "processes=2")


@pytest.fixture(scope="module")
def supernet(chain, autonad, tmp_path_factory) -> Path:
    """A folder with the supernet of the chain, trained in two processes, and its own MLflow store."""
    root = tmp_path_factory.mktemp("two")
    options = ("--params", chain / "params.yaml", "--dataset", chain / "dataset")
    autonad("train-supernet", *options, "--output", "supernet", *TWO, cwd=root)
    return root


def check_same_training(one: Path, two: Path, weights: str, curves: str) -> None:
    losses = [pd.read_csv(folder / curves)["train/loss"] for folder in (one, two)]
    pd.testing.assert_series_equal(*losses, rtol=1e-3)
    # Rounding differs; Adam makes up to a learning rate of it where a gradient is nearly zero.
    first, second = load_file(one / weights), load_file(two / weights)
    distance = sum((first[n] - second[n]).square().sum() for n in first)
    size = sum(first[n].square().sum() for n in first)
    assert torch.sqrt(distance / size) < 1e-2


def test_the_supernet_is_that_of_one_process(chain, supernet):
    check_same_training(chain / "supernet", supernet / "supernet", "supernet.safetensors", "curves.csv")
    records = [pd.read_parquet(root / "supernet/records.parquet") for root in (chain, supernet)]
    pd.testing.assert_frame_equal(*(table[["step", "key"]] for table in records))


@pytest.mark.parametrize("sampler", ["fair", "sandwich"])
def test_the_supernet_of_another_sampler_too(chain, autonad, tmp_path, sampler):
    options = ("--params", chain / "params.yaml", "--dataset", chain / "dataset")
    chosen = ("--set", f"train_supernet.sampler={sampler}", "--set", "tracking.enabled=false")
    for output, processes in (("one", ()), ("two", TWO)):
        autonad("train-supernet", *options, *chosen, *processes, "--output", output, cwd=tmp_path)
    check_same_training(tmp_path / "one", tmp_path / "two", "supernet.safetensors", "curves.csv")
    records = [pd.read_parquet(tmp_path / name / "records.parquet") for name in ("one", "two")]
    pd.testing.assert_frame_equal(*(table[["step", "key"]] for table in records))


def test_one_run_is_logged(supernet):
    with sqlite3.connect(supernet / "mlflow.db") as store:
        stages = store.execute("select value from tags where key = 'autonad.stage'").fetchall()
        (points,) = store.execute("select count(*) from metrics where key = 'train/loss'").fetchone()
    assert stages.count(("train-supernet",)) == 1
    assert points == len(pd.read_csv(supernet / "supernet/curves.csv"))


def test_retraining_is_that_of_one_process(chain, autonad, tmp_path):
    options = ("--params", chain / "params.yaml", "--dataset", chain / "dataset")
    autonad("retrain", *options, "--search", chain / "search", "--output", "model", *TWO, cwd=tmp_path)
    check_same_training(chain / "model", tmp_path / "model", "model.safetensors", "curves.csv")


def test_killed_and_resumed_equals_uninterrupted(chain, supernet, autonad, tmp_path):
    options = (
        "--params",
        chain / "params.yaml",
        "--dataset",
        chain / "dataset",
        "--output",
        "supernet",
        *TWO,
    )
    process = subprocess.Popen(
        command("train-supernet", *options), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    pointer = tmp_path / "supernet/checkpoint/latest.json"
    while not pointer.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while children := subprocess.run(
        ["pgrep", "-f", f"spawn_main.*parent_pid={process.pid}"], capture_output=True, check=False
    ).stdout:
        assert children
        time.sleep(0.1)
    assert not (tmp_path / "supernet/supernet.json").exists()
    autonad("train-supernet", *options, cwd=tmp_path)
    whole, cut = (root / "supernet/supernet.safetensors" for root in (supernet, tmp_path))
    assert whole.read_bytes() == cut.read_bytes()


@pytest.mark.parametrize("group", [False, True], ids=["the first process", "all of them"])
def test_told_to_end_their_run_is_killed_and_not_failed(chain, tmp_path, group):
    options = (
        "--params",
        chain / "params.yaml",
        "--dataset",
        chain / "dataset",
        "--output",
        "supernet",
        *TWO,
    )
    process = subprocess.Popen(
        command("train-supernet", *options),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "supernet/checkpoint/latest.json").exists():
        assert process.poll() is None
        time.sleep(0.01)
    (os.killpg if group else os.kill)(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in said
    assert "the same command goes on from here: autonad train-supernet" in said
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        assert store.execute("select status from runs where name = 'train-supernet'").fetchall() == [
            ("KILLED",)
        ]


def test_a_mistake_is_one_line(chain, supernet, autonad, tmp_path):
    options = ("--params", chain / "params.yaml", "--dataset", chain / "dataset", *TWO)
    done = autonad(
        "train-supernet",
        *options,
        "--output",
        supernet / "supernet",
        "--resume",
        "--set",
        "seed=5",
        cwd=tmp_path,
        code=2,
    )
    assert done.stderr.count("\n") == 1
    assert "it differs in seed (3 there, 5 now)" in done.stderr
    with sqlite3.connect(tmp_path / "mlflow.db") as store:
        # Refused before anything was logged: no run is left.
        assert store.execute("select name, lifecycle_stage from runs").fetchall() == [
            ("train-supernet", "deleted")
        ]
