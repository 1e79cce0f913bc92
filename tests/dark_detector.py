"""A detector whose answers are known: dark pixels are cracks, bright ones are holes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from autonad.deploy.export import export_onnx
from autonad.detector.spec import DetectorSpec
from autonad.detector.tiles import Tiling
from autonad.space import SearchSpace

CLASSES = ("background", "crack", "hole")
DARK, GREY, BRIGHT = 20, 128, 240


class Dark(nn.Module):
    """Logits of what a pixel's brightness says; sure where it is far from the middle."""

    architecture = SearchSpace.preset("tiny").sample(np.random.default_rng(0))
    num_parameters = 0

    def forward(self, x: Tensor) -> Tensor:
        brightness = x.mean(1, keepdim=True)  # 0 in the middle, ±1 at the ends
        return torch.cat([0 * brightness, -20 * brightness - 10, 20 * brightness - 10], dim=1)


def dark_spec(height: int = 64, width: int = 64, tiles: Tiling | None = None) -> DetectorSpec:
    """What the detector needs: brightness from −1 to 1."""
    return DetectorSpec(CLASSES, height, width, True, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), tiles)


def export_dark(path: Path, spec: DetectorSpec | None = None) -> Path:
    """The detector as a file that `autonad export` could have written."""
    export_onnx(Dark().eval(), spec or dark_spec(), path, {})  # type: ignore[arg-type]
    return path


def forward(images: np.ndarray) -> np.ndarray:
    """The same network without ONNX."""
    with torch.inference_mode():
        return Dark()(torch.from_numpy(images)).numpy()


def surface(
    *boxes: tuple[int, int, int, int], size: tuple[int, int] = (64, 64), level: int = DARK
) -> np.ndarray:
    """A grey image uint8 (h, w, 3) with defects in boxes (top, left, bottom, right)."""
    image = np.full((*size, 3), GREY, np.uint8)
    for top, left, bottom, right in boxes:
        image[top:bottom, left:right] = level
    return image


def save(path: Path, image: np.ndarray) -> Path:
    """An image as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path
