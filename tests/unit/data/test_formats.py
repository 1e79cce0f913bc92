from __future__ import annotations

from pathlib import Path
from typing import Any

import layouts as make
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.ingest import importing
from autonad.data.ingest.importing import ImportReport
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import FORMATS, read_layout
from autonad.errors import DatasetError

PATCH = int((make.patch(1) > 0).sum())


def import_dataset(format: str, source: Path, output: Path, **settings: Any) -> ImportReport:
    return importing.import_dataset(source, output, IngestSettings(format=format, **settings), replace=True)


def kinds(faults: pd.DataFrame, severity: str) -> dict[str, int]:
    return make.kinds(faults, severity)


def shown(dataset: Dataset) -> dict[str, list[int]]:
    """Pixels of each class by image name."""
    return {Path(r.image).stem: [int(n) for n in r.pixels] for r in dataset.manifest.itertuples()}


def test_neu_takes_the_class_from_the_name(tmp_path: Path) -> None:
    source = make.neu(tmp_path / "neu")
    report = import_dataset("neu", source, tmp_path / "d")
    assert report.dataset.classes == ("background", "inclusion", "patches", "scratches")
    assert kinds(report.faults, "warning") == {"no-groups": 1}
    assert not report.has_errors
    pixels = shown(report.dataset)
    assert len(pixels) == 12
    for name, counts in pixels.items():
        expected = [0, 0, 0]
        expected[["In", "Pa", "Sc"].index(name[:2])] = PATCH
        assert counts[1:] == expected
    row = report.dataset.manifest.iloc[0]
    original = source / "Source Images" / Path(row["image"]).name
    assert (report.dataset.root / row["image"]).read_bytes() == original.read_bytes()


def test_mt_thresholds_grey_masks_and_leaves_empty_ones_out(tmp_path: Path) -> None:
    report = import_dataset("mt", make.mt(tmp_path / "mt"), tmp_path / "d")
    dataset = report.dataset
    assert dataset.classes == ("background", "blowhole", "break", "crack", "fray", "uneven")
    assert len(dataset.manifest) == 6 * 3 * 2 - 1
    assert {max(pixels[1:]) for pixels in dataset.manifest["pixels"]} == {0, PATCH}
    # Three parts of each class leave no choice but one in each split.
    assert kinds(report.faults, "warning") == {"grey-masks": 1, "empty-mask": 1, "uneven-split": 1}
    assert not report.has_errors
    reasons = pd.read_csv(dataset.root / "quarantine" / "reasons.csv")
    assert reasons["item"].str.startswith("MT_Uneven/").all()
    assert (dataset.root / "quarantine" / reasons["file"][0]).is_file()


def test_mt_threshold_is_exclusive_and_adjustable(tmp_path: Path) -> None:
    source = make.mt(tmp_path / "mt")
    dataset = import_dataset("mt", source, tmp_path / "d", threshold=89).dataset
    assert {max(pixels[1:]) for pixels in dataset.manifest["pixels"]} == {0, PATCH + 5 * 72}
    dataset = import_dataset("mt", source, tmp_path / "d", threshold=90).dataset
    assert {max(pixels[1:]) for pixels in dataset.manifest["pixels"]} == {0, PATCH}


def test_mt_images_without_defects_come_too(tmp_path: Path) -> None:
    report = import_dataset("mt", make.mt(tmp_path / "mt"), tmp_path / "d")
    clean = [sum(pixels[1:]) == 0 for pixels in report.dataset.manifest["pixels"]]
    assert sum(clean) == 6
    assert kinds(report.faults, "warning")["empty-mask"] == 1


def test_groups_of_the_csv_are_never_divided(tmp_path: Path) -> None:
    source = make.mt(tmp_path / "mt", groups=5)
    for seed in range(4):
        manifest = import_dataset("mt", source, tmp_path / "d", seed=seed).dataset.manifest
        assert manifest.groupby("group")["split"].nunique().max() == 1
        assert manifest["group"].nunique() == 30
        assert set(manifest["split"]) == {"train", "val", "test"}


