"""Figures for Prometheus: requests, verdicts, and what images look like, so that drift is seen live."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

import numpy as np
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from autonad.detector.judged import Judgement
from autonad.service.schemas import ModelIdentity

disable_created_metrics()  # a series beside each, which says when the process began

# Features are averaged over so many images.
WINDOW = 256
_SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_BRIGHTNESS = tuple(round(step / 20, 2) for step in range(1, 21))


class Monitor:
    """All figures of a service; safe to be used by several threads."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "autonad_requests", "Requests by path and status.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "autonad_request_seconds", "Time of a request, s.", ["path"], buckets=_SECONDS, registry=registry
        )
        self.in_flight = Gauge(
            "autonad_requests_in_flight", "Requests that are not answered yet.", registry=registry
        )
        self._images = Counter("autonad_images", "Images by verdict.", ["verdict"], registry=registry)
        self._defects = Counter(
            "autonad_defects", "Defects by class and verdict.", ["class", "verdict"], registry=registry
        )
        self._brightness = Histogram(
            "autonad_image_brightness",
            "Mean grey of an image, fraction of white.",
            buckets=_BRIGHTNESS,
            registry=registry,
        )
        self._feature = Gauge(
            "autonad_image_feature",
            f"Mean over the last {WINDOW} images of a feature that `autonad decide` compares too.",
            ["feature"],
            registry=registry,
        )
        self._model = Gauge(
            "autonad_model_info", "1 for the model in use.", ["key", "sha256", "version"], registry=registry
        )
        self._reloads = Counter(
            "autonad_reloads", "Changes of the model by their outcome.", ["outcome"], registry=registry
        )
        self._kept = Counter(
            "autonad_images_kept", "Images kept for people by outcome.", ["outcome"], registry=registry
        )
        self._recent: deque[Mapping[str, float]] = deque(maxlen=WINDOW)
        self._lock = threading.Lock()

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def image(self, judged: Judgement, brightness: float, features: Mapping[str, float]) -> None:
        """Count an image.

        Args:
            judged: Its verdict.
            brightness: Mean grey, fraction of white.
            features: Appearance features.
        """
        self._images.labels(judged.verdict.value).inc()
        for defect in judged.defects:
            self._defects.labels(defect.class_name, defect.verdict.value).inc()
        self._brightness.observe(brightness)
        with self._lock:
            self._recent.append(features)

    def model(self, identity: ModelIdentity) -> None:
        """A model is in use."""
        self._model.clear()
        self._model.labels(identity.key, identity.sha256, identity.version or "").set(1)

    def reloaded(self, worked: bool) -> None:
        """Another model took over, or could not."""
        self._reloads.labels("taken" if worked else "failed").inc()

    def kept(self, worked: bool) -> None:
        """An image was kept for people, or could not be."""
        self._kept.labels("kept" if worked else "failed").inc()

    def text(self) -> bytes:
        """All figures in Prometheus' format."""
        with self._lock:
            recent = list(self._recent)
        for name in recent[0] if recent else ():
            self._feature.labels(name).set(float(np.mean([each[name] for each in recent])))
        return generate_latest(self.registry)
