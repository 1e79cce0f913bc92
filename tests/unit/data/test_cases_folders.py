"""Layouts made of folders, as tools and published sets have them: generated ones, then the shared cases."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import layouts as make
import numpy as np
import pytest
from PIL import Image

from autonad.data.dataset import Dataset
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import FORMATS, read_layout
from autonad.errors import DatasetError

CASES = Path(__file__).parents[3].parent / "shared" / "cases"


PATCH = int((make.patch(1) > 0).sum())


def take(format: str, source: Path, output: Path, **settings) -> ImportReport:
    given = {"include_defect_free": True, **settings}
    return import_dataset(source, output, IngestSettings(format=format, **given))


def masks_of(dataset: Dataset) -> dict[str, np.ndarray]:
    """Index masks by image name, those without defects left out."""
    found = {Path(row.image).stem: dataset.read_mask(row) for row in dataset.manifest.itertuples()}
    return {name: mask for name, mask in found.items() if mask.any()}


def kinds(report: ImportReport) -> set[str]:
    """What was found, but for what is rightly said of toys: alike masks, and splits of their own."""
    return set(report.faults["kind"]) - {"no-groups", "own-split", *make.TOY}


# -- the layouts -----------------------------------------------------------------------------------------


def mvtec(root: Path, types: tuple[str, ...] = ("bent", "hole"), suffix: str = "_mask") -> Path:
    for n in range(3):
        make.save(root / "train" / "good" / f"{n:03}.png", make.texture(n))
        make.save(root / "test" / "good" / f"{n:03}.png", make.texture(10 + n))
    for t, name in enumerate(types):
        for n in range(4):
            make.save(root / "test" / name / f"{n:03}.png", make.texture(20 + 10 * t + n))
            make.save(root / "ground_truth" / name / f"{n:03}{suffix}.png", make.patch(255))
    return root


def test_mvtec_types_are_classes_and_good_images_have_no_defects(tmp_path: Path) -> None:
    report = take("auto", mvtec(tmp_path / "bottle"), tmp_path / "d")

    assert report.recognised.startswith("mvtec: ")
    assert report.dataset.classes == ("background", "bent", "hole")
    pixels = np.array([list(row) for row in report.dataset.manifest["pixels"]])
    assert len(pixels) == 14
    assert (pixels[:, 1:] > 0).sum(axis=0).tolist() == [4, 4]
    assert (pixels[:, 1:].sum(axis=1) == 0).sum() == 6
    assert not report.has_errors


def test_mvtec_names_a_type_without_masks(tmp_path: Path) -> None:
    source = mvtec(tmp_path / "bottle")
    (source / "ground_truth" / "hole" / "002_mask.png").unlink()

    faults = take("mvtec", source, tmp_path / "d").faults
    missing = faults[faults["kind"] == "missing-mask"]

    assert missing["item"].tolist() == ["test/hole/002.png"]
    assert "ground_truth/hole/002" in missing["message"].iloc[0]
    assert "_GT" in missing["message"].iloc[0]


@pytest.mark.parametrize("objects", [("",), ("candle", "pcb")])
def test_visa_counts_every_value_but_zero(tmp_path: Path, objects: tuple[str, ...]) -> None:
    root, seed, lines = tmp_path / "visa", 0, ["object,split,label,image,mask"]
    for name in objects:
        for n in range(4):
            seed += 2
            data = root / name / "Data"
            make.save(data / "Images" / "Normal" / f"{n}.JPG", make.texture(seed))
            make.save(data / "Images" / "Anomaly" / f"{n}.JPG", make.texture(seed + 1))
            make.save(data / "Masks" / "Anomaly" / f"{n}.png", make.patch(1 + n))  # they number the anomalies
            prefix = f"{name}/" if name else ""
            lines.append(f"{name},test,anomaly,{prefix}Data/Images/Anomaly/{n}.JPG,x")
    (root / "split_csv").mkdir()
    (root / "split_csv" / "1cls.csv").write_text("\n".join(lines))

    report = take("auto", root, tmp_path / "d")
    assert report.recognised.startswith("mvtec: ")
    assert report.dataset.classes == ("background", "anomaly")
    assert [int((mask == 1).sum()) for mask in masks_of(report.dataset).values()] == [PATCH] * (
        4 * len(objects)
    )
    splits = {r.item: r.published_split for r in read_layout("mvtec", root).records}
    assert {split for item, split in splits.items() if "Anomaly" in item} == {"test"}


@pytest.mark.parametrize("word", ["_GT", "_gt", "_mask", "-mask", ".mask", "_Label"])
def test_masks_beside_their_images(tmp_path: Path, word: str) -> None:
    source = tmp_path / "k"
    for n in range(6):
        folder = source / ("train", "test")[n % 2]
        make.save(folder / f"{n}.png", make.texture(n))
        make.save(folder / f"{n}{word}.png", make.patch(255 if n else 0))

    report = take("auto", source, tmp_path / "d")
    assert report.recognised.startswith("ksdd2: ")
    assert len(report.dataset.manifest) == 6
    assert set(masks_of(report.dataset)) == {str(n) for n in range(1, 6)}
    assert kinds(report) == set()
    assert {r.published_split for r in read_layout("ksdd2", source).records} == {"train", "test"}


def run_lengths(mask: np.ndarray) -> str:
    """Runs down the columns, pixels counted from 1, written independently of the reader."""
    flat = np.concatenate([[0], (mask.T > 0).ravel(), [0]])
    starts = np.flatnonzero(np.diff(flat) == 1) + 1
    ends = np.flatnonzero(np.diff(flat) == -1) + 1
    return " ".join(f"{a} {b - a}" for a, b in zip(starts, ends, strict=True))


@pytest.mark.parametrize("joined", [False, True])
def test_severstal_runs_go_down_the_columns(tmp_path: Path, joined: bool) -> None:
    source, rng, expected = tmp_path / "s", np.random.default_rng(3), {}
    rows = ["ImageId_ClassId,EncodedPixels" if joined else "ImageId,ClassId,EncodedPixels"]
    for n in range(8):
        make.save(source / "train_images" / f"a_{n}.jpg", make.texture(n, 24, 40))
        mask = rng.random((24, 40)) < 0.3
        if n:
            expected[f"a_{n}"] = np.where(mask, 1 + n % 4, 0)
            rows.append(f"a_{n}.jpg{'_' if joined else ','}{1 + n % 4},{run_lengths(mask)}")
        elif joined:
            rows.append("a_0.jpg_1,")
    (source / "train.csv").write_text("\n".join(rows))

    report = take("auto", source, tmp_path / "d")
    assert report.recognised.startswith("severstal: ")
    assert len(report.dataset.manifest) == 8
    found = masks_of(report.dataset)
    assert found.keys() == expected.keys()
    for name, mask in found.items():
        np.testing.assert_array_equal(mask, expected[name])


def test_severstal_names_bad_rows_and_takes_the_rest(tmp_path: Path) -> None:
    source = tmp_path / "s"
    for n in range(8):
        make.save(source / "train_images" / f"{n}.jpg", make.texture(n, 24, 40))
    bad = ["0.jpg,1,1 2 3", "1.jpg,1,950 30", "2.jpg,1,0 4", "3.jpg,9,1 4", "gone.jpg,1,1 4", "4.jpg,1,x y"]
    good = [f"{n}.jpg,2,{100 * n} 30" for n in (5, 6, 7)]
    (source / "train.csv").write_text("\n".join(["ImageId,ClassId,EncodedPixels", *bad, *good]))

    report = take("severstal", source, tmp_path / "d")
    errors = report.faults[report.faults["severity"] == "error"]
    named = " ".join(errors["item"] + errors["message"])
    assert set(masks_of(report.dataset)) == {"5", "6", "7"}
    assert all(word in named for word in ("0.jpg", "1.jpg", "2.jpg", "line 5", "gone.jpg", "4.jpg"))


def coloured(mask: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    picture = np.zeros((*mask.shape, 3), np.uint8)
    for index, colour in colours.items():
        picture[mask == index] = colour
    return picture


def cvat(root: Path, lines: list[str], colours: dict[int, tuple[int, int, int]], mode: str = "RGB") -> Path:
    for n in range(6):
        make.save(root / "JPEGImages" / f"f{n}.png", make.texture(n))
        mask = Image.fromarray(coloured(make.patch(1 + n % 2), colours))
        for folder in ("SegmentationClass", "SegmentationObject"):
            (root / folder).mkdir(exist_ok=True)
            mask.convert(mode).save(root / folder / f"f{n}.png")
    (root / "ImageSets" / "Segmentation").mkdir(parents=True)
    (root / "ImageSets" / "Segmentation" / "default.txt").write_text("".join(f"f{n}\n" for n in range(6)))
    (root / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *lines]))
    return root


@pytest.mark.parametrize(
    ("lines", "colours", "mode"),
    [
        (
            ["pit:250,50,83::", "background:0,0,0::", "dent:51,221,255::"],
            {1: (250, 50, 83), 2: (51, 221, 255)},
            "RGB",
        ),
        # A background that is not black, a class that is; and white, which elsewhere means "ignore".
        (
            ["pit:0,0,0::", "dent:255,255,255::", "background:9,8,7::"],
            {0: (9, 8, 7), 1: (0, 0, 0), 2: (255, 255, 255)},
            "RGB",
        ),
        (["pit:40,40,40::", "background:0,0,0::", "dent:80,80,80::"], {1: (40,) * 3, 2: (80,) * 3}, "L"),
        (
            ["pit:250,50,83::", "background:0,0,0::", "dent:51,221,255::"],
            {0: (1,) * 3, 1: (0,) * 3, 2: (2,) * 3},
            "L",
        ),
    ],
    ids=["own colours", "background last", "grey colours", "places in the list"],
)
def test_cvat_takes_classes_and_colours_from_labelmap(tmp_path: Path, lines, colours, mode) -> None:
    report = take("auto", cvat(tmp_path / "c", lines, colours, mode), tmp_path / "d")

    assert report.recognised.startswith("cvat: ")
    assert report.dataset.classes == ("background", "pit", "dent")
    for name, mask in masks_of(report.dataset).items():
        np.testing.assert_array_equal(mask, make.patch(1 + int(name[1:]) % 2))
    assert len(masks_of(report.dataset)) == 6
    assert kinds(report) == set()


def test_cvat_names_colours_of_no_class(tmp_path: Path) -> None:
    source = cvat(tmp_path / "c", ["pit:250,50,83::", "background:0,0,0::"], {1: (250, 50, 83), 2: (1, 2, 3)})

    faults = take("cvat", source, tmp_path / "d").faults
    errors = faults[faults["severity"] == "error"]
    assert errors["item"].tolist() == [f"JPEGImages/f{n}.png" for n in (1, 3, 5)]
    assert errors["message"].str.contains("1,2,3").all()


@pytest.mark.parametrize("line", ["pit", "pit:1,2::", "pit:1,2,300::", "pit:a,b,c::", "pit:0,0,0::"])
def test_a_wrong_labelmap_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    source = cvat(tmp_path / "c", ["background:0,0,0::", line], {1: (250, 50, 83)})
    with pytest.raises(DatasetError, match=r"labelmap.txt, line 3"):
        read_layout("cvat", source)


def test_an_empty_labelmap_names_no_class(tmp_path: Path) -> None:
    source = cvat(tmp_path / "c", [], {1: (250, 50, 83)})
    with pytest.raises(DatasetError, match=r"labelmap.txt names no class; it needs a line name:red"):
        read_layout("cvat", source)


@pytest.mark.parametrize("format", ["voc", "labelme", "auto"])
def test_old_labelme2voc_masks_are_read_and_arrays_never_loaded(tmp_path: Path, format: str) -> None:
    source = tmp_path / "v"
    for n in range(6):
        make.save(source / "JPEGImages" / f"p{n}.jpg", make.texture(n))
        make.palette_mask(source / "SegmentationClassPNG" / f"p{n}.png", make.patch(1))
        (source / "SegmentationClass").mkdir(exist_ok=True)
        (source / "SegmentationClass" / f"p{n}.npy").write_bytes(b"\x80\x04cos\nsystem\n")
    (source / "class_names.txt").write_text("_background_\npit\n")

    report = take(format, source, tmp_path / "d")
    assert report.dataset.classes == ("background", "pit")
    assert [int((mask == 1).sum()) for mask in masks_of(report.dataset).values()] == [PATCH] * 6
    assert kinds(report) == set()


@pytest.mark.parametrize("name", ["p{}.png", "p{}.jpg.png"])
def test_supervisely_machine_masks(tmp_path: Path, name: str) -> None:
    source = tmp_path / "project"
    for n in range(6):
        make.save(source / "ds" / "img" / f"p{n}.jpg", make.texture(n))
        make.save(source / "ds" / "masks_machine" / name.format(n), make.patch((20, 40)[n % 2]))
        make.save(source / "ds" / "masks_human" / name.format(n), make.patch(200))
    (source / "obj_class_to_machine_color.json").write_text('{"dent": [20, 20, 20], "pit": [40, 40, 40]}')

    report = take("auto", source, tmp_path / "d")
    assert report.recognised.startswith("supervisely: ")
    assert report.dataset.classes == ("background", "dent", "pit")
    for name, mask in masks_of(report.dataset).items():
        np.testing.assert_array_equal(mask, make.patch(1 + int(name[1:]) % 2))
    assert kinds(report) == set()


# -- tables ----------------------------------------------------------------------------------------------


def table(root: Path, separator: str = ",", mark: str = "") -> Path:
    """A table with group, split and class, in a folder beside those of its files."""
    rows = [separator.join(["Image", "Mask", "group", "split", "class"])]
    for n in range(8):
        make.save(root / "pictures" / f"{n}.jpg", make.texture(n))
        rows.append(
            separator.join(
                [
                    f"pictures\\{n}.jpg" if n % 2 else f"./pictures/{n}.jpg",
                    f"truth/m{n}.png" if n else "",
                    f"part{n // 2}",
                    ("train", "valid", "test", "train")[n // 2],
                    ("dent", "pit")[n % 2] if n else "good",
                ]
            )
        )
        make.save(root / "truth" / f"m{n}.png", make.patch(255))
    path = root / "lists" / "data.csv"
    path.parent.mkdir()
    path.write_text(mark + "\n".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(("separator", "mark"), [(",", ""), (";", "\ufeff"), ("\t", "")])
def test_a_table_states_masks_groups_splits_and_classes(tmp_path: Path, separator: str, mark: str) -> None:
    path = table(tmp_path / "t", separator, mark)
    layout = read_layout("auto", path)
    report = take("auto", path, tmp_path / "d")

    assert layout.format == "table"
    assert report.dataset.classes == ("background", "dent", "pit")
    for name, mask in masks_of(report.dataset).items():
        np.testing.assert_array_equal(mask, make.patch((1, 2)[int(name) % 2]))
    assert len(masks_of(report.dataset)) == 7
    assert report.dataset.manifest.groupby("group").size().tolist() == [2, 2, 2, 2]
    splits = {Path(record.item).stem: record.published_split for record in layout.records}
    assert splits == {str(n): ("train", "val", "test", "train")[n // 2] for n in range(8)}


def test_a_table_says_which_rows_lack_a_group_and_have_a_strange_split(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "s", [255])
    rows = [
        f"images/{n}.png,masks/{n}.png,{'g' if n < 2 else ''},{'hold-out' if n else 'train'}"
        for n in range(9)
    ]
    (source / "all.csv").write_text("\n".join(["image,mask,group,split", *rows]))
    report = take("table", source, tmp_path / "d")
    said = report.faults.set_index("kind")["message"]
    assert "no group to 7 images" in said["no-group"]
    assert "8 rows have a split that is none of train, val and test (hold-out)" in said["unknown-split"]
    groups = report.dataset.manifest["group"]
    assert (groups == "g").sum() == 2
    assert not groups.str.contains("images/").any()


@pytest.mark.parametrize(("column", "values"), [("group", "gh"), ("split", ("train", "test"))])
def test_a_table_that_contradicts_itself_is_refused(
    tmp_path: Path, column: str, values: str | tuple[str, str]
) -> None:
    source = make.masks(tmp_path / "s", [255])
    rows = [f"images/0.png,masks/0.png,{value}" for value in values]
    (source / "all.csv").write_text("\n".join([f"image,mask,{column}", *rows]))
    with pytest.raises(
        DatasetError, match=f"line 3: images/0.png is in {values[0]} and in {values[1]}; choose"
    ):
        read_layout("table", source)


def test_a_table_reaches_no_file_outside_of_its_folder(tmp_path: Path) -> None:
    secret = make.save(tmp_path / "secret.png", make.texture(90))
    source = make.masks(tmp_path / "t", [255])
    rows = ["image,mask", *(f"images/{n}.png,masks/{n}.png" for n in range(6))]
    rows += ["../secret.png,masks/6.png", f"{secret},masks/7.png", "images/8.png,nowhere.png"]
    (source / "data.csv").write_text("\n".join(rows))

    report = take("table", source, tmp_path / "d")
    errors = report.faults[report.faults["severity"] == "error"]
    assert len(errors) == 3
    assert errors["message"].str.contains("line").all()
    assert len(report.dataset.manifest) == 6
    assert not any("secret" in path.name for path in (tmp_path / "d").rglob("*"))


# -- names -----------------------------------------------------------------------------------------------


def test_unicode_forms_suffixes_and_cases_are_paired(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(6):
        form = ("NFC", "NFD")[n % 2]
        make.save(source / "images" / f"Prüfling {n} #é.PNG", make.texture(n))
        name = unicodedata.normalize(form, f"Prüfling {n} #é")
        word = ("", "_mask", "_GT", "_Labels", "-mask", ".mask")[n]
        make.save(source / "masks" / f"{name}{word}.Png", make.patch(255))

    report = take("masks", source, tmp_path / "d")
    assert len(report.dataset.manifest) == 6
    assert kinds(report) == set()


def test_images_that_are_called_masks_are_paired(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(6):
        make.save(source / "images" / f"shadow{n}_mask.png", make.texture(n))
        make.save(source / "masks" / f"shadow{n}_mask.png", make.patch(255))

    assert len(take("masks", source, tmp_path / "d").dataset.manifest) == 6


def test_two_masks_of_one_image_are_not_chosen_from(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    make.save(source / "masks" / "3_mask.png", make.patch(255))

    report = take("masks", source, tmp_path / "d")
    errors = report.faults[report.faults["severity"] == "error"]
    assert errors[["kind", "item"]].values.tolist() == [["ambiguous", "images/3.png"]]
    assert "3.png, 3_mask.png" in errors["message"].iloc[0]
    assert len(report.dataset.manifest) == 8


def test_two_images_with_one_name_are_each_named(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    make.save(source / "images" / "3.jpg", make.texture(40))

    report = take("masks", source, tmp_path / "d")
    errors = report.faults[report.faults["severity"] == "error"]
    assert errors["item"].tolist() == ["images/3.jpg", "images/3.png"]
    assert len(report.dataset.manifest) == 8


def test_whole_file_names_tell_such_images_apart(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    (source / "masks" / "3.png").unlink()
    make.save(source / "images" / "3.jpg", make.texture(40))
    for name in ("3.jpg.png", "3.png.png"):
        make.save(source / "masks" / name, make.patch(255))

    assert len(take("masks", source, tmp_path / "d").dataset.manifest) == 10


def test_masks_in_sub_folders_of_flat_images_and_the_reverse(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(6):
        make.save(source / "images" / f"line{n % 2}" / f"{n}.png", make.texture(n))
        make.save(source / "masks" / f"{n}_GT.png", make.patch(255))

    report = take("masks", source, tmp_path / "d")
    assert len(report.dataset.manifest) == 6
    assert kinds(report) == set()


def test_masks_of_another_line_are_not_taken(tmp_path: Path) -> None:
    source = tmp_path / "m"
    for n in range(6):
        make.save(source / "images" / "line0" / f"{n}.png", make.texture(n))
        make.save(source / "masks" / "line0" / f"{n}.png", make.patch(255))
    make.save(source / "images" / "line1" / "9.png", make.texture(9))
    make.save(source / "masks" / "line2" / "9.png", make.patch(255))
    (source / "images" / "line2").mkdir()

    report = take("masks", source, tmp_path / "d")
    errors = report.faults[report.faults["severity"] == "error"]
    assert errors[["kind", "item"]].values.tolist() == [["missing-mask", "images/line1/9.png"]]
    assert "masks/line1/9" in errors["message"].iloc[0]
    assert "masks/line2/9.png" in report.faults.set_index("kind").loc["no-image", "message"]


@pytest.mark.parametrize(("images", "masks"), [("Images", "MASKS"), ("imgs", "gt"), ("image", "labels")])
def test_folders_of_other_names_are_taken_and_said(tmp_path: Path, images: str, masks: str) -> None:
    source = make.masks(tmp_path / "m", [255])
    (source / "images").rename(source / images)
    (source / "masks").rename(source / masks)

    report = take("auto", source, tmp_path / "d")
    assert len(report.dataset.manifest) == 9
    said = report.faults[report.faults["kind"] == "folder-name"]["item"].tolist()
    assert said == ([] if images == "Images" else sorted([images, masks]))


# -- what is recognised ----------------------------------------------------------------------------------


def test_folders_that_may_be_masks_twice_are_refused(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    (source / "masks").rename(source / "labels")
    make.save(source / "gt" / "0.png", make.patch(255))
    with pytest.raises(DatasetError, match=r"gt, labels, each of which could be masks/"):
        read_layout("masks", source)


def test_a_refusal_says_what_was_found_and_where_a_layout_lies(tmp_path: Path) -> None:
    make.save(tmp_path / "s" / "shots" / "0.png", make.texture(0))
    make.save(tmp_path / "s" / "drawn" / "0.png", make.patch(255))
    (tmp_path / "s" / "readme.txt").write_text("x")
    with pytest.raises(DatasetError, match=r"shots/ \(1 images\), drawn/ \(1 images\), readme.txt"):
        read_layout("auto", tmp_path / "s")
    make.masks(tmp_path / "zip" / "inner", [255])
    with pytest.raises(DatasetError, match=r"inner looks like masks"):
        read_layout("auto", tmp_path / "zip")


def test_a_folder_of_two_formats_is_refused_with_both(tmp_path: Path) -> None:
    source = make.neu(mvtec(tmp_path / "s"))
    with pytest.raises(DatasetError, match=r"neu \(.*; mvtec \("):
        read_layout("auto", source)


@pytest.mark.parametrize("name", ["neu", "mt", "neu-seg", "voc", "masks"])
def test_every_older_format_is_recognised(tmp_path: Path, name: str) -> None:
    makers = {"neu": make.neu, "mt": make.mt, "neu-seg": make.neu_seg, "voc": make.voc}
    source = makers[name](tmp_path / "s") if name in makers else make.masks(tmp_path / "s", [255])
    classes = ["a", "b", "c"] if name == "voc" else None
    assert read_layout("auto", source, classes=classes).format == name


def test_the_command_line_names_every_format() -> None:
    from autonad.cli.options import Format

    text = Format.__metadata__[0].help
    assert [name for name in FORMATS if name not in text.replace(",", " ").replace(".", " ").split()] == []


# -- the shared cases ------------------------------------------------------------------------------------


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("chosen", [True, False], ids=["named", "auto"])
@pytest.mark.parametrize(
    ("folder", "format", "classes", "images", "defective"),
    [
        ("03-cvat-mask", "cvat", ("pit", "scratch"), 12, 12),
        ("07a-name-ends-in-mask", "masks", ("defect",), 12, 12),
        ("10-mvtec-layout", "mvtec", ("bent", "color"), 20, 12),
        ("11-labelme2voc-npy", "voc", ("pit",), 12, 12),
        ("13-names", "masks", ("defect",), 12, 12),
        ("14-ksdd2", "ksdd2", ("defect",), 12, 12),
        ("15-severstal", "severstal", ("class1", "class2", "class3", "class4"), 12, 12),
    ],
)
def test_shared_cases(tmp_path: Path, folder, format, classes, images, defective, chosen) -> None:
    report = take(format if chosen else "auto", CASES / folder, tmp_path / "d")

    assert report.dataset.classes == ("background", *classes)
    assert len(report.dataset.manifest) == images
    assert len(masks_of(report.dataset)) <= defective  # by name, which types share
    pixels = np.array([list(row) for row in report.dataset.manifest["pixels"]])
    assert (pixels[:, 1:].sum(axis=1) > 0).sum() == defective
    assert kinds(report) == set()


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
def test_shared_case_of_two_masks_per_image(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"2 masks may be its own: p00.png, p00_mask.png"):
        take("auto", CASES / "07b-two-masks", tmp_path / "d")
