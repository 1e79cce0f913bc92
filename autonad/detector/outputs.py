"""What is written of an image: index mask, overlay, probabilities."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from autonad.detector.engine import Detection
from autonad.errors import StorageError
from autonad.files import temporary_beside

MASKS, OVERLAYS, PROBABILITIES = "masks", "overlays", "probabilities"
SUFFIXES = {MASKS: "png", OVERLAYS: "jpg", PROBABILITIES: "png"}

# Colours that people with any colour vision tell apart (Okabe and Ito), by class; they repeat.
COLOURS = np.array(
    [
        (230, 159, 0),
        (86, 180, 233),
        (0, 158, 115),
        (240, 228, 66),
        (0, 114, 178),
        (213, 94, 0),
        (204, 121, 167),
    ],
    dtype=np.uint8,
)
# Labels of further defects would only hide what is to be seen.
MOST_LABELS = 50


@dataclass(frozen=True)
class Outputs:
    """The folders that images' results are written to.

    Attributes:
        folder: Above them.
        probabilities: Whether maps of probabilities are written too.
    """

    folder: Path
    probabilities: bool = False

    def write(self, name: str, image: np.ndarray, detection: Detection) -> None:
        """Write all of an image; an overlay only if there is a defect to show.

        Args:
            name: Path below each folder, without suffix.
            image: uint8 (h, w, 3).
            detection: Of it.

        Raises:
            StorageError: A file cannot be written, or would lie outside of the folder.
        """
        mask = Image.fromarray(detection.mask)
        _save(self._path(MASKS, name), lambda path: mask.save(path, "PNG", compress_level=1))
        if detection.judgement.defects:
            drawn = overlay(image, detection)
            _save(self._path(OVERLAYS, name), lambda path: drawn.save(path, "JPEG", quality=90))
        else:
            self._path(OVERLAYS, name).unlink(missing_ok=True)
        if self.probabilities:
            grey = Image.fromarray(np.rint(detection.pixels.score * 255).astype(np.uint8))
            _save(self._path(PROBABILITIES, name), lambda path: grey.save(path, "PNG", compress_level=1))

    def are_there(self, name: str) -> bool:
        """Whether what `write` always writes is there.

        Raises:
            StorageError: It would lie outside of the folder.
        """
        needed = [MASKS, *([PROBABILITIES] if self.probabilities else [])]
        return all(self._path(place, name).is_file() for place in needed)

    def remove(self, name: str) -> None:
        """Remove what was written of an image, if anything was."""
        if _leads_out(name):
            return
        for path in (self._path(place, name) for place in SUFFIXES):
            # False too for a name that no file can have.
            if os.path.isfile(path):
                path.unlink(missing_ok=True)

    def _path(self, place: str, name: str) -> Path:
        if _leads_out(name):
            raise StorageError(
                f"results called {name!r} would lie outside of {self.folder}; choose another folder, or "
                "delete it"
            )
        return self.folder / place / f"{name}.{SUFFIXES[place]}"


def overlay(image: np.ndarray, detection: Detection) -> Image.Image:
    """The image with the outline of each defect that counts, its class and its mean probability.

    Args:
        image: uint8 (h, w, 3).
        detection: Of it.
    """
    pixels = image.copy()
    stroke = max(1, round(min(image.shape[:2]) / 400))
    for defect, index in zip(detection.judgement.defects, detection.judgement.kept, strict=True):
        value = int(detection.components.value[index])
        top, left, bottom, right = defect.box
        margin = slice(max(top - stroke, 0), bottom + stroke), slice(max(left - stroke, 0), right + stroke)
        inside = detection.mask[margin] == value
        pixels[margin][_around(inside, stroke)] = colour_of(value)
    picture = Image.fromarray(pixels)
    draw = ImageDraw.Draw(picture)
    size = max(10, round(min(image.shape[:2]) / 40))
    font = ImageFont.load_default(size)
    shown = zip(detection.judgement.defects, detection.judgement.kept, strict=True)
    for defect, index in list(shown)[:MOST_LABELS]:
        top, left, bottom, right = defect.box
        text = f"{defect.class_name} {defect.mean:.2f} {defect.verdict}"
        colour = colour_of(int(detection.components.value[index]))
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour)
        at = (left, top - size - 2 if top > size + 2 else bottom + 1)
        draw.rectangle(draw.textbbox(at, text, font=font), fill=colour)
        draw.text(at, text, fill=(0, 0, 0), font=font)
    return picture


def colour_of(value: int) -> tuple[int, int, int]:
    """The colour of a class, by its index; background is 0."""
    red, green, blue = COLOURS[(value - 1) % len(COLOURS)].tolist()
    return red, green, blue


def _leads_out(name: str) -> bool:
    """Whether a name is no path below a folder: a bucket has such keys, and a damaged list of results."""
    return name.startswith("/") or ".." in name.split("/")


def _around(inside: np.ndarray, stroke: int) -> np.ndarray:
    """Pixels outside of a region, at most `stroke` away from it along rows and columns: bool, as `inside`."""
    grown = inside.copy()
    for _ in range(stroke):
        before = grown.copy()
        grown[1:] |= before[:-1]
        grown[:-1] |= before[1:]
        grown[:, 1:] |= before[:, :-1]
        grown[:, :-1] |= before[:, 1:]
    return grown & ~inside


def _save(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all; without waiting for the disk, since it can be made again."""
    temporary = None
    try:
        try:
            temporary = temporary_beside(path)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = temporary_beside(path)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise StorageError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose a writable folder, "
            "then repeat the command: what is done is not done again"
        ) from error
