import json
import re
import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from autonad.space import Architecture, SearchSpace
from autonad.steps.search_winners import FEWEST_PEERS

pytestmark = pytest.mark.slow


def test_every_step_writes_what_the_design_names(chain):
    expected = {
        "dataset": ["manifest.parquet", "classes.json", "images", "masks"],
        "supernet": ["supernet.safetensors", "supernet.json", "records.parquet", "checkpoint"],
        "latency": ["table.parquet", "target.json", "prior.json", "prior.png"],
        "search": [
            "architecture.json",
            "inherited.safetensors",
            "population.parquet",
            "search.json",
            "pareto.html",
        ],
        "model": ["model.safetensors", "architecture.json", "model.json", "history.parquet"],
        "evaluation": ["metrics.json", "per_image.parquet", "report.html", "candidates-val.npz"],
        "rules": ["rules.yaml", "operating.json", "curves.csv", "curves.svg", "report.html"],
        "export": ["model.onnx", "parity.json", "MODEL_CARD.md"],
        "registration": ["registration.json"],
    }
    missing = [
        f"{folder}/{name}"
        for folder, names in expected.items()
        for name in names
        if not (chain / folder / name).exists()
    ]
    assert missing == []


def test_the_winner_carries_the_supernets_weights(chain):
    from autonad.training.folders import load_supernet

    supernet, _, _ = load_supernet(chain / "supernet")
    architecture = Architecture.from_json((chain / "search/architecture.json").read_text())
    SearchSpace.preset("tiny").check(architecture)
    inherited = load_file(chain / "search/inherited.safetensors")
    extracted = supernet.extract(architecture).state_dict()
    assert inherited.keys() == extracted.keys()
    assert all(torch.equal(inherited[name], extracted[name]) for name in inherited)


def test_the_winner_has_the_best_score_of_the_finalists_after_they_learnt(chain):
    population = pd.read_parquet(chain / "search/population.parquet")
    key = Architecture.from_json((chain / "search/architecture.json").read_text()).key
    told = json.loads((chain / "search/search.json").read_text())
    finalists = pd.DataFrame(told["finalists"])
    learnt = finalists["learnt_miou"] - told["latency_weight"] * finalists["predicted_ms"]
    assert finalists.loc[learnt.idxmax(), "key"] == key
    assert population.loc[population["score"].idxmax(), "key"] in set(finalists["key"])
    assert population["key"].is_unique
    assert population["generation"].max() == 3


def test_the_winner_is_compared_with_random_ones_that_take_as_long(chain):
    why = json.loads((chain / "search/search.json").read_text())["why"]
    assert why["random_count"] >= FEWEST_PEERS
    assert f"{why['random_count']} random ones that take as long" in why["sentence"]
    assert 0 < why["random_miou"] < 1


def test_records_cover_every_training_step(chain):
    records = pd.read_parquet(chain / "supernet/records.parquet")
    assert records["step"].tolist() == list(range(len(records)))
    assert (records["ms"] > 0).all()
    train = pd.read_parquet(chain / "dataset/manifest.parquet").query("split == 'train'")
    assert len(records) == 4 * (len(train) // 4)


def test_reported_parameters_are_the_files_tensors(chain):
    counted = sum(tensor.numel() for tensor in load_file(chain / "model/model.safetensors").values())
    assert json.loads((chain / "model/model.json").read_text())["parameters"] == counted
    assert json.loads((chain / "search/search.json").read_text())["parameters"] == counted


def test_the_onnx_file_is_the_model(chain):
    import onnx
    import onnxruntime

    from autonad.training.folders import load_model

    network, spec, _ = load_model(chain / "model")
    path = chain / "export/model.onnx"
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).normal(size=(3, 3, 48, 48)).astype(np.float32)
    (logits,) = session.run(["logits"], {"image": images})
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(logits, expected, atol=1e-3)
    metadata = {prop.key: prop.value for prop in onnx.load(path).metadata_props}
    described = json.loads(metadata["autonad"])
    assert tuple(described["spec"]["classes"]) == spec.classes
    assert described["architecture_key"] == network.architecture.key


def test_what_differs_from_torch_is_said_down_to_the_verdict(chain):
    told = json.loads((chain / "export/parity.json").read_text())["model.onnx"]
    assert (told["verdict_disagreement"], told["defect_disagreement"]) == (0, 0)
    card = (chain / "export/MODEL_CARD.md").read_text()
    assert "areas within 2 pixels or 1 %" in card
    assert re.search(r"^[|] model.onnx [|].*[|] 0.0 % [|] 0.0 % [|]$", card, re.MULTILINE)


def test_the_report_needs_nothing_from_outside(chain):
    page = (chain / "evaluation/report.html").read_text()
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    key = Architecture.from_json((chain / "model/architecture.json").read_text()).key
    assert key in page
    for section in (
        "Summary",
        "Examples",
        "Architecture",
        "Latency prior",
        "Search",
        "Training",
        "Provenance",
    ):
        assert section in page


