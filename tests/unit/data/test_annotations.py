"""Formats of labelling tools: the masks that were annotated come back, and faults are named one by one."""

from __future__ import annotations

import base64
import datetime
import json
import os
from pathlib import Path
from typing import Any

import annotated
import numpy as np
import pytest
from annotated import CLASSES, labelme_file, random_mask, save, texture, write_json

from autonad.data.annotations.exporting import export_annotations
from autonad.data.dataset import Dataset
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.importing import import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.decoding import Decoded, decode_record
from autonad.data.layouts.formats import READERS, list_layout
from autonad.data.layouts.layout import Layout
from autonad.data.layouts.tree import Tree
from autonad.errors import DatasetError
from autonad.storage.folder import FolderSource

COUNT = 200
TOOLS = ("labelme", "coco", "yolo", "cvat", "label-studio")
SQUARE = [[2, 3], [12, 3], [12, 9], [2, 9]]


def listed(format: str, source: Path, **given: Any) -> Layout:
    return list_layout(format, source, include_defect_free=True, classes=given.pop("classes", None), **given)


def decoded(layout: Layout) -> dict[str, Decoded]:
    return {record.item: decode_record(layout, record) for record in layout.records}


def masks_of(layout: Layout) -> dict[str, np.ndarray]:
    """Masks by file name without suffix; a fault fails the test."""
    found = {}
    for item, one in decoded(layout).items():
        assert one.mask is not None, one.faults
        found[Path(item).stem] = one.mask
    return found


@pytest.fixture(scope="module")
def masks() -> list[np.ndarray]:
    return [random_mask(seed) for seed in range(COUNT)]


# -- round trips -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", TOOLS)
def test_the_masks_that_were_annotated_come_back(
    format: str, masks: list[np.ndarray], tmp_path: Path
) -> None:
    source = annotated.FORMATS[format](tmp_path, masks)
    layout = listed(format, source)
    found = masks_of(layout)

    assert layout.classes == ("background", *CLASSES)
    assert len(found) == COUNT
    assert [n for n, mask in enumerate(masks) if not np.array_equal(found[f"p{n:03d}"], mask)] == []
    assert {fault.severity for fault in layout.faults} <= {"warning"}


def test_plain_and_compressed_runs_of_coco_come_back(masks: list[np.ndarray], tmp_path: Path) -> None:
    source = annotated.coco(tmp_path, masks, as_runs=True)
    found = masks_of(listed("coco", source))

    assert all(np.array_equal(found[f"p{n:03d}"], mask) for n, mask in enumerate(masks))


