"""From the line back: images that a person should see go to a folder or bucket, to be labelled."""

from __future__ import annotations

import datetime
import heapq
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from autonad.detector.engine import Detection
from autonad.detector.informative import uncertainty
from autonad.detector.judged import Verdict
from autonad.detector.kept import (
    IMAGES,
    PREDICTED,
    KeptName,
    Remembered,
    content_of,
    save_image,
    save_predicted,
)
from autonad.detector.looks import looks_of
from autonad.detector.rules import Rules
from autonad.errors import StorageError
from autonad.storage.places import place_at

# What is remembered of an image names no more defects than this.
MOST_DEFECTS = 100


@dataclass(frozen=True)
class KeepSettings:
    """What is kept.

    Attributes:
        location: A folder, or s3://bucket/prefix.
        ok_share: Share of the OK images that is kept too, so that misses are seen: 0 to 1.
        most_images: No more are kept; the ones that the network was surest about go first.
        most_bytes: Nor more than this, images and masks.
    """

    location: str
    ok_share: float = 0.01
    most_images: int = 10_000
    most_bytes: int = 20 * 2**30


@dataclass(frozen=True)
class Sighting:
    """An image, and what a detector saw in it.

    Attributes:
        image: What its source calls it.
        pixels: uint8 (h, w, 3).
        detection: Of it.
        classes: The detector's, background first.
        rules: What it counts as a defect.
        model: The model file's sha256.
    """

    image: str
    pixels: np.ndarray
    detection: Detection
    classes: tuple[str, ...]
    rules: Rules
    model: str


class Keeper:
    """Keeps REVIEW and NG images and a few OK ones, with the predicted masks.

    Each file is whole or not there, and the mask is written before its image: an image that is there has
    one. A full place gives up the images that the network was surest about, as long as it is less sure about
    the new one. What else lies there is left alone. Several keepers of one place each count what was there
    when they began. Safe to be used by several threads.

    Args:
        settings: What is kept.
        warn: Told when the place takes nothing, once until it does again: the line goes on.
        now: The time, UTC.

    Attributes:
        kept: Images that were kept.
        lost: Images that the place did not take.
        problem: Why, the last one.

    Raises:
        StorageError: The place cannot be listed.
    """

    def __init__(
        self,
        settings: KeepSettings,
        *,
        warn: Callable[[str], None] = lambda line: None,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.kept, self.lost, self.problem = 0, 0, ""
        self._settings, self._warn, self._now, self._warned = settings, warn, now, False
        self._place, self._lock = place_at(settings.location), threading.Lock()
        self._sizes: dict[str, int] = {}
        self._bytes = 0
        # A heap; what has no size any more was given up.
        self._surest: list[tuple[int, str]] = []
        self._contents: set[str] = set()
        stamps = self._place.stamps()
        for path, stamp in stamps.items():
            known = KeptName.parse(path.removeprefix(f"{IMAGES}/")) if path.startswith(f"{IMAGES}/") else None
            if known is not None:
                mask = stamps.get(f"{PREDICTED}/{known.name}")
                self._enter(known, stamp.num_bytes + (mask.num_bytes if mask else 0))

    def offer(self, seen: Sighting) -> bool:
        """Keep an image if it is worth it.

        Returns:
            Whether it is kept. A place that refuses is no error: see `lost`.
        """
        judged, content = seen.detection.judgement, content_of(seen.pixels)
        verdict = judged.verdict
        if verdict == Verdict.OK and int(content, 16) >= self._settings.ok_share * 16 ** len(content):
            return False
        thresholds = tuple(seen.rules.classes[name].probability for name in seen.classes[1:])
        unsure, now = uncertainty(seen.detection.pixels, thresholds), self._now()
        name = KeptName.of(now.date().isoformat(), unsure, verdict, content, seen.image)
        with self._lock:
            if content in self._contents or not self._has_room(name):
                return False
            self._contents.add(content)
        about = Remembered(
            image=seen.image,
            verdict=verdict,
            reason=judged.reason,
            uncertainty=round(unsure, 4),
            looks=looks_of(seen.pixels),
            classes=seen.classes,
            defects=tuple(one.to_dict() for one in judged.defects[:MOST_DEFECTS]),
            model=seen.model[:12],
            rules=seen.rules.to_dict(),
            time=now.isoformat(timespec="seconds"),
        )
        try:
            is_kept = self._write(name, seen.pixels, seen.detection.mask, about)
        except (StorageError, OSError) as error:
            self._refused(name, str(error))
            return False
        with self._lock:
            if is_kept:
                self.kept, self._warned = self.kept + 1, False
            else:
                self._contents.discard(content)
        return is_kept

    def _write(self, name: KeptName, pixels: np.ndarray, mask: np.ndarray, about: Remembered) -> bool:
        with tempfile.TemporaryDirectory(prefix="autonad-") as folder:
            picture, predicted = Path(folder, "image.png"), Path(folder, "predicted.png")
            save_image(picture, pixels)
            save_predicted(predicted, mask, about)
            size = picture.stat().st_size + predicted.stat().st_size
            with self._lock:
                given_up = self._make_room(name, size)
                if given_up is None:
                    return False
                self._enter(name, size)
            # The image first: a mask without one means nothing.
            self._place.remove([f"{IMAGES}/{one}" for one in given_up])
            self._place.remove([f"{PREDICTED}/{one}" for one in given_up])
            self._place.put(predicted, f"{PREDICTED}/{name.name}")
            self._place.put(picture, f"{IMAGES}/{name.name}")
        return True

    def _enter(self, name: KeptName, size: int) -> None:
        self._sizes[name.name] = size
        self._bytes += size
        self._contents.add(name.content)
        heapq.heappush(self._surest, (name.unsure, name.name))

    def _forget(self, name: KeptName) -> None:
        self._bytes -= self._sizes.pop(name.name, 0)
        self._contents.discard(name.content)

    def _has_room(self, name: KeptName) -> bool:
        """Whether a place that is full has an image that would be given up for this one."""
        if len(self._sizes) < self._settings.most_images and self._bytes < self._settings.most_bytes:
            return True
        return bool(self._surest) and self._surest[0][0] < name.unsure

    def _make_room(self, name: KeptName, size: int) -> list[str] | None:
        """Forget images until there is room for one more: which; None if it is not worth them."""
        images, num_bytes = len(self._sizes), self._bytes
        popped: list[tuple[int, str]] = []
        while images >= self._settings.most_images or num_bytes + size > self._settings.most_bytes:
            if not self._surest or self._surest[0][0] >= name.unsure:
                for one in popped:
                    heapq.heappush(self._surest, one)
                return None
            popped.append(heapq.heappop(self._surest))
            if popped[-1][1] in self._sizes:
                images, num_bytes = images - 1, num_bytes - self._sizes[popped[-1][1]]
        given_up = [known for _, one in popped if one in self._sizes and (known := KeptName.parse(one))]
        for known in given_up:
            self._forget(known)
        return [known.name for known in given_up]

    def _refused(self, name: KeptName, problem: str) -> None:
        with self._lock:
            self.lost, self.problem = self.lost + 1, problem
            first, self._warned = not self._warned, True
            # Forgotten, so that the next image of these pixels is tried.
            self._forget(name)
        if first:
            self._warn(f"images are not kept in {self._settings.location}: {problem}; the work goes on")
