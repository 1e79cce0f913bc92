"""Choose, of the images that the line kept, those whose labels teach most, and lay them out for labelling."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autonad.console import Console
from autonad.errors import DatasetError

if TYPE_CHECKING:
    import numpy as np

    from autonad.detector.kept import KeptName, Remembered
    from autonad.storage.places import Place

COCO, DETECTIONS = "predicted.coco.json", "detections.csv"


@dataclass(frozen=True)
class Selection:
    """What was chosen.

    Attributes:
        chosen: Images, the most informative first; paths below `images/`.
        available: Images that were kept.
        problems: Kept images that could not be used, and why.
    """

    chosen: tuple[str, ...]
    available: int
    problems: tuple[str, ...]


def select(console: Console, *, source: str, output: Path, count: int) -> Selection:
    """Copy the most informative images, with what the detector saw, into a folder that `ingest` reads.

    Unsure images come first, each as unlike those before it as can be. The folder has `images/`,
    `predicted.coco.json` (the predicted masks as annotations to correct) and `detections.csv` (what the
    detector said, in the order of the choice).

    Args:
        console: Progress.
        source: What `--keep` was given: a folder, or s3://bucket/prefix.
        output: Folder to write, which must be empty or not exist.
        count: Images wanted.

    Raises:
        DatasetError: Nothing was kept there, or the output holds something.
        StorageError: The source cannot be read, or the output not be written.
    """
    from autonad.detector.informative import CANDIDATES, most_informative
    from autonad.detector.kept import IMAGES
    from autonad.storage.places import place_at

    if output.is_dir() and any(output.iterdir()):
        raise DatasetError(f"output {output} is not empty, so it is not overwritten; choose another folder")
    place = place_at(source)
    there = set(place.names())
    kept = _unsure_first(there)
    if not kept:
        raise DatasetError(f"{source} holds no kept images; give the place that `detect --keep` writes to")
    candidates = kept[: count * CANDIDATES]
    console.report(
        f"{source}: {len(kept)} images were kept; choosing among the {len(candidates)} most unsure"
    )
    with tempfile.TemporaryDirectory(prefix="autonad-") as temporary:
        told, problems = _remembered(place, there, candidates, Path(temporary))
        classes = tuple(dict.fromkeys(name for about in told.values() for name in about.classes))
        names = list(told)
        order = most_informative(*_figures(told, classes), count)
        chosen = {names[index]: told[names[index]] for index in order}
        place.get([f"{IMAGES}/{name}" for name in chosen], output)
        _write_coco(output, Path(temporary), chosen, classes)
    _write_table(output, chosen)
    return Selection(tuple(chosen), len(kept), tuple(problems))


def _unsure_first(there: set[str]) -> list[KeptName]:
    """The kept images among files, the most unsure ones first."""
    from autonad.detector.kept import IMAGES, KeptName

    found = [
        KeptName.parse(name.removeprefix(f"{IMAGES}/")) for name in there if name.startswith(f"{IMAGES}/")
    ]
    return sorted((name for name in found if name is not None), key=lambda name: (-name.unsure, name.name))


def _remembered(
    place: Place, there: set[str], names: list[KeptName], folder: Path
) -> tuple[dict[str, Remembered], list[str]]:
    """What is remembered of kept images, whose masks are copied into a folder, and which are damaged."""
    from autonad.detector.kept import PREDICTED, read_predicted

    found: dict[str, Remembered] = {}
    problems = []
    place.get([one for name in names if (one := f"{PREDICTED}/{name.name}") in there], folder)
    for name in names:
        try:
            found[name.name] = read_predicted(folder / PREDICTED / name.name)
        except DatasetError as error:
            problems.append(str(error))
    return found, problems


def _figures(told: dict[str, Remembered], classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(N,) how unsure the network was; (N, D) an image's looks, and its defects in octaves of pixels."""
    import numpy as np

    rows = []
    for about in told.values():
        areas = dict.fromkeys(classes, 0)
        for defect in about.defects:
            areas[defect["class_name"]] += defect["area_px"]
        rows.append([*about.looks, *np.log2(1 + np.array(list(areas.values())))])
    unsure = np.array([about.uncertainty for about in told.values()], dtype=np.float64)
    return unsure, np.array(rows, dtype=np.float64)


def _write_coco(output: Path, masks: Path, chosen: dict[str, Remembered], classes: tuple[str, ...]) -> None:
    """The predicted masks as COCO; models of other classes share one list of categories."""
    import numpy as np

    from autonad.data.annotations.coco_writer import CocoDocument
    from autonad.data.images import read_mask
    from autonad.detector.kept import PREDICTED
    from autonad.files import write_json

    document = CocoDocument(classes)
    for name, about in chosen.items():
        indices = np.arange(256, dtype=np.uint8)
        indices[: len(about.classes)] = [classes.index(one) for one in about.classes]
        document.add(name, indices[read_mask(masks / PREDICTED / name)])
    write_json(output / COCO, document.document())


def _write_table(output: Path, chosen: dict[str, Remembered]) -> None:
    from autonad.detector.csv_files import guarded
    from autonad.files import write_text_atomic

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("file", "image", "verdict", "reason", "uncertainty", "model", "time"))
    for name, about in chosen.items():
        row = (name, about.image, about.verdict, about.reason, about.uncertainty, about.model, about.time)
        writer.writerow(guarded(row))
    write_text_atomic(output / DETECTIONS, text.getvalue())