def test_runs_that_pycocotools_packed_come_back(masks: list[np.ndarray], tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    file = annotated.coco(tmp_path, masks[:50], as_runs=True) / "annotations" / "instances.json"
    document = json.loads(file.read_text())
    for annotation in document["annotations"]:
        plain = annotation["segmentation"]
        packed = coco.frPyObjects(plain, *plain["size"])
        annotation["segmentation"] = {**packed, "counts": packed["counts"].decode()}
    write_json(file, document)
    found = masks_of(listed("coco", tmp_path))

    assert all(np.array_equal(found[f"p{n:03d}"], mask) for n, mask in enumerate(masks[:50]))


@pytest.mark.parametrize("format", ["labelme", "coco"])
def test_what_is_exported_is_imported_again_pixel_by_pixel(
    format: str, masks: list[np.ndarray], tmp_path: Path
) -> None:
    ignoring = [np.where(texture(n, *mask.shape) > 220, 255, mask) for n, mask in enumerate(masks)]
    source = annotated.images(tmp_path / "in", "images", ignoring)
    for path, mask in zip(source, ignoring, strict=True):
        save(tmp_path / "in" / "masks" / path.name, mask.astype(np.uint8))
    settings = IngestSettings(classes=CLASSES, include_defect_free=True)
    first = import_dataset(tmp_path / "in", tmp_path / "first", settings).dataset
    export_annotations(first, tmp_path / "out", format)
    again = import_dataset(
        tmp_path / "out", tmp_path / "again", IngestSettings(format=format, include_defect_free=True)
    ).dataset

    assert again.classes == first.classes
    pairs = zip(first.manifest.itertuples(), again.manifest.itertuples(), strict=True)
    assert [a.image for a, b in pairs if a.sha256 != b.sha256 or a.mask_sha256 != b.mask_sha256] == []
    assert again.manifest["split"].tolist() == first.manifest["split"].tolist()


def test_polygons_of_labelme_come_back_within_a_pixel(tmp_path: Path) -> None:
    """Polygons, dataset, polygons, dataset: masks are equal, and no corner is farther off than a pixel."""
    rng = np.random.default_rng(5)
    for n in range(COUNT):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radius = rng.uniform(8, 15)
        points = np.stack([24 + radius * np.cos(angles), 20 + radius * np.sin(angles)], axis=1)
        save(tmp_path / "in" / f"p{n}.png", texture(n, 40, 48))
        shape = {"label": "pit", "points": points.tolist(), "shape_type": "polygon"}
        labelme_file(tmp_path / "in" / f"p{n}.json", f"p{n}.png", [shape], (40, 48))
    settings = IngestSettings(format="labelme")
    first = import_dataset(tmp_path / "in", tmp_path / "first", settings).dataset
    export_annotations(first, tmp_path / "out", "labelme")
    again = import_dataset(tmp_path / "out", tmp_path / "again", settings).dataset

    assert first.manifest["mask_sha256"].tolist() == again.manifest["mask_sha256"].tolist()
    for n in range(COUNT):
        drawn = json.loads((tmp_path / "in" / f"p{n}.json").read_text())["shapes"][0]["points"]
        traced = json.loads((tmp_path / "out" / f"p{n}.json").read_text())["shapes"]
        for shape in traced:
            assert distance(np.array(shape["points"]), np.array(drawn)).max() <= 1


def distance(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """How far points (N, 2) are from a closed outline, along either axis."""
    parts = np.linspace(0, 1, 400)[:, None, None]
    along = (outline + parts * (np.roll(outline, -1, axis=0) - outline)).reshape(-1, 2)
    return np.abs(points[:, None] - along[None]).max(axis=2).min(axis=1)


# -- labelme -----------------------------------------------------------------------------------------------


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A folder with one image of 20 × 30 pixels; its annotation is written by the test."""
    save(tmp_path / "p.png", texture(0, 20, 30))
    return tmp_path


def labelme(one: Path, *shapes: dict[str, Any], image: str = "p.png", rows: int = 20) -> Decoded:
    labelme_file(one / "p.json", image, list(shapes), (rows, 30))
    layout = listed("labelme", one, known=("background", "pit"))
    assert len(layout.records) == 1, layout.faults
    return decode_record(layout, layout.records[0])


def polygon(label: str = "pit", points: Any = None, **more: Any) -> dict[str, Any]:
    return {"label": label, "points": SQUARE if points is None else points, "shape_type": "polygon", **more}


def filled(one: Decoded) -> list[int]:
    """Rows and columns that a mask's defects span: top, left, bottom, right, the last two included."""
    assert one.mask is not None, one.faults
    where = np.argwhere(one.mask == 1)
    return [*where.min(axis=0).tolist(), *where.max(axis=0).tolist()]


def test_every_kind_of_shape_of_labelme_is_drawn(one: Path) -> None:
    bitmap = np.zeros((3, 4), np.uint8)
    bitmap[1:] = 255
    stamp = {"shape_type": "mask", "points": [[5, 6], [8, 8]], "mask": annotated.png_text(bitmap)}
    kinds = {
        "polygon": (polygon(), [3, 2, 8, 11]),
        "rectangle": (polygon(shape_type="rectangle", points=[[12, 9], [2, 3]]), [3, 2, 8, 11]),
        "circle": (polygon(shape_type="circle", points=[[10, 10], [10, 14]]), [6, 6, 13, 13]),
        "mask": (polygon(**stamp), [7, 5, 8, 8]),
        "old": ({"label": "pit", "points": SQUARE, "line_color": None}, [3, 2, 8, 11]),
        "grouped": (polygon(group_id=4, flags={}, description=""), [3, 2, 8, 11]),
    }

    assert {name: filled(labelme(one, shape)) for name, (shape, _) in kinds.items()} == {
        name: expected for name, (_, expected) in kinds.items()
    }


@pytest.mark.parametrize("kind", ["line", "linestrip", "point", "points"])
def test_what_has_no_area_keeps_its_image_out(one: Path, kind: str) -> None:
    found = labelme(one, polygon(), polygon(shape_type=kind))

    assert found.mask is None
    assert f"(pit) is a {kind}" in found.faults[0].message


def test_ignore_and_background_are_no_defects(one: Path) -> None:
    hole = polygon("_background_", [[4, 4], [6, 4], [6, 6], [4, 6]])
    ignored = polygon("__ignore__", [[20, 0], [30, 0], [30, 20], [20, 20]])
    found = labelme(one, polygon(), hole, ignored)

    assert found.mask is not None
    assert listed("labelme", one).classes == ("background", "pit")
    assert np.unique(found.mask, return_counts=True)[1].tolist() == [20 * 20 - 56, 56, 200]


@pytest.mark.parametrize(
    "written", ["p.png", "..\\images\\p.png", "C:\\Users\\me\\p.png", "", "gone.png", "ｐ.png"]
)
def test_an_image_is_found_by_its_path_or_beside_its_file(one: Path, written: str) -> None:
    assert filled(labelme(one, polygon(), image=written)) == [3, 2, 8, 11]


def test_a_path_into_another_folder_is_followed(one: Path) -> None:
    save(one / "images" / "left" / "q.png", texture(1, 20, 30))
    save(one / "images" / "right" / "q.png", texture(2, 20, 30))
    labelme_file(one / "labels" / "x.json", "..\\images\\right\\q.png", [polygon()], (20, 30))

    assert [record.item for record in listed("labelme", one).records] == ["images/right/q.png"]


def test_an_ambiguous_name_is_named_and_not_guessed(one: Path) -> None:
    save(one / "a" / "q.png", texture(1, 20, 30))
    save(one / "b" / "q.png", texture(2, 20, 30))
    labelme_file(one / "labels" / "x.json", "q.png", [polygon()], (20, 30))
    layout = listed("labelme", one, known=("background", "pit"))

    assert not layout.records
    assert "a/q.png, b/q.png" in next(f.message for f in layout.faults if f.item == "labels/x.json")


def test_an_image_within_the_file_is_taken_out_of_it(one: Path) -> None:
    (one / "p.png").unlink()
    for n in range(3):
        content = base64.b64encode(save(one / "p.png", texture(n, 20, 30)).read_bytes()).decode()
        labelme_file(one / f"p{n}.json", "C:\\p.png", [polygon()], (20, 30), imageData=content)
        (one / "p.png").unlink()
    dataset = import_dataset(one, one / "out", IngestSettings(format="labelme")).dataset

    assert dataset.manifest["image"].tolist() == [f"images/p{n}.png" for n in range(3)]
    for n in range(3):
        assert np.array_equal(dataset.read_image(f"images/p{n}.png")[..., 0], texture(n, 20, 30))


def test_a_file_without_its_image_is_named(one: Path) -> None:
    labelme_file(one / "q.json", "q.png", [polygon()], (20, 30))
    faults = {f.item: f.kind for f in listed("labelme", one, known=("background", "pit")).faults}

    assert faults == {"q.png": "missing-image", "p.png": "missing-mask"}


def test_an_image_of_another_size_is_refused(one: Path) -> None:
    found = labelme(one, polygon(), rows=40)

    assert found.mask is None
    assert "40 × 30" in found.faults[0].message
    assert "20 × 30" in found.faults[0].message


def test_overlap_and_clipping_are_said_once_with_numbers(one: Path) -> None:
    found = labelme(one, polygon(), polygon("dent", [[8, 3], [90, 3], [90, 9], [8, 9]]))

    assert [(f.kind, f.message) for f in found.faults] == [
        ("shape-overlap", "p.json: 24 pixels belong to several shapes; the later shape wins"),
        ("shape-clipped", "p.json: 1 shapes reach out of the image and are cut at its border"),
    ]


DEEP = "[" * 200_000 + "]" * 200_000
DAMAGED = {
    "no JSON": "{",
    "empty": "",
    "a list": "[]",
    "deep": f'{{"shapes": {DEEP}}}',
    "NaN": '{"shapes": [{"label": "pit", "points": [[NaN, 1], [2, 3], [4, 5]]}]}',
    "huge": '{"shapes": [{"label": "pit", "points": [[1e400, 1], [2, 3], [4, 5]]}]}',
    "digits": '{"shapes": [{"label": "pit", "points": [[' + "9" * 5000 + ", 1], [2, 3], [4, 5]]}]}",
    "large": '{"shapes": [{"label": "pit", "points": [[' + "9" * 400 + ", 1], [2, 3], [4, 5]]}]}",
    "two points": '{"shapes": [{"label": "pit", "points": [[1, 1], [2, 3]]}]}',
    "words": '{"shapes": [{"label": "pit", "points": [["a", "b"], [1, 2], [2, 3]]}]}',
    "no label": '{"shapes": [{"points": [[1, 1], [2, 3], [4, 5]]}]}',
    "label list": '{"shapes": [{"label": ["pit"], "points": [[1, 1], [2, 3], [4, 5]]}]}',
    "shapes of numbers": '{"shapes": [1, 2]}',
    "unknown kind": '{"shapes": [{"label": "pit", "shape_type": {"a": 1}, "points": []}]}',
    "no bitmap": '{"shapes": [{"label": "pit", "shape_type": "mask", "points": [[1, 1], [2, 3]]}]}',
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named_and_the_rest_is_imported(one: Path, name: str) -> None:
    (one / "p.json").write_text(DAMAGED[name])
    for n in range(3):
        save(one / f"q{n}.png", texture(1 + n, 20, 30))
        labelme_file(one / f"q{n}.json", f"q{n}.png", [polygon()], None)
    report = import_dataset(one, one / "out", IngestSettings(format="labelme"))
    errors = report.faults[report.faults["severity"] == "error"]

    assert report.dataset.manifest["image"].tolist() == [f"images/q{n}.png" for n in range(3)]
    assert errors["item"].tolist() == ["p.png"]
    assert errors["message"].str.startswith("p.json").all()
    assert errors["message"].str.len().max() < 400


def test_equal_keys_do_no_harm(one: Path) -> None:
    (one / "p.json").write_text(
        '{"shapes": [], "imagePath": "p.png", "shapes": ' + json.dumps([polygon()]) + "}"
    )

    assert masks_of(listed("labelme", one))["p"].sum() == 60


# -- COCO --------------------------------------------------------------------------------------------------


def coco(one: Path, *annotations: dict[str, Any], categories: Any = None, **image: Any) -> Layout:
    document = {
        "images": [{"id": 7, "file_name": "p.png", "height": 20, "width": 30} | image],
        "annotations": [{"id": n, "image_id": 7, "category_id": 5} | a for n, a in enumerate(annotations)],
        "categories": categories or [{"id": 9, "name": "dent"}, {"id": 5, "name": "pit"}],
    }
    write_json(one / "coco.json", document)
    return listed("coco", one, known=("background", "pit"))


FLAT = [float(v) for point in SQUARE for v in point]


def test_categories_count_in_the_order_of_their_ids(one: Path) -> None:
    assert coco(one, {"segmentation": [FLAT]}).classes == ("background", "pit", "dent")


def test_a_category_that_stands_above_others_is_no_class(one: Path) -> None:
    categories = [
        {"id": 0, "name": "defects", "supercategory": "none"},
        {"id": 5, "name": "pit", "supercategory": "defects"},
    ]

    assert coco(one, {"segmentation": [FLAT]}, categories=categories).classes == ("background", "pit")


def test_parts_of_a_polygon_are_joined(one: Path) -> None:
    second = [float(v) for v in (20, 3, 22, 3, 22, 5, 20, 5)]
    inner = [float(v) for v in (4, 4, 6, 4, 6, 6, 4, 6)]

    assert masks_of(coco(one, {"segmentation": [FLAT, second, inner]}))["p"].sum() == 64


def test_a_crowd_is_ignored_where_nothing_else_lies(one: Path) -> None:
    whole = {"segmentation": {"size": [20, 30], "counts": [0, 600]}, "iscrowd": 1}
    layout = coco(one, {"segmentation": [FLAT]}, whole)

    assert np.unique(masks_of(layout)["p"], return_counts=True)[1].tolist() == [60, 540]
    assert [f.message for f in layout.faults if f.kind == "crowd"] == [
        "1 annotations are crowds; their pixels are ignored (255)"
    ]


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        ({"bbox": [1, 2, 3, 4]}, "no segmentation"),
        ({"bbox": [1, 2, 3, 4], "segmentation": []}, "no segmentation"),
        ({"segmentation": [[1, 2, 3, 4]]}, "2 points"),
        ({"segmentation": [[1, 2, 3, 4, 5]]}, "5 numbers"),
        ({"segmentation": [["a", "b"] * 3]}, "no pairs"),
        ({"segmentation": {"size": [20, 30], "counts": "~~"}}, "compressed runs"),
        ({"segmentation": {"size": [20], "counts": [1]}}, "`size`"),
        ({"segmentation": {"size": [20, 30], "counts": [1, 2]}}, "add up to 3"),
        ({"segmentation": {"size": [10, 30], "counts": [0, 300]}}, "10 × 30"),
        ({"segmentation": [FLAT], "category_id": 77}, "category 77"),
        ({"segmentation": 3}, "neither polygons nor runs"),
    ],
)
def test_an_annotation_that_cannot_be_drawn_keeps_its_image_out(
    one: Path, annotation: dict[str, Any], said: str
) -> None:
    (found,) = decoded(coco(one, {"segmentation": [FLAT]}, annotation)).values()

    assert found.mask is None
    assert said in found.faults[0].message


@pytest.mark.parametrize(
    ("files", "json_file", "name", "expected"),
    [
        (["train/x.png", "val/x.png"], "val/_annotations.coco.json", "x.png", "val/x.png"),
        (
            ["train2017/x.png", "val2017/x.png"],
            "annotations/instances_val2017.json",
            "x.png",
            "val2017/x.png",
        ),
        (["images/a/x.png", "images/b/x.png"], "annotations/i.json", "b/x.png", "images/b/x.png"),
        (["images/x.png"], "result.json", "C:\\data\\images\\x.png", "images/x.png"),
        (["images/ü.png"], "result.json", "u\u0308.png", "images/ü.png"),
    ],
)
def test_images_are_found_in_the_folders_that_tools_use(
    tmp_path: Path, files: list[str], json_file: str, name: str, expected: str
) -> None:
    for n, file in enumerate(files):
        save(tmp_path / file, texture(n, 20, 30))
    document = {
        "images": [{"id": 1, "file_name": name}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [FLAT]}],
        "categories": [{"id": 1, "name": "pit"}],
    }
    write_json(tmp_path / json_file, document)
    (record,) = listed("coco", tmp_path).records

    assert record.item == expected
    assert record.published_split == ("val" if "val" in expected else None)


