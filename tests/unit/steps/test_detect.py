"""`detect` on folders of generated images: what is written, what is not done again, what is wrong."""

from __future__ import annotations

import csv
import errno
import os
import shutil
import threading
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from dark_detector import dark_spec, export_dark, save, surface
from PIL import Image

from autonad.console import SILENT, Console
from autonad.data.images import read_image
from autonad.data.ingest.extending import ingest_batch
from autonad.data.ingest.settings import IngestSettings
from autonad.data.synthetic.generator import synthesize
from autonad.detector.keeping import KeepSettings
from autonad.detector.kept import content_of
from autonad.detector.working import Tally
from autonad.errors import AutonadError, ConfigError, DatasetError, ExportError, StorageError
from autonad.steps.detect import DetectSettings, detect
from autonad.storage.folder import FolderSource
from autonad.storage.store import Store


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_dark(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two parts with defects, one without; one of them in a folder of its own."""
    folder = tmp_path / "images"
    save(folder / "a.png", surface((10, 20, 14, 50)))
    save(folder / "b.png", surface())
    save(folder / "line 2" / "c.png", surface((5, 5, 25, 15), (40, 40, 44, 60), size=(90, 120)))
    return folder


def run(model: Path, source: Path | str, output: Path, console: Console = SILENT, **settings) -> Tally:
    return detect(
        console, model=model, source=str(source), output=output, settings=DetectSettings(**settings)
    )


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "finished.jsonl"
    }


def test_a_folder_becomes_masks_overlays_and_tables(model: Path, images: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"

    tally = run(model, images, output, mm_per_pixel=0.5, probabilities=True)

    assert dict(tally.verdicts) == {"NG": 2, "OK": 1}
    verdicts = table(output / "verdicts.csv")
    assert [(row["image"], row["verdict"], row["reason"]) for row in verdicts] == [
        ("a.png", "NG", "1 crack NG"),
        ("b.png", "OK", "no defect"),
        ("line 2/c.png", "NG", "2 crack NG"),
    ]
    defects = table(output / "defects.csv")
    assert [row["image"] for row in defects] == ["a.png", "line 2/c.png", "line 2/c.png"]
    box = {name: int(defects[0][name]) for name in ("top", "left", "bottom", "right", "area_px")}
    assert box == {"top": 10, "left": 20, "bottom": 14, "right": 50, "area_px": 120}
    assert float(defects[0]["area_mm2"]) == 30
    mask = pixels(output / "masks" / "a.png")
    assert (mask > 0).sum() == 120
    assert (mask[10:14, 20:50] == 1).all()
    assert pixels(output / "masks" / "line 2" / "c.png").shape == (90, 120)
    probability = pixels(output / "probabilities" / "a.png")
    assert probability[12, 30] > 230 > 30 > probability[40, 40]
    assert sorted(path.name for path in (output / "overlays").rglob("*.jpg")) == ["a.jpg", "c.jpg"]


def test_an_overlay_shows_where(model: Path, images: Path, tmp_path: Path) -> None:
    run(model, images / "a.png", tmp_path / "out")

    shown = pixels(tmp_path / "out" / "overlays" / "a.jpg").astype(int)
    coloured = (shown.max(axis=2) - shown.min(axis=2)) > 60
    rows, columns = np.nonzero(coloured)
    assert columns.min() >= 15
    assert columns.max() <= 63
    assert not coloured[30:].any()
    assert len(rows) > 50


def test_what_is_done_is_not_done_again(model: Path, images: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    run(model, images, output)
    before = contents(output)
    old = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}

    again = run(model, images, output)

    assert (again.images, again.known) == (0, 3)
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*.png")} == old
    assert contents(output) == before
    save(images / "b.png", surface((1, 1, 9, 30)))
    (output / "masks" / "a.png").unlink()
    third = run(model, images, output)
    assert (third.images, third.known) == (2, 1)
    assert [row["verdict"] for row in table(output / "verdicts.csv")] == ["NG"] * 3


def test_two_folders_get_the_same_results(model: Path, images: Path, tmp_path: Path) -> None:
    for number in range(30):
        save(images / f"more{number}.png", surface((number, 3, number + 9, 40)))

    for name in ("one", "two"):
        run(model, images, tmp_path / name)

    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_other_rules_judge_everything_again(model: Path, images: Path, tmp_path: Path) -> None:
    output, rules, lines = tmp_path / "out", tmp_path / "rules.yaml", []
    run(model, images, output)
    rules.write_text("classes: {crack: {min_area_px: 150}}")

    tally = run(model, images, output, Console(report=lines.append), rules=rules)

    assert dict(tally.verdicts) == {"NG": 1, "OK": 2}
    assert "rules or options changed: 3 images" in lines[0]
    assert [row["verdict"] for row in table(output / "verdicts.csv")] == ["OK", "OK", "NG"]
    assert sorted(path.name for path in (output / "overlays").rglob("*.jpg")) == ["c.jpg"]


def test_a_list_of_results_that_names_other_files_removes_none(
    model: Path, images: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    mine = save(tmp_path / "mine.png", surface())
    run(model, images, output)
    listed = output / "finished.jsonl"
    listed.write_text(listed.read_text().replace('"output": "a"', f'"output": "{mine.with_suffix("")}"'))

    run(model, images, output, probabilities=True)

    assert mine.is_file()


def test_results_inside_the_source_are_no_images(model: Path, images: Path) -> None:
    run(model, images, images / "results")

    assert run(model, images, images / "results").known == 3


def test_bad_images_are_named_and_the_rest_is_done(model: Path, images: Path, tmp_path: Path) -> None:
    whole = (images / "a.png").read_bytes()
    (images / "cut.png").write_bytes(whole[: len(whole) // 2])
    (images / "empty.jpg").touch()
    (images / "text.png").write_text("no image")
    frames = [Image.fromarray(surface(level)) for level in ((1, 1, 9, 9), (20, 20, 40, 40))]
    frames[0].save(images / "moving.png", save_all=True, append_images=frames[1:])
    frames[0].save(images / "pages.tiff", save_all=True, append_images=frames[1:])
    (images / "gone.png").symlink_to(images / "nowhere.png")

    tally = run(model, images, tmp_path / "out")

    assert tally.unreadable == 6
    assert sum(tally.verdicts.values()) == 3
    bad = {
        row["image"]: row["reason"]
        for row in table(tmp_path / "out" / "verdicts.csv")
        if row["verdict"] == "UNREADABLE"
    }
    assert bad.keys() == {"cut.png", "empty.jpg", "text.png", "moving.png", "pages.tiff", "gone.png"}
    assert "holds 2 pictures" in bad["moving.png"]
    assert "holds 2 pictures" in bad["pages.tiff"]
    assert "is empty" in bad["empty.jpg"]
    (images / "cut.png").write_bytes(whole)
    assert run(model, images, tmp_path / "out").verdicts == {"NG": 1}


def test_names_that_are_no_text_or_very_long_are_names_too(model: Path, images: Path, tmp_path: Path) -> None:
    names = [os.fsencode("plain.png"), b"caf\xe9.png", b"l" * 250 + b".png"]
    source = tmp_path / "named"
    source.mkdir()
    for name in names:
        shutil.copy(images / "a.png", os.fsencode(source) + b"/" + name)
    run(model, source, tmp_path / "out")
    listed = {row["image"] for row in table(tmp_path / "out" / "verdicts.csv")}
    assert listed == {"plain.png", "caf\\udce9.png", "l" * 250 + ".png"}
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 3


def test_pictures_that_are_not_read_are_named_and_other_files_counted(
    model: Path, images: Path, tmp_path: Path
) -> None:
    frames = [Image.fromarray(surface(level)) for level in ((1, 1, 9, 9), (20, 20, 40, 40))]
    frames[0].save(images / "a.gif", save_all=True, append_images=frames[1:])
    (images / "line 2" / "photo.HEIC").write_bytes(b"anything")
    for name in ("notes.txt", "line 2/groups.csv", ".hidden.txt"):
        (images / name).touch()

    tally = run(model, images, tmp_path / "out")

    assert (tally.unreadable, tally.others, sum(tally.verdicts.values())) == (2, 2, 3)
    assert tally.problems == [
        "a.gif: .gif is a format that is not read; convert it to PNG or JPEG",
        "line 2/photo.HEIC: .heic is a format that is not read; convert it to PNG or JPEG",
    ]
    verdicts = {row["image"]: row for row in table(tmp_path / "out" / "verdicts.csv")}
    assert verdicts["a.gif"]["verdict"] == "UNREADABLE"
    assert verdicts["a.png"]["mask"] == "masks/a.png", "a picture that is not read takes no image's name"
    assert run(model, images / "a.gif", tmp_path / "one").problems == tally.problems[:1]


def test_the_worst_defects_are_named_and_all_are_counted(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autonad.detector.judged.MOST_DEFECTS", 1)

    tally = run(model, images, tmp_path / "out")

    assert dict(tally.defects) == {("crack", "NG"): 3}
    assert tally.cut == 1
    row = table(tmp_path / "out" / "verdicts.csv")[2]
    assert (row["defects"], row["named"], row["reason"]) == ("2", "1", "2 crack NG")
    largest = table(tmp_path / "out" / "defects.csv")[1]
    assert (largest["image"], int(largest["area_px"]) > 150) == ("line 2/c.png", True)
    monkeypatch.undo()
    assert run(model, images, tmp_path / "out").images == 3, "what was cut is named when more is wanted"


def test_a_folder_that_is_closed_or_vanishes_keeps_nobody_from_the_rest(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scandir(path: str) -> object:
        if path.endswith(("closed", "vanished")):
            code = errno.EACCES if path.endswith("closed") else errno.ENOENT
            raise OSError(code, os.strerror(code), path)
        return listed(path)

    listed = os.scandir
    for name in ("closed", "vanished"):
        (images / name).mkdir()
    monkeypatch.setattr("autonad.detector.image_sources.os.scandir", scandir)

    tally = run(model, images, tmp_path / "out")

    assert sum(tally.verdicts.values()) == 3
    assert tally.problems == ["closed: the folder cannot be listed: Permission denied"]


def test_images_above_the_limit_are_named_until_it_is_raised(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "images" / "a.png", surface((10, 20, 14, 50), size=(100, 100)))

    tally = run(model, tmp_path / "images", tmp_path / "out", max_pixels=9_999)
    again = run(model, tmp_path / "images", tmp_path / "out", max_pixels=10_000)

    assert "has 100 × 100 pixels" in tally.problems[0]
    assert "--max-megapixels" in tally.problems[0]
    assert again.verdicts == {"NG": 1}


def test_all_kinds_of_images_are_read_as_in_training(model: Path, tmp_path: Path) -> None:
    image, folder = surface((10, 20, 14, 50)), tmp_path / "images"
    grey = Image.fromarray(image[..., 0])
    save(folder / "rgb.png", image)
    grey.save(folder / "grey.bmp")
    Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(folder / "deep.png")
    Image.fromarray(image).convert("RGBA").save(folder / "alpha.png")
    grey.convert("P").save(folder / "palette.png")
    turned = Image.fromarray(np.rot90(image, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise when it is shown
    turned.save(folder / "turned.png", exif=exif)
    Image.fromarray(image).convert("CMYK").save(folder / "print.tiff")

    run(model, folder, tmp_path / "out")

    masks = {path.stem: pixels(path) for path in (tmp_path / "out" / "masks").iterdir()}
    assert len(masks) == 7
    for name, mask in masks.items():
        np.testing.assert_array_equal(mask, masks["rgb"], err_msg=name)


def test_deep_images_are_scaled_as_the_model_says(tmp_path: Path) -> None:
    image = surface((10, 20, 14, 50))
    reading = {"integers": [0, 4095], "floats": None, "page": None, "turned": True}
    told = export_dark(tmp_path / "model.onnx", replace(dark_spec(), reading=reading))
    (tmp_path / "images").mkdir()
    samples = (image[..., 0] / 255 * 4095).round().astype(np.uint16)
    Image.fromarray(samples).save(tmp_path / "images" / "deep.png")
    save(tmp_path / "images" / "usual.png", image)

    run(told, tmp_path / "images", tmp_path / "out")

    deep, usual = (pixels(tmp_path / "out" / "masks" / f"{name}.png") for name in ("deep", "usual"))
    np.testing.assert_array_equal(deep, usual)
    assert usual.any()


def test_what_a_model_does_not_say_of_deep_images_is_said(model: Path, tmp_path: Path) -> None:
    """Files of earlier versions do not say how images were read: they are read as those versions did."""
    image, lines = surface((10, 20, 14, 50)), []
    (tmp_path / "images").mkdir()
    for name in ("deep", "deeper"):
        Image.fromarray(image[..., 0].astype(np.uint16) * 257).save(tmp_path / "images" / f"{name}.png")
    save(tmp_path / "images" / "usual.png", image)

    run(model, tmp_path / "images", tmp_path / "out", Console(report=lines.append))

    (line,) = lines
    assert "says nothing of samples of more than 8 bits: 0 to 65535 are taken as black to white" in line
    masks = [pixels(path) for path in sorted((tmp_path / "out" / "masks").iterdir())]
    for mask in masks:
        np.testing.assert_array_equal(mask, masks[-1])
    told = replace(
        dark_spec(), reading={"integers": [0, 65535], "floats": None, "page": None, "turned": True}
    )
    lines.clear()
    said = export_dark(tmp_path / "model.onnx", told)
    run(said, tmp_path / "images", tmp_path / "again", Console(report=lines.append))
    assert lines == []


def test_texts_are_no_formulas(model: Path, tmp_path: Path) -> None:
    save(tmp_path / "images" / "=1+1.png", surface((1, 1, 9, 9)))

    run(model, tmp_path / "images", tmp_path / "out")

    for name in ("verdicts.csv", "defects.csv"):
        assert [row["image"] for row in table(tmp_path / "out" / name)] == ["'=1+1.png"]


def refused(
    error: type[AutonadError], match: str, model: Path, source: Path | str, output: Path, **how
) -> None:
    with pytest.raises(error, match=match):
        run(model, source, output, **how)
    assert not output.exists()


def test_a_wrong_request_does_nothing(model: Path, images: Path, tmp_path: Path) -> None:
    empty, output, rules = tmp_path / "empty", tmp_path / "out", tmp_path / "rules.yaml"
    empty.mkdir()
    rules.write_text("classes: {crak: {}}")

    refused(DatasetError, "does not exist", model, tmp_path / "none", output)
    refused(DatasetError, "holds no image", model, empty, output)
    refused(ExportError, "cannot be opened as ONNX", images / "a.png", images, output)
    refused(ConfigError, "did you mean crack", model, images, output, rules=rules)
    refused(StorageError, "no address of a bucket", model, "s3://", output)


def test_a_full_disk_is_named_and_what_is_done_is_kept(
    model: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "out"
    run(model, images / "a.png", tmp_path / "other")
    real = os.replace

    def replace(source, target) -> None:
        if Path(target).name == "c.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(StorageError, match=r"cannot write .*c\.png: No space left on device; free"):
        run(model, images, output)
    monkeypatch.undo()

    assert not list(output.rglob("*.tmp"))
    tally = run(model, images, output)
    assert tally.images + tally.known == 3
    assert tally.images <= 2


def test_what_is_kept_is_ingested_and_waits_for_labels(model: Path, images: Path, tmp_path: Path) -> None:
    folder, root = tmp_path / "kept", tmp_path / "dataset"
    synthesize(root, num_images=6, size=(64, 64), classes=("crack", "stain"), materials=("steel",))

    tally = run(model, images, tmp_path / "out", keep=KeepSettings(str(folder), ok_share=0))
    again = run(model, images, tmp_path / "out", keep=KeepSettings(str(folder), ok_share=0))
    done = ingest_batch(root, FolderSource(folder), IngestSettings(), date=date(2026, 3, 1))

    assert (tally.kept, tally.lost, again.kept) == (2, 0, 0)
    assert not {"no-image", "other-files"} & set(done.faults["kind"]), (
        "masks that were predicted are no labels"
    )
    assert "error" not in set(done.faults["severity"])
    assert (done.batch.images, done.batch.labelled) == (2, 0)
    waiting = done.dataset.split("unlabelled").to_dict(orient="records")
    kept = {content_of(done.dataset.read_image(row)) for row in waiting}
    assert kept == {content_of(read_image(images / name)) for name in ("a.png", "line 2/c.png")}


def test_a_place_that_refuses_is_named_and_the_folder_is_done(
    model: Path, images: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    (folder / "predicted").mkdir(parents=True)
    (folder / "predicted" / datetime.now(UTC).date().isoformat()).write_text("no folder")

    tally = run(model, images, tmp_path / "out", keep=KeepSettings(str(folder)))

    assert (tally.kept, tally.lost, tally.images) == (0, 2, 3)
    assert str(folder) in tally.not_kept


def test_a_bucket_is_a_source(model: Path, images: Path, tmp_path: Path, bucket: str) -> None:
    store = Store()
    for path in images.rglob("*.png"):
        store.upload(path, bucket, f"line/{path.relative_to(images).as_posix()}")
    (images / "b.png").write_text("no image")
    store.upload(images / "b.png", bucket, "line/bad.png")

    tally = run(model, f"s3://{bucket}/line", tmp_path / "out")

    assert (dict(tally.verdicts), tally.unreadable) == ({"NG": 2, "OK": 1}, 1)
    assert [row["image"] for row in table(tmp_path / "out" / "defects.csv")] == [
        "a.png",
        "line 2/c.png",
        "line 2/c.png",
    ]
    again = run(model, f"s3://{bucket}/line", tmp_path / "out")
    assert (again.images, again.known) == (1, 3)


def test_a_watched_folder_is_followed_until_it_is_enough(model: Path, images: Path, tmp_path: Path) -> None:
    """A camera writes: a new image, one in two pieces, and one anew; then somebody stops it."""
    output, steps = tmp_path / "out", []
    whole = (images / "a.png").read_bytes()
    old = 1_600_000_000
    for path in images.rglob("*.png"):
        os.utime(path, (old, old))

    class Camera(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            steps.append({row["image"] for row in table(output / "verdicts.csv")})
            match len(steps):
                case 1:
                    save(images / "new.png", surface((1, 1, 9, 9)))
                    (images / "slow.png").write_bytes(whole[:40])
                case 2:
                    (images / "slow.png").write_bytes(whole)
                case 3:
                    save(images / "b.png", surface((1, 1, 9, 9)))
                case 5:
                    self.set()
            return self.is_set()

    settings = DetectSettings(watch=True)
    tally = detect(SILENT, model=model, source=str(images), output=output, settings=settings, stop=Camera())

    assert steps[0] == {"a.png", "b.png", "line 2/c.png"}
    assert "slow.png" not in steps[1]
    assert steps[4] == {"a.png", "b.png", "line 2/c.png", "new.png", "slow.png"}
    assert tally.unreadable == 0
    assert {row["verdict"] for row in table(output / "verdicts.csv")} == {"NG"}
