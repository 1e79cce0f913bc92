"""`select`: from what the line kept to a folder for labelling, and back through `ingest`, corrected."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from dark_detector import CLASSES, dark_spec, forward, surface
from PIL import Image

from autonad.console import SILENT
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import read_layout
from autonad.data.synthetic.generator import synthesize
from autonad.detector.engine import Detector
from autonad.detector.keeping import Keeper, KeepSettings, Sighting
from autonad.detector.kept import IMAGES, PREDICTED, KeptName
from autonad.detector.rules import Rules
from autonad.errors import DatasetError
from autonad.files import write_json
from autonad.steps.select import COCO, DETECTIONS, select
from autonad.storage.folder import FolderSource

LEVELS = (20, 50, 30, 55, 40, 25, 45, 35)


def keep(place: Path | str, levels: tuple[int, ...] = LEVELS) -> None:
    """Images whose cracks are ever harder to see, the brighter the less sure."""
    rules, rng = Rules.default(CLASSES), np.random.default_rng(0)
    detector = Detector(forward, dark_spec(), rules)
    keeper = Keeper(KeepSettings(str(place)))
    for level in levels:
        image = surface((10, 10, 30, 50), level=level) + rng.integers(0, 5, (64, 64, 1), dtype=np.uint8)
        seen = Sighting(f"{level}.png", image, detector.detect(image), CLASSES, rules, "0123456789abcdef")
        assert keeper.offer(seen)


def below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_the_most_informative_are_laid_out_first(tmp_path: Path) -> None:
    keep(tmp_path / "kept")

    done = select(SILENT, source=str(tmp_path / "kept"), output=tmp_path / "out", count=3)

    assert (len(done.chosen), done.available, done.problems) == (3, 8, ())
    with (tmp_path / "out" / DETECTIONS).open(newline="") as handle:
        told = list(csv.DictReader(handle))
    assert [one["file"] for one in told] == list(done.chosen)
    assert told[0]["image"] == "55.png", "the least sure one"
    assert below(tmp_path / "out" / IMAGES) == sorted(done.chosen)


def test_the_predictions_are_annotations_that_can_be_corrected(tmp_path: Path) -> None:
    keep(tmp_path / "kept")
    output = tmp_path / "out"
    chosen = select(SILENT, source=str(tmp_path / "kept"), output=output, count=4).chosen

    layout = read_layout("coco", output)

    assert [fault for fault in layout.faults if fault.severity == "error"] == []
    assert layout.classes == CLASSES
    document = json.loads((output / COCO).read_text())
    assert {image["file_name"] for image in document["images"]} == set(chosen)
    areas = {image["id"]: 0 for image in document["images"]}
    for one in document["annotations"]:
        areas[one["image_id"]] += one["area"]
    for image in document["images"]:
        mask = np.asarray(Image.open(tmp_path / "kept" / PREDICTED / image["file_name"]))
        assert areas[image["id"]] == (mask != 0).sum() > 0


@pytest.mark.parametrize("format", ["coco", "masks"])
def test_corrected_labels_reach_the_images_that_waited_for_them(format: str, tmp_path: Path) -> None:
    keep(tmp_path / "kept")
    root, output = tmp_path / "dataset", tmp_path / "out"
    synthesize(root, num_images=6, size=(64, 64), classes=("crack", "stain"), materials=("steel",))
    waiting = ingest_batch(root, FolderSource(tmp_path / "kept"), IngestSettings(), date=date(2026, 3, 1))
    assert (waiting.batch.images, waiting.batch.labelled) == (8, 0)

    chosen = select(SILENT, source=str(tmp_path / "kept"), output=output, count=3).chosen
    corrected = np.zeros((64, 64), np.uint8)
    corrected[12:20, 12:40] = 1
    if format == "coco":
        document = json.loads((output / COCO).read_text())
        document["categories"] = [{"id": 1, "name": "crack"}]
        ring = [12, 12, 40, 12, 40, 20, 12, 20]
        document["annotations"] = [
            {"id": i, "image_id": i, "category_id": 1, "segmentation": [ring], "iscrowd": 0}
            for i in (1, 2, 3)
        ]
        write_json(output / COCO, document)
    else:
        for name in chosen:
            (output / "masks" / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(corrected).save(output / "masks" / name)
    done = ingest_batch(root, FolderSource(output), IngestSettings(format=format), date=date(2026, 3, 2))

    assert (done.batch.upgraded, done.batch.images, done.batch.quarantined) == (3, 0, 0)
    rows = [row for row in done.dataset.manifest.to_dict(orient="records") if row["batch"] == "2026-03-01"]
    labelled = [row for row in rows if row["mask"]]
    assert {Path(row["image"]).name for row in labelled} == {Path(name).name for name in chosen}
    for row in labelled:
        assert (done.dataset.read_mask(row) == corrected).all()


def test_a_bucket_is_chosen_from_as_a_folder(bucket: str, tmp_path: Path) -> None:
    keep(tmp_path / "kept")
    keep(f"s3://{bucket}/line")

    folder = select(SILENT, source=str(tmp_path / "kept"), output=tmp_path / "a", count=3)
    same = select(SILENT, source=f"s3://{bucket}/line", output=tmp_path / "b", count=3)

    assert same.chosen == folder.chosen
    assert below(tmp_path / "a") == below(tmp_path / "b")


def test_what_is_damaged_is_named_and_the_rest_is_chosen(tmp_path: Path) -> None:
    keep(tmp_path / "kept")
    masks = below(tmp_path / "kept" / PREDICTED)
    (tmp_path / "kept" / PREDICTED / masks[0]).write_bytes(b"torn")
    (tmp_path / "kept" / PREDICTED / masks[1]).unlink()
    (tmp_path / "kept" / IMAGES / "own.png").write_bytes(b"of somebody else")

    done = select(SILENT, source=str(tmp_path / "kept"), output=tmp_path / "out", count=100)

    assert (len(done.chosen), done.available, len(done.problems)) == (6, 8, 2)
    assert set(done.chosen) == set(masks[2:])


def test_models_of_other_classes_share_one_list_of_categories(tmp_path: Path) -> None:
    keep(tmp_path / "kept", (20,))
    classes = ("background", "hole", "dent", "crack")
    spec = dark_spec()
    spec = type(spec).from_dict({**spec.to_dict(), "classes": classes})
    rules = Rules.default(classes)

    def four(images: np.ndarray) -> np.ndarray:
        logits = forward(images)
        return np.concatenate([logits[:, :1], logits[:, :1] - 50, logits[:, :1] - 50, logits[:, 1:2]], axis=1)

    keeper = Keeper(KeepSettings(str(tmp_path / "kept")))
    image = surface((10, 10, 30, 50), level=40)
    seen = Sighting("b.png", image, Detector(four, spec, rules).detect(image), classes, rules, "ba9876543210")
    assert keeper.offer(seen)

    select(SILENT, source=str(tmp_path / "kept"), output=tmp_path / "out", count=2)

    document = json.loads((tmp_path / "out" / COCO).read_text())
    names = {category["id"]: category["name"] for category in document["categories"]}
    assert set(names.values()) == {"crack", "hole", "dent"}
    assert {names[one["category_id"]] for one in document["annotations"]} == {"crack"}


def test_a_wrong_request_does_nothing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no kept images"):
        select(SILENT, source=str(tmp_path / "nothing"), output=tmp_path / "out", count=1)
    assert not (tmp_path / "out").exists()
    keep(tmp_path / "kept", (20,))
    with pytest.raises(DatasetError, match="is not empty"):
        select(SILENT, source=str(tmp_path / "kept"), output=tmp_path / "kept", count=1)


def test_names_of_others_are_none_of_ours() -> None:
    assert KeptName.parse("2026-03-01/512-REVIEW-0123456789ab-part_7.png") is not None
    for name in (
        "a.png",
        "2026-03-01/a.png",
        "2026-03-01/1512-OK-0123456789ab-a.png",
        "x/y/512-OK-0123456789ab-.png",
    ):
        assert KeptName.parse(name) is None