def test_an_image_in_two_files_is_kept_out(one: Path) -> None:
    coco(one, {"segmentation": [FLAT]})
    (one / "again.json").write_text((one / "coco.json").read_text())
    layout = listed("coco", one)

    assert not layout.records
    assert [(f.kind, f.item) for f in layout.faults if f.severity == "error"] == [("ambiguous", "p.png")]


def test_images_without_annotations_are_free_of_defects_and_unlisted_ones_unlabelled(one: Path) -> None:
    save(one / "q.png", texture(1, 20, 30))
    layout = coco(one)

    assert [one.empty for one in decoded(layout).values()] == [True]
    assert {(f.kind, f.item) for f in layout.faults} == {("no-shapes", one.name), ("missing-mask", "q.png")}


# -- YOLO --------------------------------------------------------------------------------------------------


def yolo(root: Path, text: str, *, names: str = "names: [pit, dent]") -> Decoded:
    save(root / "images" / "p.png", texture(0, 20, 30))
    (root / "labels").mkdir(exist_ok=True)
    (root / "labels" / "p.txt").write_text(text)
    (root / "data.yaml").write_text(names)
    layout = listed("yolo", root)
    return decode_record(layout, layout.records[0])


def test_rows_are_fractions_of_the_image(tmp_path: Path) -> None:
    assert filled(yolo(tmp_path, "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5\n\n")) == [2, 3, 9, 14]


