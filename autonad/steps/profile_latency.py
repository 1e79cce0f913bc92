"""What every operator costs on the target, measured here or brought from a device, and the prior of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autonad.config.context import Context
from autonad.errors import AutonadError, LatencyError
from autonad.steps.search_limits import require_limits
from autonad.steps.step import begin
from autonad.tracking.tags import HARDWARE_KEY, LATENCY_KEY, LATENCY_QUALITY

if TYPE_CHECKING:
    from autonad.config import Config
    from autonad.data.faults import Fault
    from autonad.latency.measured import Measured, Subject
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target

# Fields of `Quality` that MLflow keeps.
QUALITY = ("load", "throttled", "disagreement", "drift", "error", "rank_correlation")


@dataclass(frozen=True)
class LatencyResult:
    """What profiling found.

    Attributes:
        rows: Rows of the table.
        rank_correlation: Spearman's ρ of predicted and measured whole networks.
        error: Their mean absolute error over the measured latency.
        seconds: Wall time.
        cautions: What is to be known before the table is believed, a sentence each.
        red_flags: The same, with what to do about it.
        taken_over: Whether the table is the known one, and nothing was measured.
    """

    rows: int
    rank_correlation: float | None
    error: float | None
    seconds: float
    cautions: tuple[str, ...] = ()
    red_flags: tuple[Fault, ...] = ()
    taken_over: bool = False


@dataclass(frozen=True)
class _Sources:
    """Where a table may come from; see `profile_latency`."""

    records: Path | None
    measured: Path | None
    known: Path | None
    for_another_device: bool


def profile_latency(
    context: Context,
    *,
    output: Path,
    target: Path | None = None,
    num_classes: int = 4,
    records: Path | None = None,
    measured: Path | None = None,
    known: Path | None = None,
    for_another_device: bool = False,
    limits_for: int | None = None,
) -> LatencyResult:
    """Measure a search space on a target; data plays no part.

    With `measured` nothing is measured: the table is of what the device itself measured with a kit. With
    `records` nothing is either: the table comes from the forward times of supernet training, as in the paper.
    Its milliseconds are those of the training host and batch, so it ranks operators but says nothing about
    another target.

    Args:
        context: Sections `space`, `input` and `profile_latency` decide.
        output: Latency folder to write: `table.parquet`, `target.json`, `prior.json`, `prior.png`.
        target: Target file of this device; with `measured` it may be left out, and is compared if given.
        num_classes: Classes of the head; they hardly matter for latency.
        records: `records.parquet` of a supernet folder, instead of measuring.
        measured: Folder that `autonad profile-latency --kit` wrote on the device, instead of measuring.
        known: Latency folder of before: taken over if it is whole, well measured, and of the same key.
        for_another_device: Measure here although the target is another machine; the table is marked.
        limits_for: Classes of a dataset that is searched next: whether any network keeps the limits is found.

    Raises:
        LatencyError: The target is another machine, a measurement failed, or what was brought is of another
            space or device.
        SearchError: `limits_for`, and no network keeps the limits of section `search`.
    """
    from autonad.files import withdraw
    from autonad.latency.prior import is_uniform, prior_from_table, save_prior
    from autonad.report.prior_chart import plot_prior
    from autonad.report.red_flags import doubtful_latencies

    config, console = context.config, context.console
    settings, device = config.profile_latency, _device(target, measured)
    params = config.model_dump(include={"space", "input", "profile_latency"})
    params["target"] = device.model_dump()
    tags = {HARDWARE_KEY: device.hardware_key, LATENCY_KEY: profile_key(config, device, num_classes)}
    with begin("profile-latency", context, params=params, tags=tags) as step:
        sources = _Sources(records, measured, known, for_another_device)
        table, taken_over = _table(context, device, num_classes, sources)
        flags = tuple(doubtful_latencies(device.name, table.cautions))
        step.flag(flags)
        prior = prior_from_table(table, temperature=settings.temperature, shrinkage=settings.shrinkage)
        if is_uniform(prior):
            console.report(
                "the prior is uniform: operators differ by no more than the table's noise, and the search "
                "draws them as without a table"
            )
        withdraw(output / "prior.png")  # It goes last: an old one would stand for this table.
        table.save(output / "table.parquet")
        device.save(output / "target.json")
        save_prior(prior, output / "prior.json")
        plot_prior(prior, output / "prior.png")
        step.attach(output, "table.parquet", "target.json", "prior.json", "prior.png")
        step.run.log({"latency/rows": float(len(table.frame)), **_figures(table)})
        step.run.tag(LATENCY_QUALITY, "noisy" if table.cautions else "good")
        if limits_for is not None:
            require_limits(config, output, limits_for)
        calibration = table.calibration
        step.headline(
            f"{len(table.frame)} costs on {device.name}{', as measured before' if taken_over else ''}"
            f"{'; not measured well' if table.cautions else ''}"
        )
        return LatencyResult(
            rows=len(table.frame),
            rank_correlation=calibration.rank_correlation if calibration else None,
            error=calibration.error if calibration else None,
            seconds=step.seconds,
            cautions=table.cautions,
            red_flags=flags,
            taken_over=taken_over,
        )


def profile_key(config: Config, target: Target, num_classes: int = 4) -> str:
    """First 12 hexadecimal digits of the sha256 of what a latency table depends on.

    These are the space, input size, classes, how much is measured, the seed, the target's hardware key and
    the version of AutoNAD.

    Args:
        config: The configuration.
        target: What the table is for.
        num_classes: Classes of the head.
    """
    return subject_of(config, num_classes).table_key(target.hardware_key)


def subject_of(config: Config, num_classes: int) -> Subject:
    """What the configuration asks to be measured."""
    from autonad.latency.measured import Subject
    from autonad.latency.profile_settings import ProfileSettings
    from autonad.space.configured import configured_space

    settings = config.profile_latency
    return Subject.of(
        configured_space(config.space, config.input.size),
        num_classes,
        config.input.size,
        ProfileSettings(
            warmup=settings.warmup, repeats=settings.repeats, networks=settings.networks, seed=config.seed
        ),
        config.space.preset,
    )


def check_measured(folder: Path, device: Target | None, config: Config, num_classes: int = 4) -> Measured:
    """What a device measured, checked to be of a target and whole for a configuration.

    Args:
        folder: What `autonad profile-latency --kit` wrote there.
        device: The target that is meant; None takes the device's own word.
        config: Says what should have been measured.
        num_classes: Classes of the head.

    Raises:
        StorageError: It is not there.
        LatencyError: It is of another device, space or input, or damaged.
    """
    from autonad.latency.measured import Measured
    from autonad.latency.profile import check_complete
    from autonad.space.configured import configured_space

    found = Measured.load(folder)
    if device is not None and device.hardware_key != found.target.hardware_key:
        raise LatencyError(
            f"what lies in {folder} was measured on another device than target {device.name!r}: "
            f"{device.differences(found.target)}. Measure the kit on the target, or give the target.json "
            "that lies beside measured.json"
        )
    found.subject.check_wanted(subject_of(config, num_classes), f"what lies in {folder}")
    check_complete(found, configured_space(config.space, config.input.size))
    return found


def device_of(config: Config, target: Path | None, measured: Path | None) -> Target | None:
    """The device that a detector is for; None is this machine.

    Args:
        config: Says what should have been measured.
        target: Target file.
        measured: Folder that `autonad profile-latency --kit` wrote on the device.

    Raises:
        StorageError: One of them is not there.
        LatencyError: What was measured is of another device, space or input.
    """
    from autonad.latency.measured import Measured
    from autonad.latency.target import Target

    device = None if target is None else Target.load(target)
    if measured is None:
        return device
    found = check_measured(measured, device, config, Measured.load(measured).subject.num_classes)
    return device or found.target


def _device(target: Path | None, measured: Path | None) -> Target:
    """The target, from its file or from what was measured on it.

    Raises:
        LatencyError: There is neither.
    """
    from autonad.latency.measured import Measured
    from autonad.latency.target import Target

    if target is None and measured is None:
        raise LatencyError(
            "there is neither a target nor anything measured; give the target file of this device (--target; "
            "`autonad describe-target` makes it) or the folder that the device returned (--measured)"
        )
    if target is not None:
        return Target.load(target)
    assert measured is not None
    return Measured.load(measured).target


def _table(
    context: Context, device: Target, num_classes: int, sources: _Sources
) -> tuple[LatencyTable, bool]:
    """The table, and whether it is the one that was known."""
    from autonad.latency.profile import profile_space, table_from_measured
    from autonad.latency.regression import table_from_records
    from autonad.space.configured import configured_space
    from autonad.training.timing import read_records

    config, console = context.config, context.console
    if sources.records is not None:
        return table_from_records(read_records(sources.records)), False
    if sources.measured is not None:
        return table_from_measured(check_measured(sources.measured, device, config, num_classes)), False
    space = configured_space(config.space, config.input.size)
    subject = subject_of(config, num_classes)
    if sources.known is not None:
        known = _known(context, sources.known, device, subject.table_key(device.hardware_key))
        if known is not None:
            return known, True
    if not sources.for_another_device:
        device.require_here()
    found = profile_space(
        space,
        device,
        subject,
        measured_on=device.verify_here(),
        accept_noise=config.profile_latency.accept_noise,
        log=lambda what, done, total: console.advance(done, total, what),
        say=console.report,
    )
    return table_from_measured(found), False


def _known(context: Context, folder: Path, device: Target, key: str) -> LatencyTable | None:
    """The table of before, if it is what measuring now would give."""
    from autonad.latency.table import LatencyTable
    from autonad.latency.target import Target

    if not (folder / "table.parquet").is_file():  # there was no search yet
        return None
    try:
        table = LatencyTable.load(folder / "table.parquet")
        there = Target.load(folder / "target.json")
    except AutonadError as error:
        context.console.report(f"the known latency table is not used: {error}")
        return None
    reason = None
    if table.context.get("key") != key or there.hardware_key != device.hardware_key:
        reason = "it depends on something else (space, input, settings, target or version)"
    elif table.cautions and not context.config.profile_latency.accept_noise:
        reason = "it was not measured well"
    if reason is not None:
        context.console.report(f"the known latency table is not used: {reason}")
        return None
    context.console.report(f"nothing is measured: the known latency table has the same key, {key}")
    return table


def _figures(table: LatencyTable) -> dict[str, Any]:
    """How well the table was measured, in MLflow's vocabulary."""
    told = table.context.get("quality") or {}
    figures = {f"latency/{name}": told.get(name) for name in QUALITY}
    return {**figures, "latency/cautions": float(len(table.cautions))}