def test_groups_that_show_one_part_are_joined(tmp_path: Path) -> None:
    source = make.mt(tmp_path / "mt")
    table = pd.read_csv(source / "groups.csv")
    crack = table["group"] == "Crack1"
    table.loc[crack, "group"] = ["Crack1", "Crack1b"]  # two exposures of one tile under two names
    table.to_csv(source / "groups.csv", index=False)
    report = import_dataset("mt", source, tmp_path / "d")
    assert kinds(report.faults, "warning")["joined-groups"] == 1
    assert report.faults.set_index("kind").loc["joined-groups", "item"] == "groups Crack1, Crack1b"
    manifest = report.dataset.manifest
    assert "Crack1b" not in set(manifest["group"])
    assert (manifest["group"] == "Crack1").sum() == 2


def test_groups_that_mix_labels_are_named(tmp_path: Path) -> None:
    source = make.mt(tmp_path / "mt")
    table = pd.read_csv(source / "groups.csv").replace({"group": {"Break0": "Fray0"}})
    table.to_csv(source / "groups.csv", index=False)
    faults = import_dataset("mt", source, tmp_path / "d").faults
    assert faults[faults["kind"] == "mixed-group"]["item"].tolist() == ["group Fray0"]


def test_neu_seg_keeps_turned_copies_together(tmp_path: Path) -> None:
    report = import_dataset("neu-seg", make.neu_seg(tmp_path / "s"), tmp_path / "d")
    manifest = report.dataset.manifest
    assert len(manifest) == 13
    assert manifest["group"].nunique() == 9
    by_name = manifest.assign(stem=manifest["image"].str.removeprefix("images/").str[:-4]).set_index("stem")
    for n in range(4):
        pair = by_name.loc[[f"images-training-{n}", f"images-test-{n}"]]
        assert pair["group"].nunique() == pair["split"].nunique() == 1


def test_voc_reads_palette_indices_lists_and_ignored_borders(tmp_path: Path) -> None:
    source = make.voc(tmp_path / "voc")
    make.save(source / "JPEGImages" / "extra.jpg", make.texture(99))
    report = import_dataset("voc", source, tmp_path / "d", classes=["a", "b", "c"])
    pixels = shown(report.dataset)
    assert len(pixels) == 12
    for n in range(12):
        expected = [48 * 47 - PATCH, 0, 0, 0]
        expected[1 + n % 3] = PATCH
        assert pixels[f"img_{n}"] == expected
    assert kinds(report.faults, "warning") == {"unlisted": 1, "no-groups": 1, "own-split": 1}


def test_voc_reads_the_colours_of_the_development_kit(tmp_path: Path) -> None:
    source = make.voc(tmp_path / "voc")
    for path in (source / "SegmentationClass").iterdir():
        mask = np.array(Image.open(path))
        colours = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]], np.uint8)[mask % 252]
        colours[mask == 255] = (224, 224, 192)
        Image.fromarray(colours).save(path)
    indexed = import_dataset(
        "voc", make.voc(tmp_path / "other"), tmp_path / "a", classes=["a", "b", "c"]
    ).dataset
    coloured = import_dataset("voc", source, tmp_path / "b", classes=["a", "b", "c"]).dataset
    assert shown(coloured) == shown(indexed)


def test_voc_names_its_classes_or_asks(tmp_path: Path) -> None:
    source = make.voc(tmp_path / "voc")
    with pytest.raises(DatasetError, match=r"does not name its classes"):
        read_layout("voc", source)
    (source / "class_names.txt").write_text("__ignore__\n_background_\noil\nscratch\nstain\n")
    assert read_layout("voc", source).classes == ("background", "oil", "scratch", "stain")


def test_msd_is_voc_with_three_classes(tmp_path: Path) -> None:
    dataset = import_dataset("msd", make.voc(tmp_path / "msd"), tmp_path / "d").dataset
    assert dataset.classes == ("background", "oil", "scratch", "stain")
    assert len(dataset.manifest) == 12


@pytest.mark.parametrize(
    ("values", "classes", "expected", "index"),
    [
        ([255], None, ("background", "defect"), [1]),
        ([255], ["dent"], ("background", "dent"), [1]),
        ([1], ["dent"], ("background", "dent"), [1]),
        ([200, 255], ["dent"], ("background", "dent"), [1, 1]),
        ([1, 2, 3], None, ("background", "class1", "class2", "class3"), [1, 2, 3]),
        ([1, 2], ["dent", "spot"], ("background", "dent", "spot"), [1, 2]),
    ],
)
def test_mask_folders_are_understood(tmp_path: Path, values, classes, expected, index) -> None:
    dataset = import_dataset(
        "masks", make.masks(tmp_path / "m", values), tmp_path / "d", classes=classes
    ).dataset
    assert dataset.classes == expected
    for name, pixels in shown(dataset).items():
        assert pixels[index[int(name) % len(index)]] == PATCH
        assert sum(pixels[1:]) == PATCH