def test_one_damaged_text_file_does_not_stop_the_others(tmp_path: Path) -> None:
    yolo(tmp_path, "0 0.1 0.1 0.5 0.1 0.5 0.5 0.1 0.5")
    save(tmp_path / "images" / "q.png", texture(1, 20, 30))
    (tmp_path / "labels" / "q.txt").write_bytes("0 0.1 0.1 \xe9".encode("latin-1"))
    layout = listed("yolo", tmp_path)
    found = [decode_record(layout, record) for record in layout.records]
    assert [[fault.message for fault in one.faults] for one in found] == [
        [],
        ["q.txt is no text in UTF-8; save it in UTF-8"],
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("0 0.5 0.5 0.2 0.2", "row 1 is a box"),
        ("0 .1 .1 .5 .1 .5 .5\n0 0.5 0.5 0.2 0.2", "row 2 is a box"),
        ("7 .1 .1 .5 .1 .5 .5", "class 7"),
        ("-1 .1 .1 .5 .1 .5 .5", "class -1"),
        ("0.5 .1 .1 .5 .1 .5 .5", "class 0.5"),
        ("0 .1 .1 .5 .1 .5", "5 numbers"),
        ("0 10 10 20 10 20 20", "fractions"),
        ("0 nan .1 .5 .1 .5 .5", "no position"),
        ("pit .1 .1 .5 .1 .5 .5", "no position"),
    ],
)
def test_rows_that_are_no_polygons_are_named(tmp_path: Path, text: str, said: str) -> None:
    found = yolo(tmp_path, text)

    assert found.mask is None
    assert "p.txt" in found.faults[0].message
    assert said in found.faults[0].message


