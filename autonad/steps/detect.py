"""Detect the defects of images with an exported model; needs neither a configuration nor MLflow."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.console import Console
from autonad.cores import usable_cores
from autonad.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from autonad.detector.engine import Detection
    from autonad.detector.finished import Finished
    from autonad.detector.image_sources import Found, ImageSource, Listing
    from autonad.detector.keeping import KeepSettings
    from autonad.detector.outputs import Outputs
    from autonad.detector.rules import Rules
    from autonad.detector.working import Tally

FINISHED = "finished.jsonl"


@dataclass(frozen=True)
class DetectSettings:
    """How images are judged and what is written of them.

    Attributes:
        rules: rules.yaml; None takes the rules in the model.
        mm_per_pixel: Side of a pixel, mm; None takes the rules'.
        probabilities: Also write maps of probabilities.
        watch: Wait for more images until `stop` is set.
        provider: "cpu", "cuda" or "tensorrt".
        keep: What is kept for labelling; None keeps nothing.
        max_pixels: Larger images are not read.
    """

    rules: Path | None = None
    mm_per_pixel: float | None = None
    probabilities: bool = False
    watch: bool = False
    provider: str = "cpu"
    keep: KeepSettings | None = None
    max_pixels: int = 50_000_000


def detect(
    console: Console,
    *,
    model: Path,
    source: str,
    output: Path,
    settings: DetectSettings,
    stop: threading.Event | None = None,
) -> Tally:
    """Write masks, overlays, `defects.csv` and `verdicts.csv` of all images of a source.

    What is done is not done again, unless the model, the rules or what is written changed.

    Args:
        console: Progress.
        model: The file that `export` wrote.
        source: An image, a folder, or s3://bucket/prefix.
        output: Folder to write.
        settings: How.
        stop: Ends watching.

    Raises:
        ExportError: The model is no file of ours.
        ConfigError: The rules cannot be used.
        DatasetError: There is no image.
        StorageError: A file cannot be written, or a bucket cannot be read.
    """
    from autonad.detector.engine import Detector
    from autonad.detector.finished import Finished
    from autonad.detector.image_sources import BucketImages, Listing
    from autonad.detector.keeping import Keeper, Sighting
    from autonad.detector.outputs import Outputs
    from autonad.detector.rules import Rules
    from autonad.detector.session import OnnxNetwork
    from autonad.detector.working import Line, Tally, watched, work_through
    from autonad.files import sha256_file

    images = _images(source, output)
    listing = Listing([]) if settings.watch else _listed(images)
    cores = usable_cores()
    # One image has all cores to itself; of several, each has one.
    threads = 1 if settings.watch or len(listing.images) > 1 else cores
    network = OnnxNetwork.open(model, threads=threads, provider=settings.provider)
    rules = network.rules if settings.rules is None else Rules.load(settings.rules, network.spec.classes)
    rules = rules.scaled(settings.mm_per_pixel)
    read = _reader(network.spec.reading, settings.max_pixels, console)
    outputs = Outputs(output, settings.probabilities)
    digest = sha256_file(model)
    about = _about(images, digest, rules, settings)
    keeper = None if settings.keep is None else Keeper(settings.keep, warn=console.report)

    def keep(name: str, pixels: np.ndarray, detection: Detection) -> None:
        if keeper is not None:
            keeper.offer(Sighting(name, pixels, detection, network.spec.classes, rules, digest))

    # Workers of a bucket spend most of their time waiting for it.
    workers = cores * (4 if isinstance(images, BucketImages) else 1)
    line = Line(Detector(network.forward, network.spec, rules), images, outputs, read, workers, keep)
    tally = Tally(others=listing.others)
    with Finished(output / FINISHED, about) as finished:
        _clear(finished, outputs, console)

        def is_done(found: Found) -> bool:
            return finished.is_done(found.key, found.stamp) and outputs.are_there(
                finished.output_of(found.key)
            )

        if settings.watch:
            console.report(f"watching {images.name}; interrupt to end")
            arriving = watched(images, is_done, stop or threading.Event(), tally)
            work_through(line, finished, arriving, tally, console)
        else:
            waiting = [found for found in listing.images if not is_done(found)]
            tally.known = len(listing.images) - len(waiting)
            work_through(line, finished, waiting, tally, console)
    if keeper is not None:
        tally.kept, tally.lost, tally.not_kept = keeper.kept, keeper.lost, keeper.problem
    return tally


def _reader(told: dict[str, Any] | None, max_pixels: int, console: Console) -> Callable[[Path], np.ndarray]:
    """Reads an image file as the detector's images were read; see `decode_single`."""
    from autonad.data.single_image import decode_single, image_reading

    reading = image_reading(told)
    said: set[str] = set()
    lock = threading.Lock()

    def assumed(what: str) -> None:
        with lock:
            if what not in said:
                said.add(what)
                console.report(f"   {what}")

    def read(path: Path) -> np.ndarray:
        try:
            content = path.read_bytes()
            return decode_single(content, path, reading, max_pixels=max_pixels, assumed=assumed)
        except OSError as error:
            raise DatasetError(
                f"image {path} cannot be read: {error.strerror}; check its permissions"
            ) from error

    return read


def _images(source: str, output: Path) -> ImageSource:
    from autonad.data.foreign_pictures import why_unread
    from autonad.data.images import IMAGE_SUFFIXES
    from autonad.detector.image_names import ImageNames
    from autonad.detector.image_sources import open_source

    return open_source(source, ImageNames(IMAGE_SUFFIXES, why_unread), output)


def _listed(images: ImageSource) -> Listing:
    from autonad.data.images import IMAGE_SUFFIXES

    listing = images.scan()
    if not listing.images:
        raise DatasetError(
            f"{images.name} holds no image ({', '.join(sorted(IMAGE_SUFFIXES))}); check the path, or wait "
            "for images with --watch"
        )
    return listing


def _about(images: ImageSource, model_sha256: str, rules: Rules, settings: DetectSettings) -> dict[str, Any]:
    """What results belong to."""
    from autonad.detector.judged import MOST_DEFECTS

    about = {
        "most_defects": MOST_DEFECTS,
        "source": images.name,
        "model_sha256": model_sha256,
        "rules": rules.to_dict(),
        "probabilities": settings.probabilities,
    }
    return about if settings.keep is None else {**about, "keep": settings.keep.location}


def _clear(finished: Finished, outputs: Outputs, console: Console) -> None:
    """Remove the results of another detector."""
    if finished.dropped:
        console.report(
            f"model, rules or options changed: {len(finished.dropped)} images that were done are done again"
        )
    for name in finished.dropped:
        outputs.remove(name)
