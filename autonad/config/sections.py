"""The sections of params.yaml as frozen, validated models: every number has one place, a unit and a range."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A group of settings; unknown keys are refused and values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """YAML reads `off` and `no` as false, and Python takes false for 0: neither may become a number."""
        assert info.field_name is not None
        if isinstance(value, bool) and cls.model_fields[info.field_name].annotation is not bool:
            raise ValueError("true and false (also yes, no, on, off) are no values here; null is 'absent'")
        return value


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
    split_seed: int = Field(0, description="seed of the split")


class IngestConfig(Section):
    """Ingesting a production batch."""

    connections: Annotated[int, Field(ge=1, le=256)] = Field(16, description="downloads at the same time")
    attempts: Annotated[int, Field(ge=1, le=20)] = Field(
        4, description="tries of a request, and of a download that breaks off"
    )
    workers: Count = Field(2, description="threads that decode images")


class SynthesizeConfig(Section):
    """The generated dataset."""

    num_images: Count = Field(300, description="images")
    image_side: Annotated[int, Field(ge=32)] = Field(128, description="height and width, pixels")
    materials: tuple[str, ...] = Field(("steel", "ceramic"), description="surface materials")
    classes: tuple[str, ...] = Field(("crack", "blowhole", "scratch"), description="defect classes")
    contrast: Annotated[float, Field(ge=0)] = Field(
        1.0, description="visibility of the defects; 1 is moderate"
    )
    defect_size: Annotated[float, Field(ge=0.2, le=2)] = Field(
        1.0, description="size of the defects; 1 is usual"
    )
    brightness: float = Field(0.0, description="added to every image, fraction of white")
    blur: Annotated[float, Field(ge=0)] = Field(
        0.5, description="blur of the camera, pixels of standard deviation"
    )
    noise: Annotated[float, Field(ge=0)] = Field(0.015, description="noise of the camera, fraction of white")
    defect_free: Fraction = Field(0.0, description="share of parts without defects")
    seed: int = Field(0, description="seed of images and split")


class InputConfig(Section):
    """The network's input."""

    height: Annotated[int, Field(ge=32)] = Field(128, description="rows, pixels")
    width: Annotated[int, Field(ge=32)] = Field(128, description="columns, pixels")
    keep_aspect: bool = Field(True, description="pad with 'ignore' instead of stretching")
    tile: Literal["none", "auto"] | Annotated[int, Field(ge=32)] = Field(
        "none",
        description="cut images into tiles of so many rows, pixels of the file; auto: where defects get lost",
    )
    tile_overlap: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.25, description="share of a tile that neighbours have in common at least"
    )
    tile_defect_px: Positive = Field(
        3.0, description="auto: tiles in which nine tenths of the training defects are so thick, input pixels"
    )

    @property
    def size(self) -> tuple[int, int]:
        """(height, width), pixels."""
        return self.height, self.width


class SpaceConfig(Section):
    """What can be built."""

    preset: str = Field("small", description="search space preset")
    operators: tuple[str, ...] | None = Field(
        None, description="restrict the space to these operators (Table V)"
    )


class TrainingConfig(Section):
    """One run of the training loop."""

    epochs: Count = Field(45, description="passes over the training images")
    batch_size: Count = Field(8, description="images per step")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="optimiser")
    learning_rate: Positive = Field(
        1e-3, description="peak learning rate; it is not scaled by the batch size"
    )
    weight_decay: Annotated[float, Field(ge=0)] = Field(0.05, description="of weights of two or more axes")
    schedule: Literal["cosine", "poly"] = Field("cosine", description="decay of the learning rate to zero")
    warmup: Fraction = Field(0.05, description="share of steps over which the learning rate rises")
    clip_norm: Positive | None = Field(1.0, description="limit of the gradient's norm")
    cross_entropy: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the cross-entropy loss")
    dice: Annotated[float, Field(ge=0)] = Field(1.0, description="weight of the Dice loss")
    class_balance: Fraction = Field(
        0.0, description="lifts rare classes in the cross-entropy: 0 not at all, 1 until all count the same"
    )
    augmentation: Literal["none", "light", "standard", "strong"] = Field(
        "standard", description="augmentation preset"
    )
    defect_crop: Fraction = Field(
        0.0, description="share of samples zoomed in on a defect, rare classes first"
    )
    repeat_threshold: Fraction = Field(
        0.0, description="classes in less than this share of images are repeated (0: off)"
    )
    empty_tiles: Fraction = Field(
        0.5, description="of images cut into tiles: largest share of samples without a defect"
    )
    ema_decay: Fraction | None = Field(
        0.998, description="decay of the averaged weights that are kept, per step"
    )
    precision: Literal["fp32", "bf16"] = Field("fp32", description="autocast of the forward pass")
    validate_every: Count = Field(5, description="epochs between validations")
    checkpoint_every: Count = Field(1, description="epochs between checkpoints")