@pytest.mark.parametrize(
    "names", ["names: {0: pit, 1: dent}", "names: [pit, dent]", "nc: 2\nnames:\n- pit\n- dent"]
)
def test_names_are_a_list_or_a_table(tmp_path: Path, names: str) -> None:
    yolo(tmp_path, "0 .1 .1 .5 .1 .5 .5", names=names)

    assert listed("yolo", tmp_path).classes == ("background", "pit", "dent")


@pytest.mark.parametrize(
    "names", ["names: {0: pit, 2: dent}", "names: [pit, {}]", "names: [a, &x [*x]]", "a: [", "x: 1"]
)
def test_names_that_are_none_are_refused(tmp_path: Path, names: str) -> None:
    with pytest.raises(DatasetError):
        yolo(tmp_path, "0 .1 .1 .5 .1 .5 .5", names=names)


@pytest.mark.parametrize("order", ["images/{}", "{}/images"])
def test_splits_and_folders_in_either_order(tmp_path: Path, order: str) -> None:
    for n, split in enumerate(("train", "valid", "test")):
        folder = order.format(split)
        save(tmp_path / folder / "p.png", texture(n, 20, 30))
        save(tmp_path / folder / "empty.png", texture(10 + n, 20, 30))
        text = tmp_path / folder.replace("images", "labels") / "p.txt"
        text.parent.mkdir(parents=True)
        text.write_text("0 .1 .1 .5 .1 .5 .5")
    (tmp_path / "data.yaml").write_text("names: [pit]")
    layout = listed("yolo", tmp_path)

    assert (
        sorted(str(record.published_split) for record in layout.records)
        == ["test"] * 2 + ["train"] * 2 + ["val"] * 2
    )
    assert sum(one.empty for one in decoded(layout).values()) == 3
    assert [f.message.split(";")[0] for f in layout.faults] == ["3 images have no shapes"]


