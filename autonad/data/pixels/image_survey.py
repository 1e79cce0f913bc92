"""How the images of a set are stored: their depth and range, pages, and which way up they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from autonad.data.pixels.containers import Header, Opened, read_header
from autonad.data.pixels.deep_samples import Kind
from autonad.data.pixels.pixel_options import FLOAT, PixelOptions
from autonad.data.pixels.scaling import ImageReading, Range
from autonad.data.pixels.usual_files import is_usual
from autonad.errors import DatasetError

_START = 4096  # bytes of a file, among which most headers end
_DEPTHS = (8, 10, 12, 14, 16)
_BEYOND = 2  # times a dataset's range that images may reach, which is cut off
_BELOW = 8  # times darker than its range that they may be
_STRAYS = 4  # samples of an image that may lie far from all others
_STRAY_SHARE = 1e-5  # or this share of them
_BYTES_FROM = (
    128.0  # floats up to 255 that reach this are grey levels; smaller ones have a range of their own
)


@dataclass
class _Depth:
    """Images whose samples are not 8 bits: how many, their range, and the brightest of each."""

    images: int = 0
    low: float = np.inf
    high: float = -np.inf
    highest: dict[int, int] = field(default_factory=dict)
    example: str = ""
    strays: list[str] = field(default_factory=list)

    def add(self, item: str, samples: np.ndarray) -> None:
        """Count an image, given its samples, all of them finite."""
        self.images += 1
        low, high, has_strays = usual_range(samples)
        if has_strays:
            self.strays.append(item)
        self.low = min(self.low, low)
        depth = bits_for(high)
        self.highest[depth] = self.highest.get(depth, 0) + 1
        if high > self.high:
            self.high, self.example = high, item


@dataclass
class ImageSurvey:
    """What the headers of a set's images say, and the range of those that are not 8 bits.

    Attributes:
        images: Images that could be looked at.
        depths: By kind of sample, those of more than 8 bits.
        turned: Items whose EXIF says that they are turned, at most `KEPT_TURNED`.
        num_turned: How many these are.
    """

    images: int = 0
    depths: dict[Kind, _Depth] = field(default_factory=dict)
    turned: list[str] = field(default_factory=list)
    num_turned: int = 0

    def add(self, item: str, header: Header | None) -> None:
        """Count an image, given its header unless that can hold nothing unusual."""
        self.images += 1
        if header is not None and header.orientation != 1:
            self.num_turned += 1
            self.turned.append(item)


def survey_images(images: Iterable[tuple[str, Path]], options: PixelOptions) -> ImageSurvey:
    """Look at the headers of all images; only those with more than 8 bits are decoded.

    Args:
        images: Item and file of each. Those that cannot be read are left out; they are named when read.
        options: What a user states; a stated depth spares the decoding.
    """
    survey = ImageSurvey()
    for item, path in images:
        try:
            header = _header(path, item, options.max_pixels)
            survey.add(item, header)
            if header is not None and header.kind != "bytes":
                depth = survey.depths.setdefault(header.kind, _Depth())
                opened = Opened.of(path.read_bytes(), Path(item), "image", options.max_pixels)
                samples, _ = opened.samples(page=options.page, turned=False)
                finite = samples[np.isfinite(samples)] if header.kind == "floats" else samples
                if finite.size:
                    depth.add(item, finite)
        except (DatasetError, OSError):
            continue
    return survey


def _header(path: Path, item: str, max_pixels: int) -> Header | None:
    """What a file says of itself; None for one that can have 8 bits, one page and no EXIF only."""
    with path.open("rb") as stream:
        if is_usual(stream.read(_START)):
            return None
        stream.seek(0)
        return read_header(stream, Path(item), "image", max_pixels)


def scale_of(
    survey: ImageSurvey, options: PixelOptions, known: ImageReading | None = None
) -> tuple[ImageReading, list[str]]:
    """How a set's images become 8 bits, and what is said about it.

    Args:
        survey: Of the set.
        options: What a user states.
        known: How the images were read that the set is added to.

    Raises:
        DatasetError: They are of another depth than those images, so that their scale would spoil them.
    """
    known = known or ImageReading()
    chosen: dict[Kind, Range | None] = {"integers": known.integers, "floats": known.floats}
    said = []
    for kind, depth in sorted(survey.depths.items()):
        if not depth.images:
            continue
        before = chosen[kind]
        if options.bit_depth is not None:
            is_float = options.bit_depth == FLOAT
            scale = (0.0, 1.0) if is_float else (0.0, 2.0 ** int(options.bit_depth) - 1)
            why = f"as --bit-depth {options.bit_depth} says"
        elif before is not None:
            _refuse_other_scale(kind, depth, before)
            scale, why = before, "as the dataset's"
            if depth.low < scale[0] or depth.high > scale[1]:
                why += f", which these exceed, as {depth.example} does: they are cut off"
        else:
            scale, why = _float_range(depth) if kind == "floats" else _integer_range(depth)
        chosen[kind] = scale
        said.append(
            f"images: {depth.images} of {survey.images} hold {_NAMES[kind]} from {_number(depth.low)} to "
            f"{_number(depth.high)}; {_number(scale[0])} to {_number(scale[1])} become 0 to 255 ({why}), "
            f"stored with 8 bits; --bit-depth says otherwise{_cut_off(depth)}"
        )
    page = options.page if options.page is not None else known.page
    return ImageReading(chosen["integers"], chosen["floats"], page, known.turned), said


_NAMES: dict[Kind, str] = {"integers": "integers of more than 8 bits", "floats": "floats"}


def usual_range(samples: np.ndarray) -> tuple[float, float, bool]:
    """Smallest and largest sample without a few far away, as a sensor's faults; and whether there are any.

    Args:
        samples: Of one image, any shape, finite.
    """
    flat = samples.ravel()
    low, high = float(flat.min()), float(flat.max())
    few = min(max(_STRAYS, int(_STRAY_SHARE * flat.size)), flat.size - 1)
    middle = (low + high) / 2
    far_up, far_down = flat > middle, flat < middle
    # Only where half of the range holds hardly a sample can one end of it be a stray's.
    if 0 < np.count_nonzero(far_up) <= few:
        return low, float(flat[~far_up].max()), True
    if low < 0 and 0 < np.count_nonzero(far_down) <= few:
        return float(flat[~far_down].min()), high, True
    return low, high, False


def _refuse_other_scale(kind: Kind, depth: _Depth, before: Range) -> None:
    """Make sure that the range of a dataset's images neither cuts off nor darkens these."""
    low, high = before
    deeper = sum(n for bits, n in depth.highest.items() if 2**bits - 1 > high) if kind == "integers" else 0
    is_beyond = depth.high - low > _BEYOND * (high - low) and (kind == "floats" or 2 * deeper >= depth.images)
    is_below = kind == "integers" and depth.high * _BELOW < high
    if is_beyond or is_below:
        fit = FLOAT if kind == "floats" else str(bits_for(depth.high))
        raise DatasetError(
            f"images such as {depth.example} hold {_NAMES[kind]} up to {_number(depth.high)}, those of the "
            f"dataset were read from {_number(low)} to {_number(high)}, which would "
            f"{'cut these off' if is_beyond else 'turn these nearly black'}; state their depth with "
            f"--bit-depth, such as {fit}, or convert them"
        )