def test_the_chosen_rules_are_what_the_detector_ships_and_everybody_says(chain):
    from autonad.deploy.shipped import ShippedNetwork
    from autonad.evaluation.line_result import spread, told_found

    operating = json.loads((chain / "rules/operating.json").read_text())
    registered = json.loads((chain / "registration/registration.json").read_text())
    shipped = ShippedNetwork.open(chain / "export/model.onnx", 1).network.rules
    sentence = told_found("test", operating["test"])

    assert shipped.to_dict() == operating["rules"] == registered["rules"]
    assert registered["line"] == operating["test"]
    card = (chain / "export/MODEL_CARD.md").read_text()
    assert sentence in card
    assert "chosen on the validation split" in card
    evaluated, page = ((chain / name / "report.html").read_text() for name in ("evaluation", "rules"))
    before, after = (text.partition("<!-- rules of the line -->")[0] for text in (evaluated, page))
    assert before == after
    assert sentence in page.replace("\N{NO-BREAK SPACE}", " ")
    assert "false alarms per image</text>" in page
    assert sentence not in evaluated.replace("\N{NO-BREAK SPACE}", " ")
    store = sqlite3.connect(chain / "mlflow.db")
    (description,) = store.execute("select description from model_versions").fetchone()
    assert sentence in description
    tags = dict(store.execute("select key, value from model_version_tags").fetchall())
    assert tags["autonad.line.misses"] == spread(operating["test"]["misses"])


def test_every_step_is_a_child_of_one_parent_run(chain):
    store = sqlite3.connect(chain / "mlflow.db")
    tags = pd.read_sql("select run_uuid, key, value from tags", store)
    runs = pd.read_sql("select run_uuid, name, status from runs", store)
    wide = tags.pivot(index="run_uuid", columns="key", values="value").join(runs.set_index("run_uuid"))
    children = wide[wide["mlflow.parentRunId"].notna()]
    parents = wide[wide["mlflow.parentRunId"].isna()]
    assert len(parents) == 1
    assert set(children["mlflow.parentRunId"]) == set(parents.index)
    assert sorted(children["autonad.stage"]) == sorted(
        [
            "synthesize",
            "audit",
            "train-supernet",
            "profile-latency",
            "search",
            "retrain",
            "evaluate",
            "fit-thresholds",
            "export",
            "register",
        ]
    )
    assert set(wide["status"]) == {"FINISHED"}
    metrics = set(pd.read_sql("select distinct key from metrics", store)["key"])
    assert {
        "train/loss",
        "val/miou",
        "search/best_score",
        "test/miou",
        "latency/p50_ms",
        "time/seconds",
    } <= metrics


def test_metrics_are_those_of_the_confusion_matrix(chain):
    metrics = json.loads((chain / "evaluation/metrics.json").read_text())
    matrix = np.array(metrics["input"]["confusion"], dtype=float)
    union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
    present = union > 0
    assert metrics["input"]["miou"] == pytest.approx((matrix.diagonal()[present] / union[present]).mean())


def same(one: Path, two: Path) -> bool:
    return one.read_bytes() == two.read_bytes()


def test_one_seed_and_one_latency_table_give_identical_architecture_and_weights(chain, autonad, tmp_path):
    options = ("--params", chain / "params.yaml", "--set", "tracking.enabled=false")
    autonad("train-supernet", "--dataset", chain / "dataset", "--output", "supernet", *options, cwd=tmp_path)
    assert same(tmp_path / "supernet/supernet.safetensors", chain / "supernet/supernet.safetensors")
    autonad(
        "search",
        "--dataset",
        chain / "dataset",
        "--supernet",
        "supernet",
        "--latency",
        chain / "latency",
        "--output",
        "search",
        *options,
        cwd=tmp_path,
    )
    assert same(tmp_path / "search/architecture.json", chain / "search/architecture.json")
    autonad(
        "retrain",
        "--dataset",
        chain / "dataset",
        "--search",
        "search",
        "--output",
        "model",
        *options,
        cwd=tmp_path,
    )
    assert same(tmp_path / "model/model.safetensors", chain / "model/model.safetensors")


def test_the_dataset_is_called_by_its_name_whatever_its_folder(chain, autonad, tmp_path):
    """On Kubeflow every dataset lies in a folder that is called "dataset"."""
    from autonad.deploy.shipped import ShippedNetwork

    given = ("--set", "tracking.dataset=steel", "--set", "tracking.enabled=false")
    given = ("--params", chain / "params.yaml", *given)
    dataset = ("--dataset", chain / "dataset")
    pages = ["evaluation/report.html", "decision/decision.html", "export/MODEL_CARD.md"]
    autonad("evaluate", *dataset, "--model", chain / "model", "--output", "evaluation", *given, cwd=tmp_path)
    export = ("--model", chain / "model", "--evaluation", "evaluation", "--output", "export")
    autonad("export", *dataset, *export, *given, cwd=tmp_path)
    target = ("--target", chain / "targets/here.json")
    autonad("decide", *dataset, *target, "--pin", "pin", "--output", "decision", *given, cwd=tmp_path)

    for page in pages:
        text = (tmp_path / page).read_text()
        assert "steel" in text, page
        assert not re.search(r"\b(for|dataset|folder)(</\w+><\w+>|:)?\s*dataset\b", text, re.IGNORECASE), page
    assert ShippedNetwork.open(tmp_path / "export/model.onnx", 1).provenance["dataset_name"] == "steel"