# -- CVAT --------------------------------------------------------------------------------------------------


def cvat(one: Path, shapes: str, *, attributes: str = 'width="30" height="20"', head: str = "") -> Layout:
    image = f'<image id="0" name="p.png" {attributes}>{shapes}</image>'
    (one / "annotations.xml").write_text(f"<?xml version='1.0'?>{head}<annotations>{image}</annotations>")
    return listed("cvat", one, known=("background", "pit"))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ('<polygon label="pit" points="2,3;12,3;12,9;2,9"/>', [3, 2, 8, 11]),
        ('<box label="pit" xtl="2" ytl="3" xbr="12" ybr="9"/>', [3, 2, 8, 11]),
        ('<box label="pit" xtl="2" ytl="8" xbr="12" ybr="12" rotation="90"/>', [5, 5, 14, 8]),
        ('<ellipse label="pit" cx="10" cy="10" rx="4" ry="2"/>', [8, 6, 11, 13]),
        ('<mask label="pit" rle="1, 2, 1" left="4" top="5" width="2" height="2"/>', [5, 4, 6, 5]),
    ],
)
def test_every_kind_of_shape_of_cvat_is_drawn(one: Path, shape: str, expected: list[int]) -> None:
    (found,) = decoded(cvat(one, shape)).values()

    assert filled(found) == expected