def bits_for(high: float) -> int:
    """The fewest usual bits that hold a sample; 32 if 16 do not."""
    return next((bits for bits in _DEPTHS if high < 2**bits), 32)


def _integer_range(depth: _Depth) -> tuple[Range, str]:
    bits = bits_for(depth.high)
    if depth.low < 0 or bits > 16:
        return _spread(depth.low, depth.high), "the set's own range"
    why = f"the set uses {bits} bits"
    fewer = sum(count for other, count in depth.highest.items() if other < bits)
    if fewer >= depth.images / 4:
        below = max(other for other in depth.highest if other < bits)
        why += f", though {fewer} of {depth.images} need only {below}; the brightest is {depth.example}"
    return (0.0, 2.0**bits - 1), why


def _float_range(depth: _Depth) -> tuple[Range, str]:
    if depth.low >= 0 and depth.high <= 1:
        return (0.0, 1.0), "floats from 0 to 1"
    if depth.low >= 0 and _BYTES_FROM <= depth.high <= 255:
        return (0.0, 255.0), "grey levels"
    return _spread(depth.low, depth.high), "the set's own range"


def _cut_off(depth: _Depth) -> str:
    if not depth.strays:
        return ""
    more = " …" if len(depth.strays) > 1 else ""
    return f"; a few samples of {depth.strays[0]}{more} lie far outside and are cut off"


def _spread(low: float, high: float) -> Range:
    return (low, high) if high > low else (low, low + 1.0)


def _number(value: float) -> str:
    return f"{value:.6g}"
