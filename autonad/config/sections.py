"""The sections of params.yaml as frozen, validated models: every number has one place, a unit and a range.

What designs and trains the network is in `design_sections.py`.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from autonad.config.fields import (
    MOST,
    Count,
    CountOrNone,
    Fraction,
    NotNegative,
    Positive,
    Section,
    Seed,
    Side,
    Threads,
)


class DataConfig(Section):
    """Importing a dataset and splitting it."""

    fractions: tuple[Fraction, Fraction, Fraction] = Field(
        (0.6, 0.2, 0.2), description="train, val, test share of groups"
    )
    include_defect_free: bool = Field(True, description="also import images without defects")
    mask_threshold: Annotated[int, Field(ge=0, le=254)] = Field(
        127, description="grey masks: defect above this value"
    )
    max_megabytes: Positive = Field(256.0, description="larger files are refused, MiB")
    # Pillow itself stops at 178.9.
    max_megapixels: Annotated[float, Field(gt=0, le=178)] = Field(
        50.0, description="larger images are refused, million pixels"
    )
    split_seed: Seed = Field(0, description="seed of the split")

    @field_validator("fractions")
    @classmethod
    def _trains(cls, fractions: tuple[float, float, float]) -> tuple[float, float, float]:
        if not fractions[0]:
            raise ValueError("nothing would be left to train on; give train more than 0")
        return fractions


class IngestConfig(Section):
    """Ingesting a production batch."""

    connections: Annotated[int, Field(ge=1, le=256)] = Field(16, description="downloads at the same time")
    attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        4, description="tries of a request, and of a download that breaks off"
    )
    workers: Threads = Field(2, description="threads that decode images, also of import-data and audit")


class SynthesizeConfig(Section):
    """The generated dataset."""

    num_images: Count = Field(300, description="images")
    image_side: Side = Field(128, description="height and width, pixels")
    materials: tuple[str, ...] = Field(("steel", "ceramic"), description="surface materials")
    classes: tuple[str, ...] = Field(("crack", "blowhole", "scratch"), description="defect classes")
    contrast: NotNegative = Field(1.0, description="visibility of the defects; 1 is moderate")
    defect_size: Annotated[float, Field(ge=0.2, le=2)] = Field(
        1.0, description="size of the defects; 1 is usual"
    )
    brightness: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.0, description="added to every image, fraction of white"
    )
    blur: NotNegative = Field(0.5, description="blur of the camera, pixels of standard deviation")
    noise: NotNegative = Field(0.015, description="noise of the camera, fraction of white")
    defect_free: Fraction = Field(0.0, description="share of parts without defects")
    seed: Seed = Field(0, description="seed of images and split")


class InputConfig(Section):
    """The network's input."""

    height: Side = Field(128, description="rows, pixels")
    width: Side = Field(128, description="columns, pixels")
    keep_aspect: bool = Field(True, description="pad with 'ignore' instead of stretching")
    tile: Literal["none", "auto"] | Side = Field(
        "none",
        description="cut images into tiles of so many rows, pixels of the file; auto: where defects get lost",
    )
    tile_overlap: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.25, description="share of a tile that neighbours have in common, about"
    )
    tile_defect_px: Positive = Field(
        3.0, description="auto: tiles in which nine tenths of the training defects are so thick, input pixels"
    )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.height, self.width


class DecideConfig(Section):
    """Deciding whether the last search is still good."""

    alpha: Annotated[float, Field(gt=0, le=0.2)] = Field(
        0.01, description="false alarms that are accepted, share of decisions without any change"
    )
    permutations: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        2000, description="of whole parts, per test"
    )
    minimum_effect: Fraction = Field(
        0.1, description="a difference that is smaller does not count, however certain: 2 AUC − 1"
    )
    window: Count = Field(3, description="newest batches that are looked at, n")
    confirm: Count = Field(1, description="of these, how many must look different, k")
    calibration_draws: CountOrNone = Field(
        200, description="unchanged batches drawn from a new pin to measure the false alarms (0: none)"
    )
    force: Literal["none", "search", "train"] = Field(
        "none", description="what is done whatever is found: a search, or supernet and search"
    )

    @model_validator(mode="after")
    def _fine_enough(self) -> Self:
        least = math.ceil(2 / self.alpha) - 1
        if self.permutations < least:
            raise ValueError(
                f"permutations is {self.permutations}, and alpha {self.alpha:g} needs at least {least}"
            )
        return self


