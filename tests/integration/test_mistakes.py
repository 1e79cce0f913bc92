"""What a user can do wrong: one clear line, the right exit code, nothing lost."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from autonad.space import SearchSpace

pytestmark = pytest.mark.slow
UNTRACKED = ("--set", "tracking.enabled=false")


@pytest.fixture
def fails(chain, autonad, tmp_path):
    """Run a command that must fail with `code`, and return its one line."""

    def fails(*arguments: object, code: int = 2) -> str:
        done = autonad(
            *arguments,
            "--params",
            chain / "params.yaml",
            "--set",
            "tracking.enabled=false",
            cwd=tmp_path,
            code=code,
        )
        lines = done.stderr.strip().splitlines()
        assert len(lines) == 1, done.stderr
        return lines[0]

    return fails


@pytest.fixture
def dataset(chain, tmp_path) -> Path:
    return Path(shutil.copytree(chain / "dataset", tmp_path / "dataset"))


def test_an_architecture_of_another_space(chain, fails, tmp_path):
    search = Path(shutil.copytree(chain / "search", tmp_path / "search"))
    stranger = SearchSpace.preset("small").sample(np.random.default_rng(0))
    (search / "architecture.json").write_text(stranger.to_json())
    line = fails("retrain", "--dataset", chain / "dataset", "--search", search, "--output", "model")
    assert "inherited.safetensors" in line
    assert "same architecture" in line


def test_a_checkpoint_of_another_configuration(chain, fails, tmp_path):
    supernet = Path(shutil.copytree(chain / "supernet", tmp_path / "supernet"))
    before = (supernet / "supernet.safetensors").read_bytes()
    line = fails(
        "train-supernet",
        "--dataset",
        chain / "dataset",
        "--output",
        supernet,
        "--resume",
        "--set",
        "train_supernet.learning_rate=0.5",
    )
    assert "settings.learning_rate (0.002 there, 0.5 now)" in line
    assert (supernet / "supernet.safetensors").read_bytes() == before


def test_a_budget_that_no_network_keeps(chain, fails, tmp_path):
    inputs = (
        "--dataset",
        chain / "dataset",
        "--supernet",
        chain / "supernet",
        "--latency",
        chain / "latency",
    )
    line = fails("search", *inputs, "--output", "search", "--budget-ms", "0.0001", "--budget-ms", "1000")
    assert "search.latency_budget_ms = 0.0001 cannot be kept" in line
    assert "the fastest network that was found takes" in line
    assert not (tmp_path / "search/journal.jsonl").exists()


def test_one_target_twice(chain, fails, tmp_path):
    shutil.copytree(chain / "latency", tmp_path / "again")
    inputs = (
        "--dataset",
        chain / "dataset",
        "--supernet",
        chain / "supernet",
        "--latency",
        chain / "latency",
    )
    assert "both of target" in fails("search", *inputs, "--latency", "again", "--output", "search")
    assert "names a folder twice" in fails("search", *inputs, *inputs[-2:], "--output", "search")


def test_a_budget_that_no_finalist_of_algorithm_1_keeps(chain, fails, autonad, tmp_path):
    def refused(budget_ms: float) -> str:
        return fails(
            "search",
            *("--dataset", chain / "dataset", "--supernet", chain / "supernet"),
            *("--latency", chain / "latency", "--output", "search"),
            *("--set", "search.algorithm=algorithm1", "--set", f"search.latency_budget_ms={budget_ms}"),
        )

    line = refused(0.0001)
    assert "search.latency_budget_ms = 0.0001 cannot be kept" in line
    assert not (tmp_path / "search/journal.jsonl").exists()
    fastest = float(re.search(r"found takes ([0-9.e-]+) ms", line).group(1))
    line = refused(fastest)
    assert "none of the 2 finalists keeps search.latency_budget_ms" in line
    assert "repeat the command" in line

    def scored() -> dict[str, float]:
        entries = map(json.loads, (tmp_path / "search/journal.jsonl").read_text().splitlines())
        return {one["key"]: one["miou"] for one in entries if "miou" in one}

    before = scored()
    autonad(
        "search",
        *("--dataset", chain / "dataset", "--supernet", chain / "supernet", "--latency", chain / "latency"),
        *("--output", "search", "--params", chain / "params.yaml", "--set", "tracking.enabled=false"),
        *("--set", "search.latency_budget_ms=1000", "--set", "search.algorithm=algorithm1"),
        cwd=tmp_path,
    )
    assert (tmp_path / "search/architecture.json").is_file()
    # What both have evaluated was scored once.
    assert before.keys() & scored().keys()
    assert all(miou == scored().get(key, miou) for key, miou in before.items())


def test_a_dataset_with_other_classes(chain, fails, tmp_path):
    fails_not = tmp_path / "other"
    from autonad.data.synthetic.generator import synthesize

    synthesize(fails_not, num_images=30, size=(48, 48), classes=("scratch", "stain"), materials=("steel",))
    line = fails("evaluate", "--dataset", fails_not, "--model", chain / "model", "--output", "evaluation")
    assert "crack, blowhole" in line
    assert "scratch, stain" in line


def spoil(dataset: Path, column: str) -> Path:
    """A file of the training split, to be damaged."""
    rows = pd.read_parquet(dataset / "manifest.parquet").query("split == 'train'")
    return dataset / rows.iloc[0][column]


def other_description(folder: Path, target: Path, name: str, **changes: object) -> Path:
    """A copy of a folder whose description tells another spec."""
    copied = Path(shutil.copytree(folder, target))
    description = json.loads((copied / name).read_text())
    description["spec"] |= changes
    (copied / name).write_text(json.dumps(description))
    return copied


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": ["background", "dent", "stain"]}, "knows the classes background, dent, stain"),
        ({"mean": [0.1, 0.2, 0.3]}, "sees images otherwise than the network to be trained (other mean)"),
    ],
)
def test_a_teacher_of_other_classes_or_images(chain, fails, tmp_path, given, message):
    """Nothing is lost: the model of before stays, and a checkpoint too."""
    teacher = other_description(chain / "supernet", tmp_path / "teacher", "supernet.json", **given)
    model = Path(shutil.copytree(chain / "model", tmp_path / "model"))
    before = {path: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    line = fails(
        *("retrain", "--dataset", chain / "dataset", "--search", chain / "search", "--output", model),
        *("--teacher", teacher, "--set", "retrain.teacher=supernet-largest", "--replace"),
    )
    assert message in line
    assert "retrain.teacher to none" in line
    assert {path: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before


def test_a_teacher_without_a_folder_and_a_folder_without_a_teacher(chain, fails):
    arguments = ("retrain", "--dataset", chain / "dataset", "--search", chain / "search", "--output", "model")
    line = fails(*arguments, "--set", "retrain.teacher=supernet-largest")
    assert "retrain.teacher is supernet-largest, but no folder of a supernet is given" in line
    line = fails(*arguments, "--set", "retrain.teacher=model", "--teacher", chain / "supernet")
    assert "model.json" in line


def test_an_unknown_sampler(chain, fails):
    line = fails(
        *("train-supernet", "--dataset", chain / "dataset", "--output", "supernet"),
        *("--set", "train_supernet.sampler=fairly"),
    )
    assert "train_supernet.sampler is 'fairly'" in line
    assert all(name in line for name in ("uniform", "fair", "sandwich"))


def test_a_truncated_image_in_training(chain, fails, dataset):
    path = spoil(dataset, "image")
    path.write_bytes(path.read_bytes()[:200])
    assert path.name in fails("train-supernet", "--dataset", dataset, "--output", "supernet")


def test_a_mask_of_another_size(chain, fails, dataset):
    path = spoil(dataset, "mask")
    cv2.imwrite(str(path), np.zeros((10, 12), np.uint8))
    line = fails("train-supernet", "--dataset", dataset, "--output", "supernet")
    assert path.name in line
    assert "is not the file that manifest.parquet names" in line


def test_masks_that_were_replaced_under_an_old_fingerprint(chain, fails, dataset):
    for row in pd.read_parquet(dataset / "manifest.parquet").query("split == 'test'").itertuples():
        cv2.imwrite(str(dataset / row.mask), np.zeros((48, 48), np.uint8))
    line = fails("evaluate", "--dataset", dataset, "--model", chain / "model", "--output", "evaluation")
    assert "more in dataset" in line
    assert "dvc checkout" in line


def test_a_mask_with_an_unknown_value_is_an_error_of_the_audit(chain, autonad, dataset, tmp_path):
    path = spoil(dataset, "mask")
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    mask[:3] = 9
    cv2.imwrite(str(path), mask)
    done = autonad("audit", "--dataset", dataset, *UNTRACKED, cwd=tmp_path, code=1)
    assert any("error" in line and path.name in line and "9" in line for line in done.stdout.splitlines())


def test_an_import_with_a_faulty_image_finishes_and_names_it(autonad, tmp_path):
    source, rng = tmp_path / "source", np.random.default_rng(0)
    for folder in ("images", "masks"):
        (source / folder).mkdir(parents=True)
    for number in range(8):
        mask = np.zeros((40, 40), np.uint8)
        mask[5 : 5 + number + 4, 5:12] = 255
        cv2.imwrite(str(source / f"images/{number}.png"), rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        cv2.imwrite(str(source / f"masks/{number}.png"), mask)
    (source / "images/3.png").write_bytes(b"no image")
    done = autonad(
        "import-data",
        "--format",
        "masks",
        "--source",
        source,
        "--classes",
        "crack",
        "--output",
        "data",
        *UNTRACKED,
        cwd=tmp_path,
        code=1,
    )
    assert "3.png" in done.stdout
    assert len(pd.read_parquet(tmp_path / "data/manifest.parquet")) == 7
    assert any((tmp_path / "data/quarantine").iterdir())


def test_an_evaluation_of_other_weights_makes_no_model_card(chain, fails, tmp_path):
    model = Path(shutil.copytree(chain / "model", tmp_path / "model"))
    shutil.copy(chain / "search/inherited.safetensors", model / "model.safetensors")
    line = fails(
        *("export", "--model", model, "--dataset", chain / "dataset"),
        *("--evaluation", chain / "evaluation", "--output", "export"),
    )
    assert "of other weights" in line
    assert not (tmp_path / "export/model.onnx").exists()


def test_a_failed_parity_check_keeps_the_previous_file(chain, fails, tmp_path):
    exported = Path(shutil.copytree(chain / "export", tmp_path / "export"))
    before = (exported / "model.onnx").read_bytes()
    line = fails(
        *("export", "--model", chain / "model", "--dataset", chain / "dataset"),
        *("--evaluation", chain / "evaluation", "--output", exported, "--replace"),
        *("--set", "export.tolerance=1e-12"),
    )
    assert "export.tolerance = 1e-12" in line
    assert (exported / "model.onnx").read_bytes() == before
    assert not list(exported.glob(".*"))


def test_a_latency_table_of_another_input_size(chain, fails, tmp_path):
    latency = Path(shutil.copytree(chain / "latency", tmp_path / "latency"))
    from autonad.latency.table import LatencyTable

    table = LatencyTable.load(latency / "table.parquet")
    other = LatencyTable(
        table.frame, table.source, table.calibration, {**table.context, "input_size": [96, 96]}
    )
    other.save(latency / "table.parquet")
    line = fails(
        *("search", "--dataset", chain / "dataset", "--supernet", chain / "supernet"),
        *("--latency", latency, "--output", "search"),
    )
    assert "input size [96, 96], the supernet has [48, 48]" in line


def test_a_search_folder_without_a_search(chain, fails, tmp_path):
    (tmp_path / "empty").mkdir()
    line = fails(
        *("evaluate", "--dataset", chain / "dataset", "--model", chain / "model"),
        *("--search", "empty", "--output", "evaluation"),
    )
    assert "the search is not at empty/search.json" in line
