import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from toy_split import ToyData, ToyDataset, blind, oracle

from autonad.errors import CheckpointError, DatasetError
from autonad.evaluation.metrics import ConfusionMatrix, compute_metrics
from autonad.evaluation.predict import evaluate_network
from autonad.evaluation.result import EvaluationResult, write_evaluation


def _evaluate(split: SimpleNamespace, forward: object = oracle, batch_size: int = 4) -> EvaluationResult:
    return evaluate_network(
        forward,
        split.data,
        split.dataset,
        batch_size=batch_size,
        num_classes=4,  # type: ignore[arg-type]
    )


def test_an_oracle_is_perfect_at_input_size_and_nearly_so_at_native_size(split: SimpleNamespace) -> None:
    metrics = _evaluate(split).metrics()
    assert metrics["input"]["miou"] == 1
    # Masks shrink to 64 pixels and back: the outlines are off by a pixel or two.
    assert 0.9 < metrics["native"]["miou"] < 1
    assert metrics["image_level"]["misses"] == {"count": 0, "of": 8, "rate": 0}
    assert metrics["image_level"]["false_alarms_clean"] == {"count": 0, "of": 1, "rate": 0}


@pytest.mark.parametrize("keep_aspect", [True, False])
def test_at_the_images_own_size_both_figures_agree(split: SimpleNamespace, keep_aspect: bool) -> None:
    masks = [np.random.default_rng(n).integers(0, 4, (64, 64), dtype=np.uint8) for n in range(5)]
    masks[0][:8] = 255
    dataset = ToyDataset([np.zeros((64, 64, 3), np.uint8)] * 5, masks)
    same = SimpleNamespace(dataset=dataset, data=ToyData(dataset, (64, 64), keep_aspect))
    rng = np.random.default_rng(0)
    result = _evaluate(same, lambda images: rng.standard_normal((len(images), 4, 64, 64)))
    assert (result.input_matrices == result.native_matrices).all()


def test_native_counts_every_native_pixel_and_input_no_padding(split: SimpleNamespace) -> None:
    result = _evaluate(split)
    for index, (mask, size) in enumerate(zip(split.dataset.masks, result.sizes, strict=True)):
        assert size == mask.shape
        assert result.native_matrices[index].sum() == mask.size
        height, width = split.data.placement(index).resized
        assert result.input_matrices[index].sum() == height * width


def test_batch_size_changes_nothing(split: SimpleNamespace) -> None:
    one, all_at_once = _evaluate(split, batch_size=1), _evaluate(split, batch_size=100)
    assert (one.native_matrices == all_at_once.native_matrices).all()
    assert one.verdicts == all_at_once.verdicts


def test_torch_logits_of_any_precision_are_accepted(split: SimpleNamespace) -> None:
    def forward(images: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(oracle(images)).bfloat16().requires_grad_()

    assert (_evaluate(split, forward).native_matrices == _evaluate(split).native_matrices).all()


def test_a_blind_network_misses_every_defect(split: SimpleNamespace) -> None:
    metrics = _evaluate(split, blind).metrics()
    assert metrics["image_level"]["misses"] == {"count": 8, "of": 8, "rate": 1}
    assert metrics["native"]["foreground_miou"] == 0
    assert metrics["native"]["classes"]["crack"]["precision"] is None


def test_metrics_hold_intervals_around_the_estimate_and_no_nan(split: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)
    result = _evaluate(
        split, lambda images: oracle(images) + rng.standard_normal((len(images), 4, 64, 64)) * 6
    )
    metrics = result.metrics(resamples=500)
    json.dumps(metrics, allow_nan=False)
    for size in ("input", "native"):
        interval = metrics["intervals"][size]["miou"]
        assert interval["low"] < metrics[size]["miou"] < interval["high"]
        assert interval["groups"] == metrics["groups"] == 5
    assert (
        compute_metrics(np.array(metrics["native"]["confusion"]), split.classes).miou
        == metrics["native"]["miou"]
    )


def test_per_image_rows_sum_up_to_the_split(split: SimpleNamespace) -> None:
    result = _evaluate(split)
    table = result.per_image()
    assert len(table) == 9
    assert table["missed"].sum() == 0
    assert table["truth_px"].sum() == sum(int((mask > 0).sum()) for mask in split.dataset.masks)
    assert table.loc[8, "iou/crack"] is not None
    assert table["iou/crack"].isna().sum() == 6  # three images show it
    assert table["miou"].between(0, 1).all()


def test_files_come_back_as_written(split: SimpleNamespace, tmp_path: Path) -> None:
    result = _evaluate(split)
    write_evaluation(tmp_path, result.metrics(resamples=50), result.per_image())
    table = pd.read_parquet(tmp_path / "per_image.parquet")
    matrices = np.stack(table["confusion_native"].to_list()).reshape(-1, 4, 4)
    assert (matrices == result.native_matrices).all()
    assert table["group"].tolist() == list(result.groups)
    total = ConfusionMatrix(4)
    total._matrix += matrices.sum(0)
    saved = json.loads((tmp_path / "metrics.json").read_text())
    assert saved["native"]["confusion"] == total.matrix.tolist()


def test_progress_reaches_the_end(split: SimpleNamespace) -> None:
    steps: list[tuple[int, int]] = []
    evaluate_network(
        oracle,
        split.data,
        split.dataset,
        batch_size=4,
        num_classes=4,
        progress=lambda *step: steps.append(step),
    )
    assert steps == [(4, 9), (8, 9), (9, 9)]


def test_output_that_is_not_finite_is_named(split: SimpleNamespace) -> None:
    def forward(images: np.ndarray) -> np.ndarray:
        logits = oracle(images)
        logits[1, 0, 3, 3] = np.nan
        return logits

    with pytest.raises(CheckpointError, match=r"images/01\.png is not finite"):
        _evaluate(split, forward)


def test_a_model_of_other_classes_is_refused(split: SimpleNamespace) -> None:
    with pytest.raises(DatasetError, match="dataset has 4 classes and the model 3"):
        evaluate_network(oracle, split.data, split.dataset, batch_size=4, num_classes=3)


def test_an_empty_split_is_refused() -> None:
    dataset = ToyDataset([], [])
    with pytest.raises(DatasetError, match="no images"):
        evaluate_network(oracle, ToyData(dataset), dataset, batch_size=4, num_classes=4)