def test_a_folder_of_masks_per_class(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(9):
        make.save(source / "images" / f"{n}.png", make.texture(n))
        make.save(source / "masks" / ("dent", "spot")[n % 2] / f"{n}_mask.png", make.patch(255))
    second = np.roll(make.patch(255), 6, axis=0)  # half of it covers the first class
    make.save(source / "masks" / "spot" / "0_mask.png", second)
    report = import_dataset("masks", source, tmp_path / "d")
    assert report.dataset.classes == ("background", "dent", "spot")
    pixels = shown(report.dataset)
    assert pixels["1"][1:] == [0, PATCH]
    assert pixels["2"][1:] == [PATCH, 0]
    assert pixels["0"][1:] == [PATCH // 2, PATCH // 2]
    assert sum(pixels["0"]) == 48 * 48 - PATCH // 2  # what both claim is ignored
    assert kinds(report.faults, "warning") == {"overlap": 1, "no-groups": 1}


def test_mirrored_sub_folders_are_no_classes(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(6):
        make.save(source / "images" / f"line{n % 2}" / "shot" / f"{n}.png", make.texture(n))
        make.save(source / "masks" / f"line{n % 2}" / "shot" / f"{n}.png", make.patch(255))
    dataset = import_dataset("masks", source, tmp_path / "d").dataset
    assert dataset.classes == ("background", "defect")
    assert len(dataset.manifest) == 6


def test_equal_names_in_sub_folders_are_both_kept(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(6):
        make.save(source / "images" / f"line{n}" / "a.png", make.texture(n))
        make.save(source / "masks" / f"line{n}" / "a.png", make.patch(255))
    names = set(shown(import_dataset("masks", source, tmp_path / "d").dataset))
    assert names == {f"images-line{n}-a" for n in range(6)}


def test_masks_that_cannot_tell_the_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="hold 0 and 255 only"):
        read_layout("masks", make.masks(tmp_path / "a", [255]), classes=["dent", "spot"])
    with pytest.raises(DatasetError, match="classes cannot be told"):
        read_layout("masks", make.masks(tmp_path / "b", [80, 200]))


def test_faulty_items_are_named_and_the_rest_is_imported(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [1, 2], count=16)
    (source / "images" / "0.png").write_bytes(b"broken")
    make.save(source / "masks" / "1.png", make.patch(1, 20, 20))
    make.save(source / "masks" / "2.png", make.patch(9))
    (source / "masks" / "3.png").unlink()
    (source / "masks" / "4.png").write_bytes(b"")
    report = import_dataset("masks", source, tmp_path / "d", classes=["dent", "spot"])
    assert report.has_errors
    assert kinds(report.faults, "error") == {
        "unreadable": 2,
        "size-mismatch": 1,
        "unknown-value": 1,
        "missing-mask": 1,
    }
    assert set(shown(report.dataset)) == {str(n) for n in range(5, 16)}
    reasons = pd.read_csv(report.dataset.root / "quarantine" / "reasons.csv")
    assert sorted(reasons["item"]) == [f"images/{n}.png" for n in (0, 1, 2, 4)]


def test_other_picture_formats_are_converted(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255], count=5)
    image = make.texture(50)
    Image.fromarray(image).save(source / "images" / "5.tif")
    make.save(source / "masks" / "5.png", make.patch(255))
    dataset = import_dataset("masks", source, tmp_path / "d").dataset
    np.testing.assert_array_equal(dataset.read_image("images/5.png"), image)


def test_images_without_defects_are_imported_unless_they_are_not_wanted(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [1, 2, 0], count=12)
    assert len(import_dataset("masks", source, tmp_path / "d").dataset.manifest) == 12
    report = import_dataset("masks", source, tmp_path / "d", include_defect_free=False)
    assert len(report.dataset.manifest) == 8
    assert "4 images without defects" in report.faults.set_index("kind").loc["defect-free", "message"]


def test_equal_images_with_other_masks_are_errors_in_own_data(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [1, 2])
    make.save(source / "images" / "9.png", make.texture(0))
    make.save(source / "masks" / "9.png", make.patch(2))
    report = import_dataset("masks", source, tmp_path / "d")
    found = report.faults[report.faults["kind"] == "label-conflict"].set_index("item")["message"]
    assert kinds(report.faults, "error") == {"label-conflict": 2}
    assert "same image as images/9.png" in found["images/0.png"]
    assert "same image as images/0.png" in found["images/9.png"]
    images = set(report.dataset.manifest["image"])
    assert len(images) == 8
    assert not images & {"images/0.png", "images/9.png"}
    reasons = pd.read_csv(report.dataset.root / "quarantine" / "reasons.csv")
    assert sorted(reasons["item"]) == ["images/0.png", "images/9.png"]
    assert report.quarantined == 2


def test_equal_images_of_a_published_set_all_stay(tmp_path: Path) -> None:
    source = make.neu(tmp_path / "neu")
    make.save(source / "Source Images" / "In_9.bmp", make.texture(0)[..., 0])
    make.save(source / "Ground truth" / "In_9.png", np.roll(make.patch(255), 5, axis=0))
    report = import_dataset("neu", source, tmp_path / "d")
    assert kinds(report.faults, "warning")["label-conflict"] == 1
    assert not report.has_errors
    groups = report.dataset.manifest.set_index("image")["group"]
    assert groups["images/In_0.bmp"] == groups["images/In_9.bmp"]


def test_import_is_deterministic(tmp_path: Path) -> None:
    source = make.mt(tmp_path / "mt")
    a, b = (import_dataset("mt", source, tmp_path / name, seed=2).dataset for name in "ab")
    for file in sorted(p.relative_to(a.root) for p in a.root.rglob("*") if p.is_file()):
        assert (a.root / file).read_bytes() == (b.root / file).read_bytes(), file
    assert a.fingerprint == b.fingerprint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("picture,part\na,b\n", "needs image and group"),
        ("image,group\nother.bmp,1\n", "names none of the images"),
        ("image,group\nSource Images/In_0.bmp,1\nSource Images/In_0.bmp,2\n", "into groups 1 and 2"),
    ],
)
def test_wrong_groups_are_refused(tmp_path: Path, text: str, message: str) -> None:
    source = make.neu(tmp_path / "neu")
    (source / "groups.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        import_dataset("neu", source, tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_images_that_the_csv_forgets_form_their_own_group(tmp_path: Path) -> None:
    source = make.neu(tmp_path / "neu")
    (source / "groups.csv").write_text(
        "image,group\n" + "".join(f"Source Images/In_{n}.bmp,1\n" for n in range(4))
    )
    report = import_dataset("neu", source, tmp_path / "d")
    assert kinds(report.faults, "warning")["no-group"] == 1
    assert report.dataset.manifest["group"].nunique() == 9


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="use one of neu, mt"):
        read_layout("cocoa", tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        read_layout("neu", tmp_path / "none")
    with pytest.raises(DatasetError, match="classes of its own"):
        read_layout("neu", tmp_path, classes=["a"])
    with pytest.raises(DatasetError, match="threshold is 255"):
        read_layout("mt", tmp_path, threshold=255)
    with pytest.raises(DatasetError, match=r"groups file .* does not exist"):
        read_layout("neu", make.neu(tmp_path / "neu"), groups_csv=tmp_path / "none.csv")


@pytest.mark.parametrize("name", FORMATS)
def test_an_empty_folder_is_no_layout(tmp_path: Path, name: str) -> None:
    classes = ["a"] if name in {"voc", "masks"} else None
    with pytest.raises(DatasetError, match=r"lacks|nothing that is not hidden|it holds no"):
        import_dataset(name, tmp_path, tmp_path / "d", classes=classes)


def test_a_layout_without_usable_images_is_refused(tmp_path: Path) -> None:
    for folder in ("Source Images", "Ground truth"):
        (tmp_path / "neu" / folder).mkdir(parents=True)
    with pytest.raises(DatasetError, match="no usable image"):
        import_dataset("neu", tmp_path / "neu", tmp_path / "d")
