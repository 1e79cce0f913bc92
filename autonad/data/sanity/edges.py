"""Do the borders of defects lie where the image changes? Masks of other images, or turned ones, do not."""

from __future__ import annotations

import cv2
import numpy as np

SIDE = 256  # images are compared at this longest side, pixels
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
    height, width = defect.shape
    scale = SIDE / max(height, width)
    small, mask = image, defect.astype(np.uint8)
    if scale < 1:
        size = (max(3, round(width * scale)), max(3, round(height * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        mask = (cv2.resize(mask * 255, size, interpolation=cv2.INTER_AREA) > 127).astype(np.uint8)
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
    elsewhere = np.mean(
        [change[(rows + int(y * h)) % h, (columns + int(x * w)) % w].mean() for y, x in _SHIFTS]
    )
    places = (
        (rows, columns),
        (h - 1 - rows, w - 1 - columns),
        (rows, w - 1 - columns),
        (h - 1 - rows, columns),
    )
    return tuple(float(np.log2((change[place].mean() + floor) / (elsewhere + floor))) for place in places)
