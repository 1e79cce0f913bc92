"""Images in tiles are evaluated as the line sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from dark_detector import CLASSES, Dark, dark_spec, forward, surface

from autonad.data.dataset import Dataset
from autonad.data.writer import DatasetWriter
from autonad.detector.components import find_components
from autonad.detector.engine import image_logits
from autonad.detector.resample import likeliest
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Tiling, tile_boxes
from autonad.errors import CheckpointError
from autonad.evaluation import inherited
from autonad.evaluation.inherited import score, score_sizes
from autonad.evaluation.metrics import compute_metrics
from autonad.evaluation.predict import evaluate_network, predict_one
from autonad.evaluation.result import SIZES, EvaluationResult
from autonad.training.inputs import evaluation_data
from autonad.training.world import ALONE, World

NATIVES = [(220, 300), (150, 170), (64, 64), (40, 260), (300, 90)]
TILED = dark_spec(tiles=Tiling(64, 64, 16, 16))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Noisy images of several sizes, each with a dark line that crosses all of its tiles."""
    folder, rng = tmp_path_factory.mktemp("tiled") / "data", np.random.default_rng(0)
    with DatasetWriter(folder, classes=CLASSES) as writer:
        for number, native in enumerate(NATIVES):
            line = (20, 3, 27, native[1] - 5)
            mask = np.zeros(native, np.uint8)
            mask[line[0] : line[2], line[1] : line[3]] = 1
            image = surface(line, size=native).astype(int) + rng.integers(-40, 41, (*native, 1))
            writer.add(np.clip(image, 0, 255).astype(np.uint8), mask, name=f"{number}", group=f"{number}")
        about = {"format": "synthetic", "faults": []}
        writer.finish(lambda rows: pd.Series(["test"] * len(rows)), about=about)
    return Dataset.open(folder)


def evaluated(
    dataset: Dataset, spec: DetectorSpec, batch_size: int = 4, **options: object
) -> EvaluationResult:
    data = evaluation_data(dataset, spec, "test")
    return evaluate_network(forward, data, dataset, batch_size=batch_size, num_classes=3, **options)  # type: ignore[arg-type]


def test_the_evaluation_sees_what_the_line_sees(dataset: Dataset) -> None:
    data = evaluation_data(dataset, TILED, "test")

    for index, row in enumerate(data.rows.itertuples()):
        image = dataset.read_image(row)
        line = likeliest(image_logits(forward, image, TILED), NATIVES[index])
        np.testing.assert_array_equal(predict_one(forward, data, index, 3), line)


def test_a_line_over_all_tiles_is_one_defect(dataset: Dataset) -> None:
    data = evaluation_data(dataset, TILED, "test")
    assert len(data) == sum(len(tile_boxes(native, TILED.tiles)) for native in NATIVES)  # type: ignore[arg-type]

    mask = predict_one(lambda images: forward(images * 0.5 - 0.3), data, 0, 3)

    found = find_components(mask, np.ones(mask.shape, np.float32))
    assert [box for box, area in zip(found.box.tolist(), found.area, strict=True) if area > 50] == [
        [20, 3, 27, 295]
    ]


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_each_pixel_counts_once_at_both_sizes(dataset: Dataset, batch_size: int) -> None:
    result, wanted = evaluated(dataset, TILED, batch_size), evaluated(dataset, TILED)

    for native, at_input, at_native in zip(
        NATIVES, result.input_matrices, result.native_matrices, strict=True
    ):
        assert at_input.sum() == at_native.sum() == native[0] * native[1]
        assert at_input.sum(1).tolist() == at_native.sum(1).tolist()
    np.testing.assert_array_equal(result.native_matrices, wanted.native_matrices)
    np.testing.assert_array_equal(result.input_matrices, wanted.input_matrices)


def test_tiles_at_the_images_scale_score_as_whole_images(dataset: Dataset) -> None:
    """Of a network that looks at single pixels, blending included, nothing may change."""
    tiled = evaluated(dataset, TILED)

    for index, (height, width) in enumerate(NATIVES):
        alone = Dataset(dataset.root, dataset.classes, dataset.manifest.iloc[[index]], dataset.about)
        whole = evaluated(alone, dark_spec(height, width))
        np.testing.assert_array_equal(whole.native_matrices[0], tiled.native_matrices[index])


@pytest.mark.parametrize("spec", [TILED, dark_spec(64, 64)], ids=["tiles", "whole"])
def test_the_quick_scores_are_those_of_the_evaluation(dataset: Dataset, spec: DetectorSpec) -> None:
    result, data = evaluated(dataset, spec), evaluation_data(dataset, spec, "test")
    wanted = {size: compute_metrics(result.matrices(size).sum(0), CLASSES) for size in SIZES}

    assert score_sizes(Dark(), data, classes=CLASSES, world=ALONE) == wanted
    assert wanted["input"].pixels != wanted["native"].pixels or spec.tiles
    for size in SIZES:
        assert score(Dark(), data, classes=CLASSES, world=ALONE, size=size) == wanted[size]


def test_images_of_the_inputs_size_are_counted_once(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Dataset, "read_mask", lambda *_: pytest.fail("masks were read a second time"))
    alone = Dataset(dataset.root, dataset.classes, dataset.manifest.iloc[[2]], dataset.about)
    data = evaluation_data(alone, dark_spec(64, 64), "test")
    data.fitted = lambda index: (np.zeros((64, 64, 3), np.uint8), np.eye(64, dtype=np.uint8))  # type: ignore[method-assign]

    found = score_sizes(Dark(), data, classes=CLASSES, world=ALONE)

    assert found["input"] == found["native"]


@pytest.mark.parametrize("spec", [TILED, dark_spec(64, 64)], ids=["tiles", "whole"])
def test_processes_share_the_images_of_both_sizes(dataset: Dataset, spec: DetectorSpec) -> None:
    data = evaluation_data(dataset, spec, "test")
    alone = score_sizes(Dark(), data, classes=CLASSES, world=ALONE)
    seen: list[np.ndarray] = []

    for rank in range(2):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(inherited, "BATCH", 2)
            patch.setattr(World, "total", lambda self, counts: seen.append(counts) or counts)
            score_sizes(Dark(), data, classes=CLASSES, world=World(ALONE.device, rank, 2))

    for number, size in enumerate(SIZES):
        assert compute_metrics(sum(seen)[number], CLASSES) == alone[size]  # type: ignore[index]


def test_what_is_observed_are_tiles_whose_pixels_count_once(dataset: Dataset) -> None:
    counted: list[int] = []

    evaluated(dataset, TILED, observe=lambda logits, labels: counted.append(int((labels != 255).sum())))

    assert sum(counted) == sum(height * width for height, width in NATIVES)


def test_progress_counts_images(dataset: Dataset) -> None:
    steps: list[tuple[int, int]] = []

    evaluated(dataset, TILED, 2, progress=lambda *step: steps.append(step))

    assert steps == [(2, 5), (4, 5), (5, 5)]


def test_a_tile_that_is_not_finite_names_its_image(dataset: Dataset) -> None:
    data = evaluation_data(dataset, TILED, "test")

    def broken(images: np.ndarray) -> np.ndarray:
        logits = forward(images)
        broken.seen += len(images)  # type: ignore[attr-defined]
        return logits * np.nan if broken.seen > len(tile_boxes(NATIVES[0], TILED.tiles)) else logits  # type: ignore

    broken.seen = 0  # type: ignore[attr-defined]
    with pytest.raises(CheckpointError, match=r"1\.png is not finite"):
        evaluate_network(broken, data, dataset, batch_size=1, num_classes=3)
