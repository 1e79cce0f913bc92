"""What looks wrong although it can be read: each check fires on its fault, and on nothing that is sound."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import cv2
import layouts as make
import numpy as np
import pandas as pd
import pytest

from autonad.data.dataset import Dataset
from autonad.data.fingerprints import Fingerprint
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.sanity.edges import edge_scores
from autonad.data.sanity.judging import judge, judge_splits
from autonad.data.sanity.looked import Expected, Looked
from autonad.data.sanity.measures import MOST_DEFECTS, Measures, side_at_input
from autonad.data.synthetic.generator import synthesize
from autonad.data.tile_choice import TileWish, tiling_of
from autonad.storage.folder import FolderSource

Pair = tuple[np.ndarray, np.ndarray]
EXPECTED = Expected("set", (64, 64))


def pair(seed: int, height: int = 72, width: int = 96) -> Pair:
    """A texture with a darker ellipse somewhere, and the mask of that ellipse."""
    rng = np.random.default_rng(seed)
    image = make.texture(seed, height, width)
    mask = np.zeros((height, width), np.uint8)
    centre = (int(rng.integers(20, width - 20)), int(rng.integers(15, height - 15)))
    axes = (int(rng.integers(5, 14)), int(rng.integers(5, 10)))
    cv2.ellipse(mask, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    image = np.where(mask[..., None] > 0, image // 3, image // 2 + 100)
    return image.astype(np.uint8), mask


def look(pairs: list[Pair], groups: list[str] | None = None) -> list[Looked]:
    looked = []
    for number, (image, mask) in enumerate(pairs):
        prints = Fingerprint.of(image, mask)
        group = "" if groups is None else groups[number]
        looked.append(Looked(f"{number}.png", Measures.of(image, mask), prints.content, prints.labels, group))
    return looked


def kinds(pairs: list[Pair], expected: Expected = EXPECTED) -> list[tuple[str, str]]:
    return [(fault.kind, fault.item) for fault in judge(look(pairs), expected)]


@pytest.fixture(scope="module")
def sound() -> list[Pair]:
    return [pair(seed) for seed in range(30)]


def test_a_sound_set_raises_no_doubt(sound: list[Pair]) -> None:
    assert kinds(sound) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_generated_dataset_raises_no_doubt(tmp_path: Path, seed: int) -> None:
    dataset = synthesize(tmp_path / "d", num_images=80, size=(96, 96), seed=seed, defect_free=0.1)
    rows = [row for _, row in dataset.manifest.iterrows()]
    pairs = [(dataset.read_image(row), dataset.read_mask(row)) for row in rows]
    found = judge(look(pairs, [row["group"] for row in rows]), EXPECTED)
    found += judge_splits(dataset.manifest, dataset.classes, (0.6, 0.2, 0.2))
    assert found == []


def test_figures_are_those_of_the_image() -> None:
    image = np.zeros((10, 20, 3), np.uint8)
    image[:, 10:] = 200
    mask = np.zeros((10, 20), np.uint8)
    mask[0:2, 0:3], mask[5, 5], mask[9] = 1, 2, 255
    got = Measures.of(image, mask)
    assert (got.size, got.levels, got.brightness) == ((10, 20), 2, 100.0)
    assert (got.counted, got.areas, got.num_defects) == (180, (6, 1), 2)
    assert got.defect == pytest.approx(7 / 180)
    assert got.frame == pytest.approx(5 / 60)
    many = np.zeros((40, 40), np.uint8)
    many[::4, ::4] = 1
    assert Measures.of(np.zeros((40, 40, 3), np.uint8), many).areas == (1,) * MOST_DEFECTS
    bare = Measures.of(image, None)
    assert (bare.counted, bare.areas, bare.edges) == (0, (), None)


def test_size_at_the_input_keeps_the_aspect() -> None:
    # 6 × 6 pixels of 2000 × 1500 are 0.2 pixels wide at 64.
    assert side_at_input(36, (1500, 2000), (64, 64), keep_aspect=True) == pytest.approx(6 * 64 / 2000)
    stretched = side_at_input(36, (1500, 2000), (64, 64), keep_aspect=False)
    assert stretched == pytest.approx(6 * 64 / np.sqrt(1500 * 2000))


def test_defects_that_vanish_at_the_input_are_named_with_their_size(sound: list[Pair]) -> None:
    image = cv2.resize(sound[0][0], (2000, 1500))
    mask = np.zeros((1500, 2000), np.uint8)
    mask[700:706, 900:906] = 1
    found = judge(look([*sound, (image, mask)]), EXPECTED)
    assert [(fault.kind, fault.item) for fault in found] == [("vanishing-defect", "30.png")]
    assert "a side of 0.2 at the network's input of 64 × 64" in found[0].message
    assert kinds([*sound, (image, mask)], Expected("set", (1024, 1024))) == []


def test_masks_that_are_inverted_are_one_finding(sound: list[Pair]) -> None:
    assert kinds([(image, 1 - mask) for image, mask in sound]) == [("inverted-masks", "set")]
    assert kinds([(image, 1 - mask) for image, mask in sound[:6]]) == [("inverted-masks", "set")]
    one = [(sound[0][0], 1 - sound[0][1]), *sound[1:]]
    found = judge(look(one), EXPECTED)
    assert [(fault.kind, fault.item) for fault in found] == [("mostly-defect", "0.png")]
    assert "looks inverted" in found[0].message


def test_masks_of_other_images_are_found(sound: list[Pair]) -> None:
    moved = [(image, mask) for (image, _), (_, mask) in zip(sound, [*sound[7:], *sound[:7]], strict=True)]
    assert kinds(moved) == [("unrelated-masks", "set")]
    assert kinds(moved[:7]) == []  # of seven it cannot be said


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (lambda mask: mask[::-1, ::-1], "turned by 180°"),
        (lambda mask: mask[:, ::-1], "mirrored left to right"),
        (lambda mask: mask[::-1], "mirrored top to bottom"),
    ],
)
def test_masks_that_are_turned_are_found(
    sound: list[Pair], turn: Callable[[np.ndarray], np.ndarray], words: str
) -> None:
    found = judge(look([(image, np.ascontiguousarray(turn(mask))) for image, mask in sound]), EXPECTED)
    assert [(fault.kind, fault.item) for fault in found] == [("turned-masks", "set")]
    assert words in found[0].message


def test_a_border_fits_where_it_was_drawn() -> None:
    image, mask = pair(4)
    scores = edge_scores(image[..., 0], mask > 0)
    assert scores is not None
    assert scores[0] > 1
    assert scores[0] > max(scores[1:])
    assert edge_scores(image[..., 0], np.zeros(mask.shape, bool)) is None


def test_one_mask_on_no_edge_is_named(sound: list[Pair]) -> None:
    image = make.texture(99, 72, 96)
    image[:, 48:] = image[:, 48:] // 2 + 100  # all that changes in it
    image[:, :40] = 160
    mask = np.zeros((72, 96), np.uint8)
    mask[20:50, 8:24] = 1
    assert kinds([*sound, (image, mask)]) == [("no-edge", "30.png")]


def test_equal_masks_of_different_parts_are_named(sound: list[Pair]) -> None:
    twice = [*sound, (sound[0][0][::-1].copy(), sound[3][1])]
    assert ("equal-masks", "30.png") in kinds(twice)
    parts = [str(number) for number in range(30)]
    assert [f.item for f in judge(look(twice, [*parts, "3"]), EXPECTED) if f.kind == "equal-masks"] == []
    assert [f.item for f in judge(look(twice, [*parts, "x"]), EXPECTED) if f.kind == "equal-masks"] == [
        "30.png"
    ]


def test_lost_grey_levels_are_named_or_counted(sound: list[Pair]) -> None:
    def coarse(one: Pair) -> Pair:
        return one[0] // 32 * 32, one[1]

    assert kinds([coarse(sound[0]), *sound[1:]]) == [("few-grey-levels", "0.png")]
    assert [kind for kind, _ in kinds([coarse(one) for one in sound])] == ["few-grey-levels"]


def test_an_image_of_other_brightness_is_named(sound: list[Pair]) -> None:
    alike = [(image // 4 + 100, mask) for image, mask in sound]
    dark = (sound[0][0] // 8, sound[0][1])
    assert kinds(alike) == []
    assert kinds([dark, *alike[1:]]) == [("brightness-outlier", "0.png")]


def test_masks_that_are_all_ignored_are_named(sound: list[Pair]) -> None:
    assert kinds([(sound[0][0], np.full((72, 96), 255, np.uint8)), *sound[1:]]) == [("ignored", "0.png")]


# -- splits ----------------------------------------------------------------------------------------------


def manifest(splits: dict[str, int], pixels: tuple[int, ...] = (5, 5, 5)) -> pd.DataFrame:
    rows = [split for split, count in splits.items() for _ in range(count)]
    groups = [f"g{number}" for number in range(len(rows))]
    return pd.DataFrame({"split": rows, "group": groups, "pixels": [list(pixels)] * len(rows)})


CLASSES, SHARES = ("background", "crack", "stain"), (0.6, 0.2, 0.2)


def said(table: pd.DataFrame, shares: tuple[float, ...] | None = SHARES) -> list[tuple[str, str]]:
    return [(fault.kind, fault.item) for fault in judge_splits(table, CLASSES, shares)]


def test_sizes_of_splits_are_compared_with_those_asked_for() -> None:
    assert said(manifest({"train": 60, "val": 20, "test": 20})) == []
    uneven = manifest({"train": 90, "val": 5, "test": 5})
    assert said(uneven) == [("uneven-split", "train/val/test")]
    assert said(uneven, None) == []
    assert said(manifest({"train": 8, "val": 1, "test": 1})) == []  # of ten it cannot be otherwise
    assert said(manifest({"train": 60, "unlabelled": 90, "val": 20, "test": 20})) == []


def test_classes_that_are_nowhere_or_not_everywhere() -> None:
    sizes = {"train": 60, "val": 20, "test": 20}
    assert said(manifest(sizes, (5, 5, 0))) == [("unseen-class", "stain")]
    table = manifest(sizes)
    table["pixels"] = [[5, 5, 0] if split == "val" else [5, 5, 5] for split in table["split"]]
    assert said(table) == [("missing-class", "val/stain")]
    assert said(manifest({"train": 60, "val": 40}), (0.6, 0.4, 0)) == []
    assert said(manifest({"train": 60, "val": 40})) == [
        ("empty-split", "test"),
        ("uneven-split", "train/val/test"),
    ]


def test_a_batch_is_told_only_what_it_has_changed() -> None:
    before = manifest({"train": 60, "val": 20, "test": 20}, (5, 5))
    after = manifest({"train": 62, "val": 20, "test": 20}, (5, 5, 0))
    after.at[0, "pixels"] = [5, 5, 5]
    found = judge_splits(after, CLASSES, SHARES, before)
    assert [(fault.kind, fault.item) for fault in found] == [
        ("missing-class", "val/stain"),
        ("missing-class", "test/stain"),
    ]
    assert judge_splits(after, CLASSES, SHARES, after) == []


# -- one list for all ------------------------------------------------------------------------------------


def test_import_and_audit_use_the_same_words(tmp_path: Path, sound: list[Pair]) -> None:
    from autonad.data.audit import audit_dataset, audit_layout

    source, settings = tmp_path / "m", IngestSettings(format="masks", wish=TileWish((64, 64)))
    for number, (image, mask) in enumerate(sound):
        make.save(source / "images" / f"{number}.png", image)
        make.save(source / "masks" / f"{number}.png", 255 * (1 - mask))
    report = import_dataset(source, tmp_path / "d", settings)
    found = [
        {(f.severity, f.kind) for f in faults.itertuples()}
        for faults in (
            report.faults,
            audit_layout(source, settings).faults,
            audit_dataset(tmp_path / "d", wish=TileWish((64, 64))).faults,
        )
    ]
    assert found[0] == found[1] == found[2] == {("warning", "inverted-masks"), ("warning", "no-groups")}


def large(seed: int) -> Pair:
    """A large image with a small defect."""
    mask = np.zeros((700, 700), np.uint8)
    mask[300:306, 90:96] = 1
    image = np.where(mask[..., None] > 0, 40, make.texture(seed, 700, 700) // 2 + 100)
    return image.astype(np.uint8), mask


@pytest.mark.parametrize(
    ("tile", "count", "lost"),
    [("none", 1, True), (768, 1, True), (64, 1, False), ("auto", 1, True), ("auto", 10, False)],
)
def test_defects_vanish_in_what_training_would_cut(
    tmp_path: Path, sound: list[Pair], tile: int | Literal["none", "auto"], count: int, lost: bool
) -> None:
    from autonad.data.audit import audit_dataset, audit_layout

    wish = TileWish((64, 64), tile=tile)
    source, batch = tmp_path / "set", tmp_path / "batch"
    settings = IngestSettings(format="masks", wish=wish)
    for number, (image, mask) in enumerate([*sound[count:20], *map(large, range(count))]):
        make.save(source / "images" / f"{number}.png", image)
        make.save(source / "masks" / f"{number}.png", 255 * mask)
    image, mask = large(count)
    make.save(batch / "images" / "late.png", image)
    make.save(batch / "masks" / "late.png", 255 * mask)

    before = audit_layout(source, settings)
    imported = import_dataset(source, tmp_path / "d", settings)
    tiling = tiling_of(imported.dataset, wish)
    after = audit_dataset(tmp_path / "d", wish=wish)
    late = ingest_batch(
        tmp_path / "d", FolderSource(batch), settings, name="late", date=datetime.date(2026, 1, 1)
    )

    for report in (imported, late, after):
        assert ("vanishing-defect" in set(report.faults["kind"])) == lost
        assert report.expected is not None
        assert report.expected.tiling == tiling
    # Before an import nobody knows what training will choose.
    assert ("vanishing-defect" in set(before.faults["kind"])) == (lost and tile != "auto")


def test_an_audit_survives_masks_that_training_could_not_read(tmp_path: Path) -> None:
    from autonad.data.audit import audit_dataset

    dataset = synthesize(tmp_path / "d", num_images=12, size=(96, 96), seed=0)
    row = next(dataset.split("train").itertuples())
    (dataset.root / str(row.mask)).write_bytes(b"none")

    report = audit_dataset(dataset.root, wish=TileWish((32, 32), tile="auto"))

    assert report.has_errors


def test_what_is_kept_of_an_image_is_small(sound: list[Pair]) -> None:
    import pickle

    measures = Measures.of(*sound[0])
    assert len(pickle.dumps(replace(measures, areas=(10**6,) * MOST_DEFECTS))) < 600


def test_a_dataset_without_masks_is_looked_at(tmp_path: Path) -> None:
    dataset = Dataset.open(synthesize(tmp_path / "d", num_images=12, size=(48, 48), seed=0).root)
    image = dataset.read_image(dataset.manifest.iloc[0])
    bare = Looked("a.png", Measures.of(image, None), "c", "")
    assert judge([bare] * 10, EXPECTED) == []
