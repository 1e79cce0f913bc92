"""The verbs that design a detector, from a target to an ONNX file; and the demo of all of them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autonad.cli.assess_verb import assess_supernet
from autonad.cli.init_verb import init
from autonad.cli.option_groups import grouped
from autonad.cli.options import (
    Call,
    DatasetDir,
    Execution,
    Params,
    PinDir,
    Replace,
    Set,
    Settings,
    one_of,
    without_effect,
)
from autonad.cli.output_options import Output, ResumedOutput, held
from autonad.cli.run_verb import run, say_detectors, say_red_flags
from autonad.cli.search_verb import search
from autonad.cli.text import interval
from autonad.console import tell
from autonad.errors import redact
from autonad.report.units import percent

if TYPE_CHECKING:
    from autonad.steps.profile_kit import KitResult

KitName = Annotated[
    str | None,
    typer.Option(
        "--name", help="With --kit and no --target: what the device is called.", show_default="device"
    ),
]
KitThreads = Annotated[
    int | None,
    typer.Option(
        "--threads", help="With --kit and no --target: threads of one network.", show_default="all cores"
    ),
]
NumClasses = Annotated[
    int,
    typer.Option(
        "--num-classes", help="Classes, background included; they hardly change the latency.", min=2, max=255
    ),
]


def add_to(app: typer.Typer) -> None:
    """Register the verbs of this file."""
    for verb in (
        describe_target,
        train_supernet,
        pack_profile,
        profile_latency,
        assess_supernet,
        search,
        retrain,
        evaluate,
        export,
        demo,
        run,
        init,
    ):
        app.command(verb.__name__.replace("_", "-"))(grouped(verb))


def describe_target(
    output: Annotated[Path, typer.Option("--output", help="Target file to write, targets/NAME.json.")],
    runtime: Annotated[str, typer.Option("--runtime", help="onnxruntime or pytorch.")] = "onnxruntime",
    provider: Annotated[str, typer.Option("--provider", help="cpu, cuda or tensorrt.")] = "cpu",
    precision: Annotated[
        str,
        typer.Option("--precision", help="fp32; fp16 with tensorrt, or pytorch on cuda; bf16 with pytorch."),
    ] = "fp32",
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads of one network.", show_default="all cores")
    ] = None,
) -> None:
    """Describe this device as a target; run it once, on the device."""
    from autonad import steps

    key = steps.describe_target(
        name=output.stem,
        output=output,
        runtime=runtime,
        provider=provider,
        precision=precision,
        threads=threads,
    )
    tell(f"{output}: hardware key {key}")


def train_supernet(
    *,
    dataset: DatasetDir,
    pin: PinDir = None,
    initial: Annotated[
        Path | None,
        typer.Option("--initial", help="Start from this supernet's weights; its classes may be others."),
    ] = None,
    to: ResumedOutput,
    call: Call,
) -> None:
    """Train all architectures of the space at once, in shared weights."""
    from autonad import steps

    with to.held("train-supernet") as resume, call.context() as context:
        result = steps.train_supernet(
            context, dataset=dataset, output=to.output, pin=pin, initial=initial, resume=resume
        )
    tell(
        f"{to.output}: {result.parameters:,} shared weights, mean inherited validation "
        f"mIoU {percent(result.miou)} ({result.seconds:.0f} s)"
    )


def pack_profile(*, to: Output, classes: NumClasses = 4, params: Params = None, set: Set = None) -> None:
    """Pack a kit: what a device needs to measure the search space by itself, without torch."""
    from autonad import steps

    with to.held("pack-profile"), Settings(params, set).context() as context:
        result = steps.pack_profile(context, output=to.output, num_classes=classes)
    tell(
        f"{to.output}: kit {result.key}, {result.pieces} pieces in {result.models} files, "
        f"{result.megabytes:.1f} MB; copy it to the device and run `sh "
        f"{to.output.name}/profile.sh NAME THREADS` there"
    )


def profile_latency(
    *,
    target: Annotated[Path | None, typer.Option("--target", help="Target file of this device.")] = None,
    kit: Annotated[
        Path | None,
        typer.Option(
            "--kit", help="On the device: measure this kit of `pack-profile`; the base install does."
        ),
    ] = None,
    name: KitName = None,
    threads: KitThreads = None,
    measured: Annotated[
        Path | None,
        typer.Option("--measured", help="Back home: the folder that --kit wrote, instead of measuring."),
    ] = None,
    known: Annotated[
        Path | None,
        typer.Option("--known", help="Latency folder of before: taken over where nothing has changed."),
    ] = None,
    elsewhere: Annotated[
        bool,
        typer.Option(
            "--for-another-device", help="Measure here although the target is another; mark the table."
        ),
    ] = False,
    classes: NumClasses = 4,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            help="Use the forward times of supernet training (records.parquet) instead of measuring.",
        ),
    ] = None,
    to: Output,
    call: Call,
) -> None:
    """Measure what every operator costs on the target."""
    from autonad import steps

    ways = {"--kit": kit, "--measured": measured, "--records": records}
    one_of(ways)
    _require_effect(ways, target, {"--name": name, "--threads": threads}, known, elsewhere=elsewhere)
    with to.held("profile-latency"), call.context() as context:
        if kit is not None:
            found = steps.profile_kit(
                context,
                kit=kit,
                output=to.output,
                name=name or "device",
                threads=threads,
                target=target,
                for_another_device=elsewhere,
            )
            _say_measured(to.output, found)
            return
        result = steps.profile_latency(
            context,
            target=target,
            output=to.output,
            num_classes=classes,
            records=records,
            measured=measured,
            known=known,
            for_another_device=elsewhere,
        )
    checked = (
        "not compared with whole networks"
        if result.rank_correlation is None
        else f"whole networks are predicted with rank correlation {result.rank_correlation:.2f} and an "
        f"error of {percent(result.error)}"
    )
    tell(f"{to.output}: {result.rows} costs; {checked} ({result.seconds:.0f} s)")


def _require_effect(
    ways: dict[str, Path | None],
    target: Path | None,
    device: dict[str, Any],
    known: Path | None,
    *,
    elsewhere: bool,
) -> None:
    """Refuse options of `profile-latency` that the way to the table makes meaningless."""
    kit, brought = ways["--kit"], ways["--measured"] or ways["--records"]
    if kit is None or target is not None:
        without_effect(
            {name: value is not None for name, value in device.items()},
            "the target says it; they are for --kit without one",
        )
    if kit or brought:
        without_effect({"--known": known is not None}, "nothing can be taken over")
    if brought:
        without_effect({"--for-another-device": elsewhere}, "nothing is measured")


def _say_measured(output: Path, found: KitResult) -> None:
    for fault in found.faults:
        tell(f"warning: {fault}")
    tell(
        f"{output}: {found.rows} costs and {found.networks} networks on {found.target} (hardware key "
        f"{found.hardware_key}, {found.seconds:.0f} s); bring it back to `autonad profile-latency --measured`"
    )


def retrain(
    *,
    dataset: DatasetDir,
    search: Annotated[Path, typer.Option("--search", help="Search folder.")],
    teacher: Annotated[
        Path | None,
        typer.Option(
            "--teacher",
            help="Supernet or model that teaches, as retrain.teacher says; unused while that is none.",
        ),
    ] = None,
    to: ResumedOutput,
    call: Call,
) -> None:
    """Retrain the searched architecture from its inherited weights."""
    from autonad import steps

    with to.held("retrain") as resume, call.context() as context:
        result = steps.retrain(
            context, dataset=dataset, search=search, output=to.output, teacher=teacher, resume=resume
        )
    tell(
        f"{to.output}: {result.parameters:,} parameters, validation mIoU {percent(result.miou)} after epoch "
        f"{result.best_epoch} ({result.seconds:.0f} s)"
    )


def evaluate(
    *,
    dataset: DatasetDir,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    search: Annotated[Path | None, typer.Option("--search", help="Search folder, for the report.")] = None,
    latency: Annotated[Path | None, typer.Option("--latency", help="Latency folder, for the report.")] = None,
    to: Output,
    call: Call,
) -> None:
    """Evaluate a model on the test split and write the report."""
    from autonad import steps

    with to.held("evaluate"), call.context() as context:
        result = steps.evaluate(
            context, dataset=dataset, model=model, output=to.output, search=search, latency=latency
        )
    native = "" if result.native_miou is None else f", {percent(result.native_miou)} at the images' own size"
    tell(
        f"{to.output}: test mIoU {percent(result.miou)}{interval(result.interval)}{native}, mF1 "
        f"{percent(result.mf1)}; open {result.report}"
    )
    if result.test_time:
        tell(result.test_time)


def export(
    *,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    dataset: DatasetDir,
    evaluation: Annotated[Path, typer.Option("--evaluation", help="Evaluation folder.")],
    rules: Annotated[
        Path | None, typer.Option("--rules", help="rules.yaml to ship; the usual ones if absent.")
    ] = None,
    to: Output,
    call: Call,
) -> None:
    """Export a model to ONNX, check it against torch and measure it."""
    from autonad import steps

    with to.held("export"), call.context() as context:
        result = steps.export(
            context, model=model, dataset=dataset, evaluation=evaluation, output=to.output, rules=rules
        )
    tell(
        f"{result.path}: {result.megabytes:.1f} MB, at most {result.max_difference:.1e} from torch, "
        f"{result.latency}"
    )
    for name, reason in result.others.items():
        tell(f"{name}: {reason}")
    if rules is None:
        tell("rules: the usual ones; `autonad fit-thresholds` chooses some, and --rules ships them")


def demo(
    output: Annotated[Path, typer.Option("--output", help="Folder to write.")] = Path("runs/demo"),
    replace: Replace = False,
    execution: Execution = None,
    set: Set = None,
) -> None:
    """Generate a dataset and run the whole chain on it."""
    from autonad.config.context import Context
    from autonad.console import open_console
    from autonad.steps.demo import demo, demo_config
    from autonad.steps.step import tracking_settings
    from autonad.tracking.links import LOCAL, experiments_link

    config = demo_config(tuple(set or ()))
    with held(output), open_console() as screen:
        called = Context(config, execution, screen)
        result = demo(called, output=output, replace=replace)
    say_detectors(result.detectors)
    tell()
    for step, seconds in (result.seconds | {"all": sum(result.seconds.values())}).items():
        tell(f"{f'time, {step}':<28}{seconds:.1f} s")
    say_red_flags(called.red_flags)
    if config.tracking.enabled:
        mlflow = shutil.which("mlflow") or Path(sys.executable).with_name("mlflow")
        uri = redact(tracking_settings(config).uri)
        tell(f"MLflow   {mlflow} ui --backend-store-uri {uri}   (execution {result.execution})")
        tell(f"         then open {experiments_link(LOCAL)}")
