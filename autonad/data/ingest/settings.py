"""How new images are read and split, and what an import and a batch do differently with them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from autonad.config import Config
from autonad.data.faults import Severity
from autonad.data.pixels.pixel_options import PixelOptions
from autonad.data.tile_choice import TileWish


@dataclass(frozen=True)
class PartOptions:
    """How parts are found and split.

    Attributes:
        split: "new" deals parts out anew; "own" keeps the split that the source has.
        trust_groups: Nothing is joined to a stated group.
        near_duplicates: Images that repeat one another are searched for.
    """

    split: Literal["new", "own"] = "new"
    trust_groups: bool = False
    near_duplicates: bool = True


@dataclass(frozen=True)
class IngestSettings:
    """How a batch is read and split.

    Attributes:
        format: Layout of the batch, one of `formats.FORMATS`.
        classes: Names of the batch's defect classes, for index masks that mean others than the dataset's.
        groups_csv: Which images show one part; None looks for `groups.csv` in the batch.
        include_defect_free: Keep images whose mask shows no defect.
        threshold: In masks of one class, larger values are defect.
        fractions: Shares of train, val and test that new parts are dealt out towards.
        seed: Of the split.
        max_bytes: Larger files are refused.
        workers: Threads that decode.
        wish: How images will come into the network's input, by which the size of defects is judged.
        pixels: What a user states about pixels.
        parts: How parts are found and split.
    """

    format: str = "masks"
    classes: tuple[str, ...] | None = None
    groups_csv: Path | None = None
    include_defect_free: bool = True
    threshold: int = 127
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    max_bytes: int = 256 * 2**20
    workers: int = 2
    wish: TileWish = field(default_factory=TileWish)
    pixels: PixelOptions = field(default_factory=PixelOptions)
    parts: PartOptions = PartOptions()

    @classmethod
    def of(
        cls,
        config: Config,
        *,
        format: str,
        classes: tuple[str, ...] | None,
        groups_csv: Path | None,
        pixels: PixelOptions | None = None,
        parts: PartOptions | None = None,
    ) -> IngestSettings:
        """What the sections `data` and `ingest` say, for one source."""
        return cls(
            format=format,
            classes=classes,
            groups_csv=groups_csv,
            include_defect_free=config.data.include_defect_free,
            threshold=config.data.mask_threshold,
            fractions=config.data.fractions,
            seed=config.data.split_seed,
            max_bytes=int(config.data.max_megabytes * 2**20),
            workers=config.ingest.workers,
            wish=TileWish.of(config.input),
            pixels=replace(pixels or PixelOptions(), max_pixels=int(config.data.max_megapixels * 1e6)),
            parts=parts or PartOptions(),
        )


@dataclass(frozen=True)
class Rules:
    """What an import and a batch do differently; everything else about a new image is the same code.

    Attributes:
        include_defect_free: Images whose mask shows no defect are kept.
        conflict: How grave equal images with different masks are. If an error, all of them are kept apart
            that the dataset does not hold already; if a warning, the rules of copies hold.
        prefix: Begins the names of what is new where its own do not suffice; empty for an import, whose
            names have nothing to collide with.
        shared_stems: File names without suffix, case-folded, that several images have.
        keep_copies: Equal images all stay, in one group; a published set is imported whole. Otherwise the
            one that the dataset has is kept, with its mask.
        quarantine_masks: Masks of rejected images go to quarantine with them.
    """

    include_defect_free: bool
    conflict: Severity
    prefix: str
    shared_stems: frozenset[str] = frozenset()
    keep_copies: bool = False
    quarantine_masks: bool = True