def test_the_height_of_shapes_decides_who_wins(one: Path) -> None:
    above = '<polygon label="pit" points="2,3;12,3;12,9;2,9" z_order="1"/>'
    below = '<polygon label="dent" points="2,3;12,3;12,9;2,9" z_order="0"/>'
    layout = cvat(one, above + below)

    assert layout.classes == ("background", "dent", "pit")
    assert masks_of(layout)["p"].max() == 2


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ('<polyline label="pit" points="1,1;2,2"/>', "a polyline (pit)"),
        ('<points label="pit" points="1,1"/>', "a points (pit)"),
        ('<skeleton label="pit"><points label="x" points="1,1"/></skeleton>', "a skeleton (pit)"),
        ('<polygon label="pit" points="1,1;2"/>', "no pairs"),
        ('<polygon label="pit"/>', "lacks 'points'"),
        ('<polygon points="2,3;12,3;12,9"/>', "the label ''"),
        ('<mask label="pit" rle="3" left="4" top="5" width="2" height="2"/>', "add up to 3"),
        ('<mask label="pit" rle="9" left="4" top="5" width="20000000" height="2000000"/>', "20000000"),
    ],
)
def test_a_shape_of_cvat_that_cannot_be_drawn_keeps_its_image_out(one: Path, shape: str, said: str) -> None:
    (found,) = decoded(cvat(one, shape)).values()

    assert found.mask is None
    assert said in found.faults[0].message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotations><image", "no usable XML"),
        ("", "no usable XML"),
        ("<html></html>", "<html>"),
        ("<annotations><track/></annotations>", "video"),
        ("<annotations>" + "<a>" * 100_000, "nested"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations>&b;</annotations>', "entities"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations/>', "document type"),
        ('<?xml version="1.0" encoding="klingon"?><annotations/>', "no usable XML"),
    ],
)
def test_xml_that_is_damaged_or_clever_is_refused(one: Path, text: str, said: str) -> None:
    (one / "annotations.xml").write_text(text)

    with pytest.raises(DatasetError, match=said):
        listed("cvat", one)


# -- Label Studio ------------------------------------------------------------------------------------------


def studio(one: Path, *regions: dict[str, Any], image: str = "p.png", **task: Any) -> Layout:
    size = {"original_width": 30, "original_height": 20, "image_rotation": 0}
    done = [{"result": [size | region for region in regions]}]
    write_json(one / "export.json", [{"id": 1, "data": {"image": image}, "annotations": done} | task])
    return listed("label-studio", one, known=("background", "pit"))


def region(kind: str, **value: Any) -> dict[str, Any]:
    return {"type": kind, "value": {kind: ["pit"], **value}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (region("polygonlabels", points=[[10, 10], [50, 10], [50, 50], [10, 50]]), [2, 3, 9, 14]),
        (region("rectanglelabels", x=10, y=10, width=40, height=40, rotation=0), [2, 3, 9, 14]),
        (region("rectanglelabels", x=50, y=50, width=20, height=20, rotation=90), [10, 11, 15, 14]),
        (region("ellipselabels", x=50, y=50, radiusX=10, radiusY=20), [6, 12, 13, 17]),
    ],
)
def test_every_kind_of_region_is_drawn(one: Path, value: dict[str, Any], expected: list[int]) -> None:
    (found,) = decoded(studio(one, value)).values()

    assert filled(found) == expected


@pytest.mark.parametrize(
    "image",
    [
        "/data/upload/3/0a1b2c3d-p.png",
        "http://localhost:8080/data/upload/3/0a1b2c3d-p.png",
        "/data/local-files/?d=some/folder/p.png",
        "s3://bucket/some/p.png",
        "upload://p.png",
        "/data/local-files/?d=some%2Ffolder%2Fp.png",
    ],
)
def test_images_are_found_by_what_label_studio_calls_them(one: Path, image: str) -> None:
    (record,) = studio(one, region("polygonlabels", points=SQUARE), image=image).records

    assert record.item == "p.png"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (region("keypointlabels", x=1, y=1, width=1), "keypointlabels have no area"),
        ({"type": "polygon", "value": {"points": SQUARE}}, "no label"),
        (region("brushlabels", format="rle", rle=[1, 2, 3]), "brush stroke"),
        (region("brushlabels", format="rle", rle=[1, 2, 999]), "brush stroke"),
        (region("polygonlabels", points=SQUARE) | {"image_rotation": 90}, "turned"),
        (region("polygonlabels", points=SQUARE) | {"original_width": None}, "no position"),
        (region("polygonlabels", points=SQUARE) | {"original_width": 31}, "20 × 31"),
    ],
)
def test_a_region_that_cannot_be_drawn_keeps_its_image_out(
    one: Path, value: dict[str, Any], said: str
) -> None:
    (found,) = decoded(studio(one, value)).values()

    assert found.mask is None
    assert said in found.faults[0].message


