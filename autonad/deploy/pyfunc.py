"""The registered detector as MLflow's own tools load it: files of images in, verdicts and defects out.

MLflow finds `_load_pyfunc` by the name of this module, which lies beside the model; nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autonad.data.pixels.scaling import ImageReading
from autonad.data.single_image import decode_single, image_reading
from autonad.deploy import MODEL
from autonad.detector.csv_files import UNREADABLE
from autonad.detector.engine import Detector
from autonad.detector.session import OnnxNetwork
from autonad.errors import DatasetError

IMAGE = "image"
"""The column of images."""


@dataclass(frozen=True)
class RegisteredDetector:
    """What `mlflow.pyfunc.load_model` wraps.

    Attributes:
        detector: The network with the rules in its file.
        reading: How images are read.
    """

    detector: Detector
    reading: ImageReading

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Judge images.

        Args:
            model_input: A table or mapping with the column `image`: bytes of image files, or base64 of them.
            params: None are known.

        Returns:
            One answer per image: `verdict` (OK, REVIEW, NG, or UNREADABLE), `reason`, `defects` (as in
            defects.csv, the worst and largest), `defect_count`, how many there are, and `too_small`, how many
            regions were too small to count.

        Raises:
            DatasetError: There is no such column.
        """
        return [self._answer(number, content) for number, content in enumerate(_images(model_input), start=1)]

    def _answer(self, number: int, content: Any) -> dict[str, Any]:
        try:
            image = decode_single(_as_bytes(content), Path(f"number {number}"), self.reading)
        except DatasetError as error:
            return {
                "verdict": UNREADABLE,
                "reason": str(error),
                "defects": [],
                "defect_count": 0,
                "too_small": 0,
            }
        judged = self.detector.detect(image).judgement
        return {
            "verdict": str(judged.verdict),
            "reason": judged.reason,
            "defects": [_plain(defect.to_dict()) for defect in judged.named],
            "defect_count": len(judged.defects),
            "too_small": judged.ignored,
        }


def _load_pyfunc(path: str) -> RegisteredDetector:
    """What MLflow calls with the folder of the model."""
    network = OnnxNetwork.open(Path(path) / MODEL)
    detector = Detector(network.forward, network.spec, network.rules)
    return RegisteredDetector(detector, image_reading(network.spec.reading))


def _images(table: Any) -> Iterable[Any]:
    try:
        found = table[IMAGE]
    except (KeyError, IndexError, TypeError) as error:
        raise DatasetError(
            f"the input has no column {IMAGE!r}; give a table with it, of image files as bytes or base64"
        ) from error
    return [found] if isinstance(found, str | bytes) else list(found)


def _as_bytes(content: Any) -> bytes:
    if isinstance(content, bytes | bytearray):
        return bytes(content)
    try:
        return base64.b64decode(content, validate=True)
    except (TypeError, ValueError, binascii.Error) as error:
        raise DatasetError("the image is neither bytes nor base64; give the content of its file") from error


def _plain(defect: dict[str, Any]) -> dict[str, Any]:
    """A defect for JSON: measures in millimetres only where they are known."""
    known = {name: value for name, value in defect.items() if value is not None}
    return {**known, "box": list(defect["box"]), "verdict": str(defect["verdict"])}
