"""Do the borders of defects lie where the image changes? Masks of other images, or turned ones, do not."""

from __future__ import annotations

import cv2
import numpy as np

from autonad.data.pictures import halved

SIDE = 160  # images are compared at this longest side, pixels
# Where the borders are put for comparison, in shares of height and width; they wrap around.
_SHIFTS = ((0.31, 0.17), (0.5, 0.5), (0.17, 0.69), (0.69, 0.31), (0.83, 0.53), (0.43, 0.87))
TURNS = ("as it is", "turned by 180°", "mirrored left to right", "mirrored top to bottom")


def edge_scores(image: np.ndarray, defect: np.ndarray) -> tuple[float, ...] | None:
    """How much more the image changes on the borders of its defects than elsewhere.

    Args:
        image: uint8 (H, W), grey.
        defect: bool (H, W).

    Returns:
        For the mask in each of `TURNS`, log2 of the mean gradient on the borders over that on the same
        borders put elsewhere: 0 where they fit nothing. None if there is no border within the image.
    """
    small, mask = _shrunk(image), (_shrunk(defect.view(np.uint8) * np.uint8(255)) > 127).view(np.uint8)
    if min(mask.shape) < 3:
        return None
    border = cv2.dilate(mask, np.ones((3, 3), np.uint8)) - cv2.erode(mask, np.ones((3, 3), np.uint8))
    rows, columns = np.nonzero(border)
    if not len(rows):
        return None
    smooth = cv2.GaussianBlur(small, (3, 3), 0).astype(np.float32)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    change = cv2.magnitude(across, down)
    h, w = border.shape
    floor = 0.05 * float(change.mean()) + 1e-3
    down_by, across_by = (np.array(_SHIFTS) * (h, w)).astype(int).T[..., None]
    upturned, mirrored = h - 1 - rows, w - 1 - columns
    here = change[[rows, upturned, rows, upturned], [columns, mirrored, mirrored, columns]].mean(axis=1)
    elsewhere = change[(rows + down_by) % h, (columns + across_by) % w].mean()
    return tuple(np.log2((here + floor) / (elsewhere + floor)).tolist())


def _shrunk(image: np.ndarray) -> np.ndarray:
    """A picture uint8 (H, W) at `SIDE`."""
    while max(image.shape) >= 2 * SIDE and min(image.shape) > 1:
        image = halved(image, min(image.shape) // 2)
    scale = SIDE / max(image.shape)
    if scale >= 1:
        return image
    size = (max(3, round(image.shape[1] * scale)), max(3, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