class EvaluateConfig(Section):
    """Evaluation on the test split."""

    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        2000, description="bootstrap resamples over groups"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="level of the intervals")
    panels: Count = Field(12, description="images shown in the report")
    test_time: Literal["none", "flips", "flips+scales"] = Field(
        "none", description="views whose mean is measured beside the network alone: what they gain and cost"
    )


class FitThresholdsConfig(Section):
    """Choosing the rules of the line on validation parts."""

    target: Literal["overkill", "miss"] = Field(
        "overkill",
        description="which rate is kept to: good images that are NG, or images with a defect that are not",
    )
    rate: Annotated[float, Field(gt=0, lt=1)] = Field(0.02, description="at most so many, share of images")
    review_load: Fraction = Field(
        0.05, description="good images that may go to a person (REVIEW), share of them"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95, description="of the promise, over parts; level of the intervals"
    )
    min_areas_px: tuple[Annotated[float, Field(ge=4, le=MOST)], ...] = Field(
        (4, 9, 16, 36, 64, 144, 256), min_length=1, description="smallest defects that are tried, pixels"
    )


class ExportConfig(Section):
    """ONNX export."""

    tolerance: Positive = Field(1e-3, description="largest allowed difference of a logit from torch's")
    max_disagreement: Fraction = Field(
        1e-4, description="largest allowed share of pixels whose class differs between ONNX and torch"
    )
    max_defect_disagreement: Fraction = Field(0, description="the same of images judged otherwise")
    parity_images: Count = Field(50, description="real images that both are run on")
    int8: bool = Field(True, description="also try model.int8.onnx, calibrated on training images")
    int8_max_loss: Fraction = Field(
        0.01, description="validation mIoU that it may lose (fraction); with more it is not written"
    )
    int8_min_speedup: Positive = Field(
        1.05, description="how many times as fast as model.onnx it must be; if slower it is not written"
    )
    calibration_images: Count = Field(64, description="training images that give the ranges of int8")
    fp16: bool = Field(False, description="also write model.fp16.onnx, for GPUs")
    fp16_max_loss: Fraction = Field(0.002, description="validation mIoU that it may lose (fraction)")


RedFlag = Literal[
    "nothing-learnt", "identical-scores", "all-missed", "class-never-found", "rules-find-nothing"
]


class RegisterConfig(Section):
    """Champion and challenger."""

    minimum: Fraction = Field(
        0.5, description="test images with a defect on which a champion must predict one, share of them"
    )
    accept: tuple[RedFlag, ...] = Field(
        (), description="red flags that a champion may have: [class-never-found]; see docs/red-flags.md"
    )
    metric: Literal["miou", "foreground_miou", "mf1"] = Field(
        "miou", description="what the two are compared by, at native size"
    )
    probability: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95, description="P(better) that a challenger needs; an equal one wins at most 1 minus this often"
    )
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = Field(
        2000, description="bootstrap resamples over groups"
    )
    latency_tolerance: NotNegative = Field(
        0.05, description="share by which the measured median may exceed search.latency_budget_ms"
    )


class GcConfig(Section):
    """What `autonad gc` leaves in MLflow, beside everything that a champion came from."""

    keep_searches: Count = Field(
        3, description="newest finished searches, per dataset and target, whose weights are kept"
    )
    keep_challengers: CountOrNone = Field(
        5, description="newest versions that are kept, per registered model, beside those with an alias"
    )
    min_age_days: NotNegative = Field(14.0, description="nothing younger goes, days")


class TrackingConfig(Section):
    """MLflow."""

    enabled: bool = Field(True, description="log to MLflow")
    uri: str = Field("sqlite:///mlflow.db", description="tracking server or store")
    experiment: str = Field("autonad", description="experiment name")
    dataset: str | None = Field(
        None, description="what the dataset is called in MLflow; absent: its folder's name"
    )
    system_seconds: Positive | None = Field(
        10.0, description="seconds between two samples of the machine's load; absent: none"
    )
