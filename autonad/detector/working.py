"""Works through a source: workers that read, detect and write, and one thread that keeps the books.

Decoding, the network and compressing leave Python's lock, so that a worker per core keeps all cores busy:
while one image is in the network, others are decoded and written.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from autonad.console import Console
from autonad.detector.csv_files import UNREADABLE, CsvFiles, total_of
from autonad.detector.engine import Detection, Detector
from autonad.detector.finished import Finished
from autonad.detector.image_sources import Found, ImageSource
from autonad.detector.outputs import Outputs
from autonad.errors import DatasetError

# Images in work per worker: one, and one that waits for it.
AHEAD = 2
# A watched source is listed this often, seconds; a large one more seldom.
POLL_S = 0.5


@dataclass
class Tally:
    """What a run has done so far.

    Attributes:
        verdicts: Images per verdict.
        defects: Defects per class and verdict.
        cut: Images with more defects than are named.
        others: Files of the source that are no images.
        problems: Names of images that could not be read, and why; the first ones.
        unreadable: How many could not be read.
        known: Images that were done before.
        seconds: Wall time.
        kept: Images that were kept for labelling.
        lost: Images that should have been.
        not_kept: Why they were not, the last one.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    defects: Counter[tuple[str, str]] = field(default_factory=Counter)
    cut: int = 0
    others: int = 0
    problems: list[str] = field(default_factory=list)
    unreadable: int = 0
    known: int = 0
    seconds: float = 0.0
    kept: int = 0
    lost: int = 0
    not_kept: str = ""

    @property
    def images(self) -> int:
        """Images that this run has worked on."""
        return sum(self.verdicts.values()) + self.unreadable

    def add(self, entry: dict[str, Any]) -> None:
        """Count an image."""
        if entry["problem"] is not None:
            self.unreadable += 1
            if len(self.problems) < 10:
                self.problems.append(entry["problem"])
            return
        self.verdicts[entry["verdict"]] += 1
        self.defects.update({(name, str(verdict)): count for name, verdict, count in entry["counts"]})
        self.cut += total_of(entry) > len(entry["defects"])


@dataclass(frozen=True)
class Line:
    """What works on images.

    Attributes:
        detector: The network and its rules.
        source: Where images come from.
        outputs: Where their results go.
        read: Reads an image file, uint8 (h, w, 3); raises DatasetError.
        workers: Images at the same time.
        keep: Is offered each image, with what was seen in it, to be kept; None keeps nothing.
    """

    detector: Detector
    source: ImageSource
    outputs: Outputs
    read: Callable[[Path], np.ndarray]
    workers: int
    keep: Callable[[str, np.ndarray, Detection], object] | None = None

    def process(self, found: Found, output: str) -> dict[str, Any]:
        """Detect one image and write what is seen.

        Returns:
            Its entry for `Finished`.

        Raises:
            StorageError: A result cannot be written, or a bucket cannot be reached.
        """
        entry = {"image": found.key, "stamp": found.stamp, "output": output, "problem": None}
        try:
            if found.problem is not None:
                raise DatasetError(f"{found.key}: {found.problem}")
            with self.source.local(found) as path:
                image = self.read(path)
        except DatasetError as error:
            self.outputs.remove(output)
            nothing: dict[str, Any] = {
                "size": None,
                "reason": "",
                "defects": [],
                "counts": [],
                "too_small": 0,
            }
            return {**entry, **nothing, "verdict": UNREADABLE, "problem": str(error)}
        detection = self.detector.detect(image)
        self.outputs.write(output, image, detection)
        if self.keep is not None:
            self.keep(found.key, image, detection)
        judged = detection.judgement
        return {
            **entry,
            "verdict": judged.verdict,
            "reason": judged.reason,
            "size": list(image.shape[:2]),
            "defects": [defect.to_dict() for defect in judged.named],
            "counts": [[name, verdict, count] for (name, verdict), count in judged.counts.items()],
            "too_small": judged.ignored,
        }


def work_through(
    line: Line, finished: Finished, found: Iterable[Found | None], tally: Tally, console: Console
) -> None:
    """Work through images. An interrupt ends it after the images in work.

    Args:
        line: What works.
        finished: What is done; grows.
        found: Images; None where no more are there for now.
        tally: Counts; changed.
        console: Progress.

    Raises:
        StorageError: A disk is full, or a bucket cannot be reached; what is done is kept.
    """
    begun, before = time.monotonic(), tally.images
    total = len(found) if isinstance(found, list) else None
    tables = CsvFiles(line.outputs.folder, finished.entries())
    running: set[Future[dict[str, Any]]] = set()

    def keep(future: Future[dict[str, Any]]) -> None:
        entry = future.result()
        running.discard(future)
        finished.add(entry)
        tables.add(entry)
        tally.add(entry)
        if entry["problem"] is not None:
            console.report(f"   cannot be read: {entry['problem']}")
        if total is not None:
            console.advance(tally.images - before, total, "images")

    def collect(*, at_most: int) -> None:
        while len(running) > at_most:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                keep(future)

    pool = ThreadPoolExecutor(line.workers)
    try:
        for one in found:
            if one is not None:
                output = finished.output_of(one.key, with_suffix=one.is_foreign)
                running.add(pool.submit(line.process, one, output))
            collect(at_most=0 if one is None else line.workers * AHEAD - 1)
        collect(at_most=0)
    except KeyboardInterrupt:
        pool.shutdown(wait=True, cancel_futures=True)
        for future in [one for one in running if not one.cancelled()]:
            keep(future)
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        tally.seconds += time.monotonic() - begun
        tables.rewrite(finished.entries())


def watched(
    source: ImageSource, is_done: Callable[[Found], bool], stop: threading.Event, tally: Tally
) -> Iterator[Found | None]:
    """Images as they arrive; one that is still being written is waited for.

    Args:
        source: What is watched.
        is_done: Whether an image needs nothing more; those that were yielded are not asked about.
        stop: Ends it.
        tally: Counts files that are no images; changed.
    """
    handed: dict[str, str] = {}
    seen: dict[str, str] = {}
    while not stop.is_set():
        begun = time.monotonic()
        listing = source.scan()
        tally.others = listing.others
        for found in listing.images:
            if stop.is_set():
                return
            quiet = found.settled or seen.get(found.key) == found.stamp
            if quiet and handed.get(found.key) != found.stamp and not is_done(found):
                handed[found.key] = found.stamp
                yield found
        yield None
        seen = {found.key: found.stamp for found in listing.images}
        stop.wait(max(POLL_S, 5 * (time.monotonic() - begun)))
