"""What is chosen from is what the detector does."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from dark_detector import DARK, dark_spec, forward, surface
from toy_candidates import drawn

from autonad.data.dataset import Dataset
from autonad.data.writer import DatasetWriter
from autonad.detector.components import find_components
from autonad.detector.engine import classify
from autonad.detector.fitting import IGNORE
from autonad.detector.judged import Verdict, judge_defects
from autonad.detector.rules import ClassRule, Rules
from autonad.errors import ConfigError, DatasetError, StorageError
from autonad.evaluation.candidates import (
    LEVELS,
    Candidates,
    candidates_file,
    collect_splits,
    image_candidates,
)
from autonad.evaluation.operating import outcome_of

CLASSES = ("background", "crack", "hole", "dent")


def blobs(rng: np.random.Generator, side: int = 48) -> np.ndarray:
    """Logits (C, side, side) with soft, overlapping regions."""
    rows, columns = np.mgrid[:side, :side]
    logits = np.zeros((len(CLASSES), side, side), np.float32)
    for _ in range(8):
        value, (row, column), radius = (
            rng.integers(1, len(CLASSES)),
            rng.integers(0, side, 2),
            rng.uniform(3, 9),
        )
        distance = np.hypot(rows - row, columns - column) / radius
        logits[value] += rng.uniform(2, 9) * np.exp(-(distance**2)) - 0.3
    return logits


def candidates_of(logits: np.ndarray, truth: np.ndarray) -> Candidates:
    faint = classify(iter([(0, logits)]), truth.shape, (LEVELS[0],) * (len(CLASSES) - 1))
    found = image_candidates(faint, truth)
    return Candidates(
        classes=CLASSES,
        images=np.asarray(["a.png"]),
        groups=np.asarray(["a"]),
        image=np.zeros(found["value"].size, int),
        defect_image=np.zeros(found["defect_class"].size, int),
        **found,
    )


def random_rules(rng: np.random.Generator, *, shared: bool) -> Rules:
    levels = [rng.choice(LEVELS)] * 3 if shared else rng.choice([one for one in LEVELS if one >= 0.5], 3)
    chosen = {
        name: ClassRule(
            probability=float(level),
            review=float(rng.uniform(level, 1)),
            min_area_px=float(rng.choice([4, 16, 64])),
        )
        for name, level in zip(CLASSES[1:], levels, strict=True)
    }
    return Rules(mm_per_pixel=None, classes=chosen)


@pytest.mark.parametrize("shared", [False, True], ids=["each from 0.5", "all share one"])
@pytest.mark.parametrize("seed", range(40))
def test_rules_say_of_candidates_what_the_detector_says_of_the_image(seed: int, shared: bool) -> None:
    rng = np.random.default_rng(seed)
    logits, truth = blobs(rng), np.zeros((48, 48), np.uint8)
    truth[20:26, 20:26] = 1
    rules = random_rules(rng, shared=shared)
    thresholds = tuple(rules.classes[name].probability for name in CLASSES[1:])
    pixels = classify(iter([(0, logits)]), truth.shape, thresholds)
    judged = judge_defects(find_components(pixels.mask, pixels.score), CLASSES, rules)

    outcome = outcome_of(candidates_of(logits, truth), rules)

    assert bool(outcome.ng[0]) == (judged.verdict is Verdict.NG)
    assert bool(outcome.seen[0]) == (judged.verdict is not Verdict.OK)


def sure(*boxes: tuple[int, int, int, int, int]) -> np.ndarray:
    logits = np.zeros((len(CLASSES), 48, 48), np.float32)
    for value, top, left, bottom, right in boxes:
        logits[value, top:bottom, left:right] = 20
    return logits


def usual() -> Rules:
    return Rules.default(CLASSES)


def test_a_region_is_stray_only_away_from_every_defect() -> None:
    truth = np.zeros((48, 48), np.uint8)
    truth[10:14, 10:14] = 1

    hit, near, away = (
        outcome_of(candidates_of(sure(box), truth), usual())
        for box in ((1, 13, 13, 20, 20), (2, 18, 10, 24, 14), (2, 19, 10, 24, 14))
    )

    assert (hit.found.tolist(), hit.false_ng.tolist()) == ([True], [False])
    assert (near.found.tolist(), near.false_ng.tolist()) == ([False], [False])
    assert (away.found.tolist(), away.false_ng.tolist(), away.ng.tolist()) == ([False], [True], [True])


def test_a_defect_counts_as_found_under_any_name() -> None:
    truth = np.zeros((48, 48), np.uint8)
    truth[10:14, 10:14] = 1

    assert outcome_of(candidates_of(sure((3, 10, 10, 14, 14)), truth), usual()).found.tolist() == [True]


def test_what_lies_where_nothing_is_known_is_no_false_alarm() -> None:
    truth = np.full((48, 48), IGNORE, np.uint8)
    truth[:, :24] = 0

    hidden = outcome_of(candidates_of(sure((1, 10, 30, 20, 40)), truth), usual())
    half_seen = outcome_of(candidates_of(sure((1, 10, 16, 20, 30)), truth), usual())

    assert not hidden.ng.any()
    assert half_seen.false_ng.all()


def test_touching_regions_of_two_classes_are_two_defects() -> None:
    truth = np.zeros((48, 48), np.uint8)
    truth[10:14, 10:14], truth[14:18, 10:14] = 1, 2
    found = candidates_of(sure((1, 10, 10, 14, 14)), truth)

    outcome = outcome_of(found, usual())

    assert found.defect_class.tolist() == [1, 2]
    assert outcome.found.tolist() == [True, False]


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    saved = drawn(0, clean=5, defective=5)
    saved.save(tmp_path / "candidates.npz")
    loaded = Candidates.load(tmp_path / "candidates.npz")

    assert loaded.classes == saved.classes
    assert all((getattr(loaded, f.name) == getattr(saved, f.name)).all() for f in fields(saved)[1:])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c.npz").write_bytes(content)

    with pytest.raises(StorageError, match=r"c\.npz .*autonad evaluate"):
        Candidates.load(tmp_path / "c.npz")
    with pytest.raises(StorageError, match=r"d\.npz .*autonad evaluate"):
        Candidates.load(tmp_path / "d.npz")


@pytest.mark.parametrize("rule", [{"probability": 0.55}, {"min_count": 2}, {"min_area_px": 3.5}])
def test_what_candidates_do_not_tell_is_refused(rule: dict[str, float]) -> None:
    rules = Rules.from_dict({"defaults": rule}, drawn(0, clean=2, defective=2).classes, "rules")

    with pytest.raises(ConfigError, match=r"an evaluation"):
        outcome_of(drawn(0, clean=2, defective=2), rules)


def test_a_low_probability_that_not_all_classes_share_is_refused() -> None:
    candidates = drawn(0, clean=2, defective=2)
    first, *others = candidates.classes[1:]
    chosen = {first: ClassRule(probability=0.3), **{name: ClassRule(probability=0.6) for name in others}}

    with pytest.raises(ConfigError, match=r"below 0\.5; give all classes the same"):
        outcome_of(candidates, Rules(mm_per_pixel=None, classes=chosen))


def surfaces(folder: Path) -> Dataset:
    """Two test images alone, each a grey surface with one crack."""
    image = surface((20, 20, 40, 24))
    with DatasetWriter(folder, classes=dark_spec().classes) as writer:
        for name in ("a", "b"):
            writer.add(image, (image[..., 0] == DARK).astype(np.uint8), name=name, group=name)
        writer.finish(lambda rows: pd.Series("test", index=rows.index))
    return Dataset.open(folder)


def test_a_mask_that_was_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    dataset = surfaces(tmp_path / "data")
    mask = dataset.root / dataset.split("test")["mask"].iloc[0]
    cv2.imwrite(str(mask), np.zeros((64, 64), np.uint8))

    with pytest.raises(DatasetError, match=r"is not the file that manifest\.parquet names"):
        collect_splits(forward, dataset, dark_spec(), tmp_path)


def test_a_split_without_images_has_a_file_without_candidates(tmp_path: Path) -> None:
    collect_splits(forward, surfaces(tmp_path / "data"), dark_spec(), tmp_path)
    val, test = (Candidates.load(candidates_file(tmp_path, name)) for name in ("val", "test"))

    assert (len(val.images), len(val.image), val.defect_images.size) == (0, 0, 0)
    assert val.classes == test.classes == dark_spec().classes
    assert test.images.tolist() == ["images/a.png", "images/b.png"]
    assert len(test.defect_image) == 2