class SupernetConfig(TrainingConfig):
    """Training the supernet (Section V-B)."""

    epochs: Count = Field(100, description="passes over the training images")
    learning_rate: Positive = Field(
        2e-3, description="peak learning rate, not scaled by the batch size (the paper's 5e-4: 800 epochs)"
    )
    ema_decay: Fraction | None = Field(
        None, description="decay of the averaged weights that are kept, per step"
    )
    validate_every: Count = Field(10, description="epochs between validations")
    sharing: Literal["cross", "entangled", "classical"] = Field(
        "cross", description="weight sharing (Table VII)"
    )
    growth: Fraction = Field(
        0.4,
        description="share of steps over which paths grow from the smallest architecture to the whole space",
    )
    panel: Count = Field(
        4, description="architectures whose inherited mIoU is followed: the extremes and random ones"
    )


PAPER_RETRAINING: dict[str, Any] = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "weight_decay": 0.0,
    "schedule": "poly",
    "warmup": 0.0,
    "clip_norm": None,
    "dice": 0.0,
    "class_balance": 0.0,
    "repeat_threshold": 0.0,
    "defect_crop": 0.0,
    "ema_decay": None,
}


class RetrainConfig(TrainingConfig):
    """Retraining the searched architecture."""

    weights: Literal["inherited", "scratch"] = Field("inherited", description="where the weights start")
    profile: Literal["default", "paper"] = Field(
        "default",
        description="'paper': Adam 1e-4, poly, plain cross-entropy (Section V-B); it overrides those fields",
    )

    def resolved(self) -> RetrainConfig:
        """The settings with the profile applied."""
        return self if self.profile == "default" else self.model_copy(update=PAPER_RETRAINING)


class LatencyConfig(Section):
    """Measuring latency."""

    warmup: Annotated[int, Field(ge=0)] = Field(5, description="runs before timing")
    repeats: Annotated[int, Field(ge=3)] = Field(20, description="timed runs")
    networks: Annotated[int, Field(ge=4)] = Field(10, description="whole networks that calibrate the table")
    accept_noise: bool = Field(
        False, description="use a latency table that a busy machine measured, also under a latency budget"
    )
    temperature: Positive = Field(
        1.0, description="sharpness of the prior; small favours fast operators more"
    )
    shrinkage: Annotated[float, Field(ge=0)] = Field(5.0, description="records that a uniform prior is worth")


