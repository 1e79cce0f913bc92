"""How new images are read and split, and what an import and a batch do differently with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autonad.config import Config
from autonad.data.faults import Severity
from autonad.data.sanity.looked import Expected


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
        input_size: Height and width of the network's input, by which the size of defects is judged.
        keep_aspect: Images are padded to it, not stretched.
    """

    format: str = "masks"
    classes: tuple[str, ...] | None = None
    groups_csv: Path | None = None
    include_defect_free: bool = True
    threshold: int = 127
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
    seed: int = 0
    max_bytes: int = 100 * 2**20
    workers: int = 2
    input_size: tuple[int, int] = (128, 128)
    keep_aspect: bool = True

    def expected(self, name: str) -> Expected:
        """What the checks of sanity expect of images that are called `name` together."""
        return Expected(name, self.input_size, self.keep_aspect)

    @classmethod
    def of(
        cls, config: Config, *, format: str, classes: tuple[str, ...] | None, groups_csv: Path | None
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
            max_bytes=int(config.ingest.max_megabytes * 2**20),
            workers=config.ingest.workers,
            input_size=config.input.size,
            keep_aspect=config.input.keep_aspect,
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
        half_precision: Images are compared at the precision of `fingerprints.parquet`, so that known and new
            ones are compared alike.
        quarantine_masks: Masks of rejected images go to quarantine with them.
    """

    include_defect_free: bool
    conflict: Severity
    prefix: str
    shared_stems: frozenset[str] = frozenset()
    keep_copies: bool = False
    half_precision: bool = True
    quarantine_masks: bool = True
