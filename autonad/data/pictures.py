"""Small square pictures of images, and what searching for similar ones has in common."""

from __future__ import annotations

import cv2
import numpy as np

# Images of steel and of magnetic tiles, turned, exposed differently and compressed again at JPEG quality 60,
# correlate with their originals by 0.966 and more. Of 262,000 pairs of different steel images two reach 0.95
# (a single bright scratch each).
NEAR = 0.95
SIDE = 32
# So many images that are alike show one scene, not one part: a tile at six exposures has 11 at most.
CROWD = 24
MOST = 8  # pairs of an image that are kept


def turn(pictures: np.ndarray, orientation: int) -> np.ndarray:
    """Pictures (N, H, W) in one of the eight orientations, 0 to 7; 0 leaves them as they are."""
    mirrored = pictures[:, ::-1] if orientation >= 4 else pictures
    return np.rot90(mirrored, orientation % 4, axes=(1, 2))


def most_similar(pairs: np.ndarray, most: int = MOST) -> np.ndarray:
    """Of pairs (P, 3), each i, j and correlation, those among the `most` similar ones of i or of j."""
    count = len(pairs)
    if count <= most:
        return pairs
    ends = np.concatenate([pairs[:, 0], pairs[:, 1]])
    value = np.concatenate([pairs[:, 2], pairs[:, 2]])
    order = np.lexsort((-value, ends))
    ordered = ends[order]
    first = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.empty(2 * count, dtype=np.int64)
    rank[order] = np.arange(2 * count) - np.repeat(first, np.diff(np.r_[first, 2 * count]))
    return pairs[(rank[:count] < most) | (rank[count:] < most)]


def grey_of(image: np.ndarray) -> np.ndarray:
    """The grey levels uint8 (H, W) of an image uint8 (H, W, 3); nothing is copied if its channels are one."""
    return image[..., 0] if image.strides[2] == 0 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def halved(picture: np.ndarray, side: int) -> np.ndarray:
    """A picture uint8 (H, W), halved as long as its shorter side stays at least so long; quick and smooth."""
    while min(picture.shape) >= 2 * side:
        height, width = picture.shape[0] // 2, picture.shape[1] // 2
        even = picture[: 2 * height, : 2 * width]
        picture = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
    return picture
