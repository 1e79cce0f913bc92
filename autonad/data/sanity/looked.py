"""What the checks are given: images as measured, and what is expected of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from autonad.data.dataset import Dataset
from autonad.data.faults import Fault
from autonad.data.sanity.measures import Measures, side_at_input
from autonad.data.tile_choice import TileWish, tiling_of
from autonad.detector.tiles import Tiling


@dataclass(frozen=True, slots=True)
class Looked:
    """One image, looked at.

    Attributes:
        item: Its name in messages.
        measures: Its figures.
        content: Hash of its pixels.
        labels: Hash of its mask's pixels; empty without a mask.
        group: The part that it shows; empty if that is not known.
    """

    item: str
    measures: Measures
    content: str
    labels: str
    group: str = ""


@dataclass(frozen=True)
class Expected:
    """What images are to be.

    Attributes:
        name: What they are called together.
        input_size: Height and width of the network's input, pixels.
        keep_aspect: Images are padded to it, not stretched.
        tiling: How images are cut for it; None takes them whole.
    """

    name: str
    input_size: tuple[int, int] = (128, 128)
    keep_aspect: bool = True
    tiling: Tiling | None = None

    @classmethod
    def of(cls, name: str, wish: TileWish, dataset: Dataset | None) -> Expected:
        """What training will make of images.

        Args:
            name: What they are called together.
            wish: How they shall come into the network's input.
            dataset: What training would learn, which decides of `auto`; None before an import: then the
                smallest tiles are expected that it could choose.
        """
        if dataset is None:
            rows = {"none": None, "auto": wish.size[0]}.get(str(wish.tile), wish.tile)
            tiling = None if rows is None else wish.tiling(int(rows))
        else:
            tiling = tiling_of(dataset, wish)
        return cls(name, wish.size, wish.keep_aspect, tiling)

    def side(self, area: float, size: tuple[int, int]) -> float:
        """Side of a square of a defect's area at the network's input, pixels.

        Args:
            area: Of the defect, pixels of the image.
            size: Height and width of the image.
        """
        seen = size if self.tiling is None else (self.tiling.height, self.tiling.width)
        return side_at_input(area, seen, self.input_size, keep_aspect=self.keep_aspect)


def each_or_all(
    kind: str, found: Sequence[tuple[Looked, str]], of: int, name: str, together: Callable[[int], str]
) -> list[Fault]:
    """A warning for each image, or a single one if it holds for most of them: then it is how they were made.

    Args:
        kind: Of the fault.
        found: Images with a message each.
        of: Images that were asked.
        name: What they are called together.
        together: The message for that many images.
    """
    if len(found) > max(3, of / 2):
        return [Fault("warning", kind, name, together(len(found)))]
    return [Fault("warning", kind, image.item, message) for image, message in found]
