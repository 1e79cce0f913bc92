"""From a folder of images and masks to a report and an exported model, going on where it was interrupted."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autonad.config import Config
from autonad.config.context import Context
from autonad.console import duration
from autonad.errors import ConfigError
from autonad.steps.chain import Chain, Figures, Link, recorded, require_own_teacher, start_over
from autonad.steps.cost_estimate import Pace, describe_costs, describe_left, fit_to_minutes, measure_pace
from autonad.steps.design_chain import Design, Designed, fingerprint_of
from autonad.steps.import_data import import_data
from autonad.steps.profile_latency import device_of
from autonad.steps.what_is_left import shares_left


@dataclass(frozen=True)
class OwnDataResult:
    """What a run ends with.

    Attributes:
        detectors: One for each latency budget.
        seconds: Wall time per step, in order, also of those that were done before.
        faulty: Items of the source that could not be used.
        execution: Name of the execution in MLflow; None where nothing is logged.
    """

    detectors: list[Designed]
    seconds: dict[str, float]
    faulty: int
    execution: str | None


def run_own_data(
    context: Context,
    *,
    source: Path,
    output: Path,
    format: str = "auto",
    classes: tuple[str, ...] | None = None,
    target: Path | None = None,
    measured: Path | None = None,
    minutes: float | None = None,
    replace_output: bool = False,
) -> OwnDataResult:
    """Import images, design a detector for them, evaluate and export it.

    The same call goes on where an earlier one stopped: a step that has finished with the same settings and
    data is not repeated. Before the long steps it says what was found in the data, and what the run costs.

    Args:
        context: All sections decide; its execution is named here if it has no name.
        source: Folder of images and masks, of any layout that `import_data` reads.
        output: Folder to write, with a sub-folder per step.
        format: The layout's name; "auto" recognises it.
        classes: Class names, for layouts that do not carry them.
        target: Target file of what will run the detector; None is what was measured, or this machine.
        measured: Folder that `autonad profile-latency --kit` wrote on that device; None measures here.
        minutes: Epochs and evaluations are fitted to this time; None takes them as they are set.
        replace_output: What the output holds is removed first, if an earlier run made it.

    Raises:
        ConfigError: The output holds something else, or the time is too little.
        LatencyError: What was measured is of another device, space or input.
        DatasetError: Nothing in the source can be used.
        AutonadError: A step cannot be done; those before it are kept.
    """
    _check_places(source, output)
    device = device_of(context.config, target, measured)
    if device is not None and measured is None:
        device.require_here()
    require_own_teacher(context.config)
    # Not before: what is refused costs nothing that an earlier run made.
    if replace_output:
        start_over(output)
    else:
        recorded(output)
    chain = Chain(context, output, {"source": str(source.resolve())})
    context = chain.named()
    data = chain(_importing(context, source, output, format, classes))
    _tell_data(context, data)
    dataset = output / "dataset"
    fingerprint = fingerprint_of(dataset)
    config, pace = _planned(context, chain, dataset, fingerprint, minutes)
    context = replace(context, config=config)
    design = Design(context, chain, output, fingerprint, tuple(data["classes"]), measured)
    _tell_costs(design, pace, minutes)
    detectors = design.run(target)
    logged = context.execution if config.tracking.enabled else None
    return OwnDataResult(detectors, chain.spent, data["faulty"], logged)


def _check_places(source: Path, output: Path) -> None:
    """Make sure that there is a source, and that the output is no part of it.

    Raises:
        ConfigError: There is none, or it is.
    """
    if not source.exists():
        raise ConfigError(
            f"source {source} does not exist; give the folder that holds your images and masks with --source"
        )
    if output.resolve().is_relative_to(source.resolve()):
        raise ConfigError(
            f"output {output} lies in the source {source}, and would be imported the next time; choose an "
            "--output outside it"
        )


def _importing(
    context: Context, source: Path, output: Path, format: str, classes: tuple[str, ...] | None
) -> Link:
    dataset = output / "dataset"

    def does() -> Figures:
        done = import_data(
            context, source=source, output=dataset, replace=dataset.exists(), format=format, classes=classes
        )
        faults = done.faults
        return {
            "text": done.text,
            "classes": done.classes,
            "reading": done.reading,
            "faulty": done.num_errors,
            "warnings": len(faults) - done.num_errors,
            "first": [f"{row.kind} {row.item}: {row.message}" for row in faults.head(3).itertuples()],
            "page": str(dataset / "audit.html"),
        }

    settings = context.config.model_dump(mode="json", include={"data"})
    return Link(
        "import-data",
        does,
        {**settings, "format": format, "classes": classes, "files": _listing(source)},
        writes=(dataset / "manifest.parquet", dataset / "classes.json"),
    )


def _listing(source: Path) -> str:
    """Sha256 of names, sizes and times: of all files of a folder, or of a table and those that it names."""
    from autonad.data.layouts.image_table import files_of
    from autonad.storage.walking import walk

    if source.is_dir():
        found = sorted(walk(source).files.items())
    else:
        # What else lies beside a table, a run's output for example, is none of its business.
        found = [(str(path), _stamp(path)) for path in files_of(source) if path.is_file()]
    return hashlib.sha256(repr(found).encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int]:
    known = path.stat()
    return known.st_size, known.st_mtime_ns


def _tell_data(context: Context, data: Figures) -> None:
    """Say what was found in the data."""
    say = context.console.report
    say(f"found    {data['text']}")
    for sentence in data["reading"]:
        say(f"read     {sentence}")
    if data["faulty"] or data["warnings"]:
        say(
            f"faults   {data['faulty']} items cannot be used, {data['warnings']} warnings; the first of them "
            f"below, all in {data['page']}"
        )
    for line in data["first"]:
        say(f"         {line}")


def _planned(
    context: Context, chain: Chain, dataset: Path, fingerprint: str, minutes: float | None
) -> tuple[Config, Pace]:
    """The configuration with epochs and evaluations that fit, and what was timed.

    What was timed is kept, so that a run that goes on is the same run.
    """
    config, say = context.config, context.console.report
    sections = {"seed", "threads", "processes", "space", "input", "train_supernet", "retrain"}
    of: dict[str, Any] = {**config.model_dump(mode="json", include=sections), "dataset": fingerprint}

    def timed() -> dict[str, Any]:
        say("── timing a few steps, for about half a minute")
        return asdict(measure_pace(context, dataset))

    pace = Pace(**chain.kept("pace", of, timed))
    return config if minutes is None else fit_to_minutes(config, pace, minutes), pace


def _tell_costs(design: Design, pace: Pace, minutes: float | None) -> None:
    """Say what everything costs, and what is left of it where something was done before."""
    config, say = design.context.config, design.context.console.report
    costs = pace.costs(config)
    fitted = "" if minutes is None else f"; fitted to {minutes:g} min"
    say(f"costs    {describe_costs(costs, config)}{fitted}")
    if minutes is not None and sum(costs.values()) < 30 * minutes:
        say(f"         more of the {duration(60 * minutes)} would bring nothing")
    left = shares_left(design)
    if min(left.values()) < 1:
        say(f"left     {describe_left(costs, left)}")
