"""Measure what every operator costs on the target, and turn it into a prior."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from autonad.config.context import Context
from autonad.steps.step import begin
from autonad.tracking.tags import HARDWARE_KEY


@dataclass(frozen=True)
class LatencyResult:
    """What profiling found.

    Attributes:
        rows: Rows of the table.
        rank_correlation: Spearman's ρ of predicted and measured whole networks.
        error: Their mean absolute error over the measured latency.
        seconds: Wall time.
    """

    rows: int
    rank_correlation: float | None
    error: float | None
    seconds: float


def profile_latency(
    context: Context, *, target: Path, output: Path, num_classes: int = 4, records: Path | None = None
) -> LatencyResult:
    """Measure a search space on a target; data plays no part.

    With `records` nothing is measured: the table comes from the forward times of supernet training, as in the
    paper. Its milliseconds are those of the training host and batch, so it ranks operators but says nothing
    about another target.

    Args:
        context: Sections `space`, `input` and `profile_latency` decide.
        target: Target file of this device.
        output: Latency folder to write: `table.parquet`, `target.json`, `prior.json`, `prior.png`.
        num_classes: Classes of the head; they hardly matter for latency.
        records: `records.parquet` of a supernet folder, instead of measuring.

    Raises:
        LatencyError: The target is another machine, or a measurement failed.
    """
    config, console = context.config, context.console
    from autonad.latency.prior import prior_from_table, save_prior
    from autonad.latency.profile import ProfileSettings, profile_space
    from autonad.latency.regression import table_from_records
    from autonad.latency.target import Target
    from autonad.report.prior_chart import plot_prior
    from autonad.space import SearchSpace
    from autonad.training.timing import read_records

    settings = config.profile_latency
    device = Target.load(target)
    params = config.model_dump(include={"space", "input", "profile_latency"})
    params["target"] = device.model_dump()
    tags = {HARDWARE_KEY: device.hardware_key}
    with begin("profile-latency", context, params=params, tags=tags) as step:
        warning = device.verify_here()
        if warning:
            console.report(f"warning: {warning}")
        space = SearchSpace.preset(config.space.preset, config.space.operators)
        if records is not None:
            table = table_from_records(read_records(records))
        else:
            table = profile_space(
                space,
                device,
                num_classes,
                config.input.size,
                ProfileSettings(
                    warmup=settings.warmup,
                    repeats=settings.repeats,
                    networks=settings.networks,
                    seed=config.seed,
                ),
                lambda what, done, total: console.advance(done, total, what),
            )
        prior = prior_from_table(table, temperature=settings.temperature, shrinkage=settings.shrinkage)
        table.save(output / "table.parquet")
        device.save(output / "target.json")
        save_prior(prior, output / "prior.json")
        plot_prior(prior, output / "prior.png")
        step.attach(output, "table.parquet", "target.json", "prior.json", "prior.png")
        step.run.log({"latency/rows": float(len(table.frame))})
        calibration = table.calibration
        step.headline(f"{len(table.frame)} costs on {device.name}")
        return LatencyResult(
            rows=len(table.frame),
            rank_correlation=calibration.rank_correlation if calibration else None,
            error=calibration.error if calibration else None,
            seconds=step.seconds,
        )
