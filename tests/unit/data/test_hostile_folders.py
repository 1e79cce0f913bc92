"""Sources with links, pipes, odd names and foreign files: each is named, none is read where it may not be."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import layouts as make
import pandas as pd
import pytest

from autonad.console import as_text, shown
from autonad.data.audit import audit_layout
from autonad.data.dataset import Dataset
from autonad.data.ingest.extending import IngestReport, ingest_batch
from autonad.data.ingest.importing import ImportReport, import_dataset
from autonad.data.ingest.settings import IngestSettings
from autonad.data.layouts.formats import list_layout
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.storage.folder import FolderSource


def take(source: Path, output: Path, **settings) -> ImportReport:
    return import_dataset(source, output, IngestSettings(format="masks", **settings))


def test_lists_and_groups_are_no_links_out_of_the_source(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "s", [255])
    names = [f"images/{n}.png" for n in range(9)]
    (tmp_path / "groups.csv").write_text("image,group\n" + "".join(f"{name},secret\n" for name in names))
    (tmp_path / "train.txt").write_text("\n".join(names))
    for name in ("groups.csv", "train.txt"):
        (source / name).symlink_to(tmp_path / name)
    report = take(source, tmp_path / "d")
    assert "secret" not in set(report.dataset.manifest["group"])
    assert "own-split" not in set(report.faults["kind"])
    assert errors(report).keys() == {"groups.csv", "train.txt"}


def errors(report: ImportReport) -> dict[str, str]:
    rows = report.faults[report.faults["severity"] == "error"]
    return dict(zip(rows["item"], rows["message"], strict=True))


def test_links_out_of_the_source_are_refused_and_never_copied(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    secret = tmp_path / "secret.txt"
    secret.write_text("password")
    make.save(tmp_path / "outside" / "x.png", make.texture(60))
    (source / "images" / "evil.png").symlink_to(secret)
    (source / "masks" / "evil.png").symlink_to(tmp_path / "outside" / "x.png")
    (source / "images" / "more").symlink_to(tmp_path / "outside")

    report = take(source, tmp_path / "d")
    named = errors(report)
    assert set(named) == {"images/evil.png", "masks/evil.png", "images/more"}
    assert all("leads out of the folder" in message for message in named.values())
    assert len(report.dataset.manifest) == 9
    for path in report.dataset.root.rglob("*"):
        assert not path.is_file() or b"password" not in path.read_bytes()


def test_links_inside_and_a_linked_source_are_followed(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    (source / "images").rename(source / "raw")
    (source / "images").symlink_to("raw")
    (source / "masks" / "0.png").rename(source / "zero.png")
    (source / "masks" / "0.png").symlink_to("../zero.png")
    (tmp_path / "link").symlink_to(source)

    report = take(tmp_path / "link", tmp_path / "d")
    assert len(report.dataset.manifest) == 9
    assert errors(report) == {}


def test_pipes_loops_and_links_to_nowhere_are_named_without_waiting(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    os.mkfifo(source / "images" / "pipe.png")
    (source / "images" / "gone.png").symlink_to("nothing.png")
    (source / "images" / "a.png").symlink_to("b.png")
    (source / "images" / "b.png").symlink_to("a.png")
    (source / "images" / "again").symlink_to("..")

    named = errors(take(source, tmp_path / "d"))
    assert "named pipe" in named["images/pipe.png"]
    assert "link to nowhere" in named["images/gone.png"]
    assert "cannot be followed" in named["images/a.png"]
    assert "lies in" in named["images/again"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    (source / "images" / "locked").mkdir(mode=0)

    assert "cannot be listed" in errors(take(source, tmp_path / "d"))["images/locked"]


def test_names_that_cannot_be_shown_are_escaped_and_their_images_imported(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    names = [b"caf\xe9", b"two\nlines", b"\x1b[31mred", "\u202etxet".encode(), b"bad\xff"]
    for number, name in enumerate(names):
        make.save(source / "images" / "p.png", make.texture(50 + number))
        os.rename(source / "images" / "p.png", os.fsencode(source / "images") + b"/" + name + b".png")
        if number < 4:
            make.save(source / "masks" / "p.png", make.patch(255))
            os.rename(source / "masks" / "p.png", os.fsencode(source / "masks") + b"/" + name + b".png")

    report = take(source, tmp_path / "d")
    assert len(report.dataset.manifest) == 13
    assert list(errors(report)) == ["images/bad\\xff.png"]
    for value in report.faults.to_numpy().ravel():
        assert value.isprintable()
        value.encode()
    assert all(image.isprintable() for image in Dataset.open(tmp_path / "d").manifest["image"])
    audit_layout(source, IngestSettings())


def test_broken_files_of_odd_names_are_quarantined_with_readable_reasons(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    folder = os.fsencode(source)
    for part, content in ((b"/images/", b"broken"), (b"/masks/", b"broken")):
        with open(folder + part + b"a\n\xff.png", "wb") as file:
            file.write(content)

    take(source, tmp_path / "d")
    reasons = pd.read_csv(tmp_path / "d" / "quarantine" / "reasons.csv")
    assert reasons["item"].tolist() == ["images/a\\n\\xff.png"]


def test_foreign_files_are_named_by_suffix(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    for name in ("a.heic", "b.GIF", "c.dng", "d.psd"):
        (source / "images" / name).write_bytes(b"x")
    (source / "old.zip").write_bytes(b"x")
    (source / "readme.txt").write_text("x")
    (source / ".DS_Store").write_text("x")
    make.save(source / "masks" / "orphan.png", make.patch(255))

    faults = take(source, tmp_path / "d").faults.set_index("kind")
    pictures = faults.loc["unread-format"]
    assert pictures["severity"] == "error"
    assert "4 files in formats that are not read: images/a.heic, images/b.GIF" in pictures["message"]
    assert "convert them to PNG" in pictures["message"]
    assert "old.zip" in faults.loc["other-files", "message"]
    assert "masks/orphan.png" in faults.loc["no-image", "message"]
    assert not faults["message"].str.contains("readme|DS_Store").any()


def test_the_folder_that_one_is_in_is_called_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make.masks(tmp_path / "m", [255])
    (source / "old.zip").write_bytes(b"x")
    monkeypatch.chdir(source)

    for faults in (
        take(Path("."), tmp_path / "d").faults,
        audit_layout(Path("."), IngestSettings(format="masks")).faults,
    ):
        assert faults.set_index("kind").loc["other-files", "item"] == "m"


def test_one_size_limit_for_import_and_audit(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    with (source / "images" / "0.png").open("r+b") as file:
        file.truncate(3 * 2**30)  # a hole: it takes no space, and reading it would take all memory

    named = errors(take(source, tmp_path / "d", max_bytes=10 * 2**20))
    assert "3072 MiB, at most 10 are read; raise data.max_megabytes" in named["images/0.png"]
    faults = audit_layout(source, IngestSettings(max_bytes=10 * 2**20)).faults
    assert "too-large" in set(faults["kind"])


def test_the_limit_of_pixels_can_be_set(tmp_path: Path) -> None:
    source = make.masks(tmp_path / "m", [255])
    make.save(source / "images" / "large.png", make.texture(70, 60, 60))
    make.save(source / "masks" / "large.png", make.patch(255, 60, 60))

    named = errors(take(source, tmp_path / "d", pixels=PixelOptions(max_pixels=50 * 50)))
    assert list(named) == ["images/large.png"]
    assert "raise data.max_megapixels" in named["images/large.png"]
    assert errors(take(source, tmp_path / "e", pixels=PixelOptions(max_pixels=60 * 60))) == {}


def test_an_imported_image_stays_readable_whatever_the_usual_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autonad.data.images.MAX_PIXELS", 1000)
    monkeypatch.setattr("autonad.data.dataset.MAX_PIXELS", 1000)
    dataset = take(
        make.masks(tmp_path / "m", [255]), tmp_path / "d", pixels=PixelOptions(max_pixels=48 * 48)
    ).dataset

    for row in dataset.manifest.itertuples():
        assert dataset.read_image(row).shape == (48, 48, 3)
        assert dataset.read_mask(row).shape == (48, 48)


def test_listing_is_linear_and_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "m"
    for folder in ("images", "masks"):
        (source / folder).mkdir(parents=True)
        for n in range(300):
            (source / folder / f"{n}.png").touch()
    (source / "classes.txt").write_text("dent\npit\n")
    scanned: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: scanned.append(str(path)) or scandir(path))

    layout = list_layout("masks", source, include_defect_free=True, classes=None, known=["background", "a"])
    assert len(layout.records) == 300
    assert len(scanned) == 3


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("plain Prüfling #1.png", "plain Prüfling #1.png"),
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        (os.fsdecode(b"\xe9"), "\\xe9"),
        ("\u202egnp", "\\u202egnp"),
        ("\ud800", "\\ud800"),
    ],
)
def test_shown_names_are_printable(name: str, escaped: str) -> None:
    assert shown(name) == escaped
    as_text(name).encode()


def test_a_batch_names_the_same_things_once(tmp_path: Path) -> None:
    root = take(make.masks(tmp_path / "m", [255]), tmp_path / "d").dataset.root
    batch = tmp_path / "b"
    make.save(batch / "images" / "new.png", make.texture(80))
    make.save(batch / "masks" / "new_GT.png", make.patch(255))
    (batch / "images" / "a.gif").write_bytes(b"x")
    (batch / "images" / "evil.png").symlink_to("/etc/hostname")
    os.mkfifo(batch / "images" / "pipe.png")
    with open(os.fsencode(batch) + b"/images/\xff.png", "wb"):
        pass
    (batch / "notes.pdf").write_bytes(b"x")

    def ingest() -> IngestReport:
        settings = IngestSettings(format="masks")
        return ingest_batch(root, FolderSource(batch), settings, date=datetime.date(2026, 1, 2))

    first = ingest()
    rows = first.faults[first.faults["severity"] == "error"]
    assert sorted(rows["item"]) == ["images/\\xff.png", "images/a.gif", "images/evil.png", "images/pipe.png"]
    assert "notes.pdf" in first.faults.set_index("kind").loc["other-files", "message"]
    assert first.batch.labelled == 1
    assert not [path for path in (root / "quarantine").iterdir() if path.suffix != ".csv"]
    again = ingest()
    assert not again.is_new
    assert "error" not in set(again.faults["severity"])
