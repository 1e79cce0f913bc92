"""The chain with the genes of preset `edge`: input scale, stem stride, three stages, decoder width."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import Autonad, run_killing

from autonad.space import Architecture, SearchSpace

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(900)]

SETTINGS = """
seed: 3
threads: 1
input: {height: 64, width: 64}
space: {preset: tiny_edge}
train_supernet: {epochs: 2, batch_size: 4, validate_every: 2, panel: 2}
profile_latency: {warmup: 1, repeats: 3, networks: 4, accept_noise: true}
search: {population: 6, generations: 2, top_k: 3, finalists: 1, score_at: native}
assess_supernet: {architectures: 4, sample: 50, minutes: null, resamples: 100}
retrain: {epochs: 2, batch_size: 4, validate_every: 1}
evaluate: {resamples: 100, panels: 2}
export: {parity_images: 4}
tracking: {enabled: false}
"""


@pytest.fixture(scope="module")
def edge(chain: Path, autonad: Autonad, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Searched with the new genes; what is shipped has three stages and sees half of the input."""
    from autonad.training.folders import load_supernet, save_search

    root = tmp_path_factory.mktemp("edge")
    (root / "params.yaml").write_text(SETTINGS)
    dataset = ("--dataset", chain / "dataset")
    found = ("--supernet", "supernet", "--latency", "latency")
    target = ("--target", chain / "targets/here.json", "--num-classes", 3)
    autonad("train-supernet", *dataset, "--output", "supernet", cwd=root)
    autonad("profile-latency", *target, "--output", "latency", cwd=root)
    autonad("search", *dataset, *found, "--output", "search", cwd=root)
    net, _, _ = load_supernet(root / "supernet")
    rng = np.random.default_rng(0)
    drawn = (net.space.sample(rng) for _ in range(10_000))
    wanted = next(one for one in drawn if len(one.stages) == 3 and (one.scale, one.stem_stride) == (0.5, 2))
    described = json.loads((root / "search/search.json").read_text())
    save_search(root / "chosen", net.extract(wanted), described)
    autonad("retrain", *dataset, "--search", "chosen", "--output", "model", cwd=root)
    autonad("evaluate", *dataset, "--model", "model", "--output", "evaluation", cwd=root)
    exported = ("--model", "model", "--evaluation", "evaluation", "--output", "export")
    autonad("export", *dataset, *exported, cwd=root)
    return root


def test_the_search_ranks_by_native_size_and_keeps_both(edge: Path) -> None:
    found = json.loads((edge / "search/search.json").read_text())
    population = pd.read_parquet(edge / "search/population.parquet")
    [winner] = population.loc[population["key"] == found["architecture_key"], "miou"]
    assert found["miou"] == winner == pytest.approx(found["native_miou"])
    assert found["native_miou"] != found["input_miou"]
    drawn = [Architecture.from_json(text) for text in population["architecture"]]
    assert len({(len(one.stages), one.scale, one.stem_stride) for one in drawn}) > 2
    for one in drawn:
        SearchSpace.preset("tiny_edge").check(one)


def test_validation_at_native_size_is_in_the_history(edge: Path) -> None:
    history = pd.read_parquet(edge / "model/history.parquet")
    assert history[["val/miou", "val/native_miou"]].notna().all().all()


def test_the_onnx_file_is_the_scaled_network_of_three_stages(edge: Path) -> None:
    import onnxruntime

    from autonad.training.folders import load_model

    network, _, _ = load_model(edge / "model")
    assert (len(network.architecture.stages), network.architecture.scale) == (3, 0.5)
    path = edge / "export/model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    (logits,) = session.run(["logits"], {"image": images})
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_page_and_card_say_what_it_sees(edge: Path) -> None:
    page = (edge / "evaluation/report.html").read_text()
    assert "averaged to 0.5 of its sides" in page
    assert "lateral 3" not in page
    assert re.search(r"Stage 3", page)
    assert (edge / "export/MODEL_CARD.md").exists()


def test_the_line_runs_it(edge: Path, chain: Path, autonad: Autonad) -> None:
    images = chain / "dataset/images"
    autonad("detect", "--model", "export/model.onnx", "--source", images, "--output", "verdicts", cwd=edge)
    assert len(pd.read_csv(edge / "verdicts/verdicts.csv")) == len(list(images.rglob("*.png")))


def test_an_assessment_that_is_killed_goes_on(
    edge: Path, chain: Path, autonad: Autonad, start_autonad: Callable[..., Any], tmp_path: Path
) -> None:
    given = ["--dataset", chain / "dataset", "--supernet", edge / "supernet", "--latency", edge / "latency"]
    given = ["assess-supernet", *given, "--params", edge / "params.yaml"]
    autonad(*given, "--output", "whole", cwd=tmp_path)
    kills = run_killing(
        start_autonad, [*given, "--output", "cut"], tmp_path, tmp_path / "cut/journal.jsonl", 0
    )
    assert kills > 0
    whole, cut = (
        pd.read_parquet(tmp_path / name / "architectures.parquet").drop(columns=["step_seconds", "minutes"])
        for name in ("whole", "cut")
    )
    pd.testing.assert_frame_equal(whole, cut)
    shown = (tmp_path / "cut/assessment.html").read_text()
    assert all(key in shown for key in cut["key"])
