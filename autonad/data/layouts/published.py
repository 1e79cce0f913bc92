"""Readers of published layouts: NEU, magnetic tiles, NEU_Seg, Pascal VOC and MSD."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from autonad.data.dataset import BACKGROUND, check_classes
from autonad.data.faults import Fault
from autonad.data.images import list_images
from autonad.data.layouts.layout import Layout, Record
from autonad.data.layouts.pairing import index_by_stem
from autonad.errors import DatasetError

_NEU = {"In": "inclusion", "Pa": "patches", "Sc": "scratches"}
_MT = ("blowhole", "break", "crack", "fray", "uneven")
_MSD = ("oil", "scratch", "stain")
_NEU_SEG_SPLITS = {"training": "train", "test": "test"}


def read_neu(source: Path, *, include_defect_free: bool) -> Layout:
    """SD-saliency-900: `Source Images/{In,Pa,Sc}_N.bmp`, `Ground truth/` likewise, 0/255; class by name."""
    images, masks = _folder(source, "Source Images"), _folder(source, "Ground truth")
    known, _ = index_by_stem(list_images(masks))
    classes = (BACKGROUND, *_NEU.values())
    records, faults = [], []
    for path in list_images(images):
        item = _item(path, source)
        label = _NEU.get(path.stem.split("_")[0])
        if label is None:
            faults.append(
                _error("unknown-class", item, f"its name starts with none of {', '.join(_NEU)}; rename it")
            )
        elif path.stem not in known:
            faults.append(_no_mask(item, f"Ground truth/{path.stem}.png"))
        else:
            records.append(Record(path, item, ((known[path.stem], classes.index(label)),), label))
    return Layout("neu", source, classes, tuple(records), tuple(faults))


def read_mt(source: Path, *, include_defect_free: bool) -> Layout:
    """Magnetic tiles: `MT_<Class>/Imgs/NAME.jpg` beside `NAME.png`, grey masks; class by folder.

    `MT_Free` holds tiles without defects; their masks are zero, and they are read on request only.
    """
    folders = {name: source / f"MT_{name.capitalize()}" / "Imgs" for name in _MT}
    present = [name for name, folder in folders.items() if folder.is_dir()]
    if not present:
        raise DatasetError(
            f"{source} is no magnetic-tile layout: it lacks the folders MT_Blowhole/Imgs, MT_Break/Imgs ..."
        )
    classes = (BACKGROUND, *_MT)
    faults = [
        Fault("warning", "missing-class", f"MT_{name.capitalize()}", "the folder is missing, so is the class")
        for name in _MT
        if name not in present
    ]
    records: list[Record] = []
    for name in present:
        files = list_images(folders[name])
        masks = {path.stem: path for path in files if path.suffix.lower() == ".png"}
        for path in (path for path in files if path.suffix.lower() != ".png"):
            item = _item(path, source)
            if path.stem in masks:
                records.append(Record(path, item, ((masks[path.stem], classes.index(name)),), name))
            else:
                faults.append(_no_mask(item, f"{path.stem}.png beside it"))
    free = source / "MT_Free" / "Imgs"
    if include_defect_free and free.is_dir():
        jpegs = [path for path in list_images(free) if path.suffix.lower() != ".png"]
        records += [Record(path, _item(path, source), (), None) for path in jpegs]
    return Layout("mt", source, classes, tuple(records), tuple(faults))


def read_neu_seg(source: Path, *, include_defect_free: bool) -> Layout:
    """NEU_Seg: `images/{training,test}/N.jpg`, `annotations/{training,test}/N.png`, indices 0 to 3."""
    records: list[Record] = []
    faults: list[Fault] = []
    for folder, split in _NEU_SEG_SPLITS.items():
        images, annotations = _folder(source, f"images/{folder}"), _folder(source, f"annotations/{folder}")
        known, _ = index_by_stem(list_images(annotations))
        for path in list_images(images):
            item = _item(path, source)
            if path.stem in known:
                records.append(Record(path, item, ((known[path.stem], None),), None, split))
            else:
                faults.append(_no_mask(item, f"annotations/{folder}/{path.stem}.png"))
    return Layout("neu-seg", source, (BACKGROUND, *_NEU.values()), tuple(records), tuple(faults))


def read_voc(source: Path, *, classes: Sequence[str] | None, format: str = "voc") -> Layout:
    """Pascal VOC: `JPEGImages/`, `SegmentationClass/`, `ImageSets/Segmentation/{train,val,test}.txt`.

    The lists choose the images (all of them without lists); the split itself is made anew, by group. Class
    names come from `classes`, else from class_names.txt, classes.txt or labels.txt.
    """
    images, masks = _folder(source, "JPEGImages"), _folder(source, "SegmentationClass")
    names = check_classes(classes if classes is not None else _voc_names(source))
    found, doubled = index_by_stem(list_images(images))
    known, _ = index_by_stem(list_images(masks))
    faults = [
        _error("ambiguous", _item(path, source), "another image has the same name; rename one of them")
        for path in doubled
    ]
    listed = _voc_lists(source, faults)
    records = []
    for stem in sorted(listed or found):
        if stem not in found:
            faults.append(
                _error("missing-image", f"JPEGImages/{stem}", "it is listed in ImageSets, but not there")
            )
            continue
        item = _item(found[stem], source)
        if stem in known:
            records.append(Record(found[stem], item, ((known[stem], None),), None, listed.get(stem)))
        else:
            faults.append(_no_mask(item, f"SegmentationClass/{stem}.png"))
    left_out = len(set(found) - set(listed)) if listed else 0
    if left_out:
        faults.append(
            Fault("warning", "unlisted", "ImageSets", f"{left_out} images are in no list and left out")
        )
    return Layout(format, source, names, tuple(records), tuple(faults), colours=_voc_colours(len(names)))


def read_msd(source: Path, *, include_defect_free: bool) -> Layout:
    """MSD, phone screens with oil, scratch and stain, in the VOC layout."""
    return read_voc(source, classes=_MSD, format="msd")


def _voc_names(source: Path) -> list[str]:
    for name in ("class_names.txt", "classes.txt", "labels.txt"):
        path = source / name
        if path.is_file():
            lines = [line.strip() for line in path.read_text(encoding="utf-8", errors="replace").splitlines()]
            # labelme writes these two for "ignore" and for the background.
            return [
                BACKGROUND if line == "_background_" else line
                for line in lines
                if line not in {"", "__ignore__"}
            ]
    raise DatasetError(
        f"{source} does not name its classes; pass them, or write them into {source / 'classes.txt'}"
    )


def _voc_lists(source: Path, faults: list[Fault]) -> dict[str, str]:
    """Published split by image name."""
    listed: dict[str, str] = {}
    for split in ("train", "val", "test"):
        path = source / "ImageSets" / "Segmentation" / f"{split}.txt"
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            stem = line.strip()
            if stem and listed.setdefault(stem, split) != split:
                faults.append(
                    Fault(
                        "warning",
                        "listed-twice",
                        f"JPEGImages/{stem}",
                        f"it is listed in {listed[stem]} and in {split}",
                    )
                )
    return listed


def _voc_colours(num_classes: int) -> dict[tuple[int, int, int], int]:
    """Colours of the VOC development kit: the bits of the index, spread over three channels."""
    colours = {}
    for index in (*range(num_classes), 255):
        channels, rest = [0, 0, 0], index
        for bit in range(7, -1, -1):
            for channel in range(3):
                channels[channel] |= (rest >> channel & 1) << bit
            rest >>= 3
        colours[(channels[0], channels[1], channels[2])] = index
    return colours


def _folder(source: Path, name: str) -> Path:
    folder = source / name
    if not folder.is_dir():
        raise DatasetError(f"{source} lacks the folder {name!r}; check --format and --source")
    return folder


def _item(path: Path, source: Path) -> str:
    return path.relative_to(source).as_posix()


def _error(kind: str, item: str, message: str) -> Fault:
    return Fault("error", kind, item, message)


def _no_mask(item: str, expected: str) -> Fault:
    return _error(
        "missing-mask", item, f"it has no mask; expected {expected}, all zero if it shows no defect"
    )