class SearchConfig(Section):
    """Searching the supernet."""

    algorithm: Literal["nsga2", "algorithm1"] = Field(
        "nsga2", description="fronts with hard constraints, or the paper's Algorithm 1"
    )
    prior: Literal["auto", "uniform", "latency", "spread"] = Field(
        "auto", description="first samples: by chance, fast operators likelier, latencies spread evenly"
    )
    population: Annotated[int, Field(ge=2)] = Field(24, description="architectures per generation, N")
    generations: Count = Field(8, description="generations, G")
    top_k: Count = Field(10, description="parents kept per generation")
    mutation_rate: Fraction = Field(0.2, description="probability per gene, p_m")
    crossover_rate: Fraction = Field(0.4, description="probability per pair, p_c")
    latency_weight: Annotated[float, Field(ge=0)] | Literal["auto"] = Field(
        "auto",
        description="λ, mIoU fraction per ms; auto: σ(latency) costs half of σ(mIoU) in the first population",
    )
    latency_budget_ms: Positive | Annotated[tuple[Positive, ...], Field(min_length=1)] | None = Field(
        None, description="median of one pass (image or tile) not to be exceeded, ms; [1, 3]: a network each"
    )
    max_parameters: Count | None = Field(None, description="scalars that a network may have (nsga2)")
    max_memory_mib: Positive | None = Field(
        None, description="activations that a pass may hold at once, fp32, MiB (nsga2)"
    )
    finalists: Count = Field(
        3, description="best architectures whose latency is measured before one is returned"
    )

    @property
    def budgets_ms(self) -> tuple[float | None, ...]:
        """A limit for each network that is wanted; one without a limit if none is set."""
        budgets = self.latency_budget_ms
        return budgets if isinstance(budgets, tuple) else (budgets,)

    @property
    def first_samples(self) -> str:
        """What `prior` means: the paper's for Algorithm 1, an even spread for NSGA-II."""
        return (
            self.prior if self.prior != "auto" else "latency" if self.algorithm == "algorithm1" else "spread"
        )

    @model_validator(mode="after")
    def _fits_together(self) -> SearchConfig:
        limits = self.max_parameters, self.max_memory_mib
        if self.algorithm == "algorithm1" and (len(self.budgets_ms) > 1 or any(limits)):
            raise ValueError(
                "algorithm1 knows one latency budget and neither max_parameters nor max_memory_mib; set "
                "search.algorithm=nsga2"
            )
        if self.algorithm == "algorithm1" and self.prior == "spread":
            raise ValueError(
                "algorithm1 has no prior spread; use latency or uniform, or search.algorithm=nsga2"
            )
        if len(set(self.budgets_ms)) < len(self.budgets_ms):
            raise ValueError("latency_budget_ms names a budget twice; name each once")
        return self


class DecideConfig(Section):
    """Deciding whether the last search is still good."""

    alpha: Annotated[float, Field(gt=0, le=0.2)] = Field(
        0.01, description="false alarms that are accepted, share of decisions without any change"
    )
    permutations: Annotated[int, Field(ge=100)] = Field(2000, description="of whole parts, per test")
    minimum_effect: Fraction = Field(
        0.1, description="a difference that is smaller does not count, however certain: 2 AUC − 1"
    )
    window: Count = Field(3, description="newest batches that are looked at, n")
    confirm: Count = Field(1, description="of these, how many must look different, k")
    calibration_draws: Annotated[int, Field(ge=0)] = Field(
        200, description="unchanged batches drawn from a new pin to measure the false alarms (0: none)"
    )
    force: Literal["none", "search", "train"] = Field(
        "none", description="what is done whatever is found: a search, or supernet and search"
    )


class EvaluateConfig(Section):
    """Evaluation on the test split."""

    resamples: Annotated[int, Field(ge=100)] = Field(2000, description="bootstrap resamples over groups")
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
    min_areas_px: tuple[Annotated[float, Field(ge=4)], ...] = Field(
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


class RegisterConfig(Section):
    """Champion and challenger."""

    metric: Literal["miou", "foreground_miou", "mf1"] = Field(
        "miou", description="what the two are compared by, at native size"
    )
    probability: Annotated[float, Field(ge=0.5, lt=1)] = Field(
        0.95, description="P(better) that a challenger needs; an equal one wins at most 1 minus this often"
    )
    resamples: Annotated[int, Field(ge=100)] = Field(2000, description="bootstrap resamples over groups")
    latency_tolerance: Annotated[float, Field(ge=0)] = Field(
        0.05, description="share by which the measured median may exceed search.latency_budget_ms"
    )


class GcConfig(Section):
    """What `autonad gc` leaves in MLflow, beside everything that a champion came from."""

    keep_searches: Count = Field(
        3, description="newest finished searches, per dataset and target, whose weights are kept"
    )
    keep_challengers: Annotated[int, Field(ge=0)] = Field(
        5, description="newest versions that are kept, per registered model, beside those with an alias"
    )
    min_age_days: Annotated[float, Field(ge=0)] = Field(14.0, description="nothing younger goes, days")


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