def test_the_annotation_that_was_changed_last_counts(one: Path) -> None:
    size = {"original_width": 30, "original_height": 20}
    first = size | region("rectanglelabels", x=0, y=0, width=100, height=100)
    last = size | region("rectanglelabels", x=10, y=10, width=40, height=40)
    done = [
        {"result": [last], "updated_at": "2025-02-02T10:00:00Z"},
        {"result": [first], "updated_at": "2025-01-02T10:00:00Z"},
        {"result": [first], "updated_at": "2025-03-02T10:00:00Z", "was_cancelled": True},
    ]
    layout = studio(one, annotations=done)

    assert filled(decode_record(layout, layout.records[0])) == [2, 3, 9, 14]
    assert [f.kind for f in layout.faults] == ["several-annotations"]


def test_json_min_is_read_and_tasks_without_annotation_are_unlabelled(one: Path) -> None:
    value = {"points": [[10, 10], [50, 10], [50, 50], [10, 50]], "polygonlabels": ["pit"]}
    save(one / "q.png", texture(1, 20, 30))
    value |= {"original_width": 30, "original_height": 20}
    write_json(one / "min.json", [{"image": "/data/upload/1/0a1b2c3d-p.png", "label": [value]}])
    layout = listed("label-studio", one)
    assert filled(decode_record(layout, layout.records[0])) == [2, 3, 9, 14]

    (one / "min.json").unlink()
    layout = studio(one, annotations=[])
    assert sorted(f.item for f in layout.faults if f.kind == "missing-mask") == ["p.png", "q.png"]


# -- together ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", TOOLS)
def test_each_format_recognises_its_own_and_no_other(
    format: str, masks: list[np.ndarray], tmp_path: Path
) -> None:
    source = annotated.FORMATS[format](tmp_path, [mask for mask in masks[:9] if (mask == 1).any()])

    tree = Tree.of(source, None)
    assert [name for name in TOOLS if READERS[name].recognise(tree) is not None] == [format]


@pytest.mark.parametrize("format", TOOLS)
def test_a_folder_without_annotations_is_refused(format: str, one: Path) -> None:
    with pytest.raises(DatasetError, match=r"holds no|does not name"):
        listed(format, one)


@pytest.mark.parametrize("format", TOOLS)
def test_batches_are_ingested_once_and_changed_annotations_again(
    format: str, masks: list[np.ndarray], tmp_path: Path
) -> None:
    shown = [mask for mask in masks if (mask == 1).any() and (mask == 2).any()]
    annotated.FORMATS[format](tmp_path / "old", [*shown[8:20], masks[0]])
    settings = IngestSettings(format=format)
    import_dataset(tmp_path / "old", tmp_path / "dataset", settings)
    batch = annotated.FORMATS[format](tmp_path / "batch", shown[:4])
    for n in range(4):  # pictures that the dataset does not have
        (path,) = batch.rglob(f"p00{n}.png")
        save(path, texture(100 + n, *shown[n].shape))

    def ingest() -> Any:
        source = FolderSource(tmp_path / "batch")
        return ingest_batch(tmp_path / "dataset", source, settings, date=datetime.date(2025, 3, 1))

    first, second = ingest(), ingest()
    assert (first.batch.images, first.batch.labelled) == (4, 4)
    assert not second.is_new
    images = {path.name for path in batch.rglob("*.png")}
    assert second.fetched == len([path for path in batch.rglob("*.*") if path.name not in images])

    annotated.FORMATS[format](tmp_path / "batch", [shown[0], shown[4], shown[2], shown[3]])
    for n in range(4):
        (path,) = batch.rglob(f"p00{n}.png")
        save(path, texture(100 + n, *shown[n].shape))
    for path in batch.rglob("*"):
        if path.suffix != ".png":
            os.utime(path, ns=(2 * 10**18, 2 * 10**18))
    third = ingest()
    assert third.batch.relabelled == 1
    opened = Dataset.open(tmp_path / "dataset")
    new = opened.manifest[opened.manifest["batch"] == first.batch.name]
    assert {opened.read_mask(row).tobytes() for _, row in new.iterrows()} == {
        shown[n].tobytes() for n in (0, 4, 2, 3)
    }


def test_names_with_control_codes_are_shown_escaped(one: Path) -> None:
    layout = coco(one, {"segmentation": [FLAT]}, file_name="a\nb\x1b[31m.png")
    (item,) = (fault.item for fault in layout.faults if fault.kind == "missing-image")

    assert item == r"a\nb\x1b[31m.png"
