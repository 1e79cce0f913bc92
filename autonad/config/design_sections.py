"""Sections of params.yaml about the network: space, latency, supernet, search, retraining."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from autonad.config.fields import BatchSize, Count, Fraction, NotNegative, Positive, Section


class SpaceConfig(Section):
    """What can be built."""

    preset: str = Field(
        "edge",
        description="space: edge, for small devices; small; table1, released: the paper's; tiny, for tests",
    )
    operators: tuple[str, ...] | None = Field(
        None, description="restrict the space to these of attention, convolution, shift (Table V)"
    )
    scales: tuple[Annotated[float, Field(gt=0, le=1)], ...] | None = Field(
        None,
        min_length=1,
        description="restrict the input scales of the space to these; absent: all that leave 32 pixels",
    )


class TrainingConfig(Section):
    """One run of the training loop."""

    epochs: Count = Field(45, description="passes over the training images")
    batch_size: BatchSize = Field(8, description="images per step")
    optimizer: Literal["adamw", "adam"] = Field("adamw", description="optimiser")
    learning_rate: Positive = Field(
        1e-3, description="peak learning rate; it is not scaled by the batch size"
    )
    weight_decay: NotNegative = Field(0.05, description="of weights of two or more axes")
    schedule: Literal["cosine", "poly"] = Field("cosine", description="decay of the learning rate to zero")
    warmup: Fraction = Field(0.05, description="share of steps over which the learning rate rises")
    clip_norm: Positive | None = Field(1.0, description="limit of the gradient's norm")
    cross_entropy: NotNegative = Field(1.0, description="weight of the cross-entropy loss")
    dice: NotNegative = Field(1.0, description="weight of the Dice loss")
    class_balance: Fraction = Field(
        0.0, description="lifts rare classes in the cross-entropy: 0 not at all, 1 until all count the same"
    )
    augmentation: Literal["none", "light", "standard", "strong"] = Field(
        "standard",
        description="light: mirrored, other light; standard: turned, zoomed, blurred too; strong: more",
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
    teacher_share: Fraction = Field(
        0.5, description="share of the teacher in the loss of what has one; the labels have the rest"
    )
    teacher_temperature: Positive = Field(1.0, description="softens what teacher and student predict")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="autocast of the forward pass")
    validate_every: Count = Field(5, description="epochs between validations")
    checkpoint_every: Count = Field(1, description="epochs between checkpoints")

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if self.cross_entropy == self.dice == 0:
            raise ValueError(
                "cross_entropy and dice are both 0, so that nothing is learnt; give one a weight"
            )
        return self


class SupernetConfig(TrainingConfig):
    """Training the supernet (Section V-B)."""

    epochs: Count = Field(300, description="passes over the training images")
    learning_rate: Positive = Field(
        2e-3, description="peak learning rate, not scaled by the batch size (the paper's 5e-4: 800 epochs)"
    )
    ema_decay: Fraction | None = Field(
        None, description="decay of the averaged weights that are kept, per step"
    )
    validate_every: Count = Field(25, description="epochs between validations")
    sharing: Literal["cross", "entangled", "classical"] = Field(
        "cross", description="weight sharing (Table VII)"
    )
    sampler: Literal["uniform", "fair", "sandwich"] = Field(
        "uniform",
        description="paths of a step: random; all choices in turn; the largest teaches smaller ones",
    )
    sandwich_paths: Count = Field(1, description="sandwich: random paths that the largest teaches in a step")
    sandwich_every: Count = Field(
        1, description="sandwich: steps from one to the next; between, random paths"
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
    "cross_entropy": 1.0,
    "dice": 0.0,
    "class_balance": 0.0,
    "repeat_threshold": 0.0,
    "defect_crop": 0.0,
    "ema_decay": None,
}


class RetrainConfig(TrainingConfig):
    """Retraining the searched architecture."""

    weights: Literal["inherited", "scratch"] = Field("inherited", description="where the weights start")
    teacher: Literal["none", "supernet-largest", "model"] = Field(
        "none", description="network of `--teacher` that it learns from beside the labels"
    )
    profile: Literal["default", "paper"] = Field(
        "default",
        description="'paper': Adam 1e-4, poly, plain cross-entropy (Section V-B); it overrides those fields",
    )

    def resolved(self) -> RetrainConfig:
        """The settings with the profile applied."""
        return self if self.profile == "default" else self.model_copy(update=PAPER_RETRAINING)


class LatencyConfig(Section):
    """Measuring latency."""

    warmup: Annotated[int, Field(ge=0, le=100_000)] = Field(5, description="runs before timing")
    repeats: Annotated[int, Field(ge=3, le=100_000)] = Field(20, description="timed runs")
    networks: Annotated[int, Field(ge=4, le=100_000)] = Field(
        16, description="whole networks that calibrate the table"
    )
    accept_noise: bool = Field(
        False, description="use a latency table that a busy machine measured, also under a latency budget"
    )
    temperature: Positive = Field(
        1.0, description="sharpness of the prior (see search.prior); small favours fast operators more"
    )
    shrinkage: NotNegative = Field(5.0, description="records that a uniform prior is worth")


class SearchConfig(Section):
    """Searching the supernet."""

    algorithm: Literal["nsga2", "algorithm1"] = Field(
        "nsga2", description="fronts with hard constraints, or the paper's Algorithm 1"
    )
    prior: Literal["auto", "uniform", "latency"] = Field(
        "auto", description="makes fast operators likelier or not; auto: as in the paper for algorithm1 alone"
    )
    score_at: Literal["input", "native"] = Field(
        "input",
        description="pixels that the mIoU counts: of the network's input, or of each image's own size",
    )
    population: Annotated[int, Field(ge=2, le=100_000)] = Field(
        24, description="architectures per generation, N"
    )
    generations: Count = Field(8, description="generations, G")
    top_k: Count = Field(10, description="parents kept per generation")
    mutation_rate: Fraction = Field(0.2, description="probability per gene, p_m")
    crossover_rate: Fraction = Field(0.4, description="probability per pair, p_c")
    latency_weight: NotNegative | Literal["auto"] = Field(
        "auto",
        description="λ, mIoU per ms; auto: 0 within a budget (nsga2), else σ(latency) costs half of σ(mIoU)",
    )
    latency_budget_ms: Positive | Annotated[tuple[Positive, ...], Field(min_length=1)] | None = Field(
        None, description="median of one pass (image or tile) not to be exceeded, ms; [1, 3]: a network each"
    )
    max_parameters: Count | None = Field(None, description="scalars that a network may have (nsga2)")
    max_memory_mib: Positive | None = Field(
        None, description="activations that a pass may hold at once, fp32, MiB (nsga2)"
    )
    finalists: Count = Field(
        6, description="best architectures that are measured, and learn, before one is returned"
    )
    finalist_epochs: Annotated[int, Field(ge=0, le=10_000)] = Field(
        5, description="passes over the training images that each of them learns (nsga2); 0: not at all"
    )

    @property
    def budgets_ms(self) -> tuple[float | None, ...]:
        """A limit for each network that is wanted; one without a limit if none is set."""
        budgets = self.latency_budget_ms
        return budgets if isinstance(budgets, tuple) else (budgets,)

    @property
    def prefers_fast(self) -> bool:
        """Whether fast operators are drawn likelier (P_lat)."""
        return self.prior == "latency" or (self.prior == "auto" and self.algorithm == "algorithm1")

    @property
    def finalists_learn(self) -> bool:
        """Whether finalists are trained for a while; Algorithm 1 returns what the supernet says."""
        return self.algorithm == "nsga2" and self.finalist_epochs > 0

    @model_validator(mode="after")
    def _fits_together(self) -> SearchConfig:
        limits = self.max_parameters, self.max_memory_mib
        if self.algorithm == "algorithm1" and (len(self.budgets_ms) > 1 or any(limits)):
            raise ValueError(
                "algorithm1 knows one latency budget and neither max_parameters nor max_memory_mib; set "
                "search.algorithm=nsga2"
            )
        named = [f"{budget:g}" for budget in self.budgets_ms if budget is not None]
        if len(set(named)) < len(named):
            raise ValueError("latency_budget_ms names a budget twice, to six digits; name each once")
        return self


class AssessSupernetConfig(Section):
    """Judging how well the supernet ranks architectures."""

    architectures: Annotated[int, Field(ge=4, le=100_000)] = Field(
        24, description="architectures that are also trained from scratch, from the fastest to the slowest"
    )
    sample: Annotated[int, Field(ge=4, le=100_000)] = Field(
        2000, description="architectures that they are chosen from, by predicted latency"
    )
    minutes: Positive | None = Field(
        4.0, description="processor time of each training from scratch; absent: retrain.epochs for each"
    )
    resamples: Annotated[int, Field(ge=20, le=1_000_000)] = Field(
        2000, description="bootstrap resamples over architectures"
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = Field(0.95, description="level of the intervals")
