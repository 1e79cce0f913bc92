"""The command line: one verb per step. Heavy libraries are imported when a verb runs, not for --help."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from autonad import cli_data, cli_mlflow, cli_pipeline
from autonad.errors import AutonadError, FaultyItems
from autonad.options import (
    DatasetDir,
    Execution,
    OutputDir,
    Params,
    PinDir,
    Resume,
    ResumeOrRestart,
    Set,
)
from autonad.options import read_config as _config

INTERRUPTED = 130

app = typer.Typer(
    name="autonad",
    help="Designs the defect detector for your images and for the device that will run it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command("describe-target")
def describe_target(
    output: Annotated[Path, typer.Option("--output", help="Target file to write, targets/NAME.json.")],
    runtime: Annotated[str, typer.Option("--runtime", help="onnxruntime or pytorch.")] = "onnxruntime",
    provider: Annotated[str, typer.Option("--provider", help="cpu, cuda or tensorrt.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option("--threads", help="Threads of one network; all cores.")
    ] = None,
) -> None:
    """Describe this device as a target; run it once, on the device."""
    from autonad import steps

    key = steps.describe_target(
        name=output.stem, output=output, runtime=runtime, provider=provider, threads=threads
    )
    print(f"{output}: hardware key {key}")


@app.command("train-supernet")
def train_supernet(
    dataset: DatasetDir,
    output: OutputDir,
    pin: PinDir = None,
    initial: Annotated[
        Path | None,
        typer.Option("--initial", help="Start from this supernet's weights; its classes may be others."),
    ] = None,
    resume: Resume = False,
    restart: ResumeOrRestart = False,
    execution: Execution = None,
    params: Params = None,
    set: Set = None,
) -> None:
    """Train all architectures of the space at once, in shared weights."""
    from autonad import steps
    from autonad.console import console

    with console() as screen:
        result = steps.train_supernet(
            _config(params, set),
            dataset=dataset,
            output=output,
            pin=pin,
            initial=initial,
            resume="or-restart" if restart else resume,
            execution=execution,
            console=screen,
        )
    print(
        f"{output}: {result.parameters:,} shared weights, mean inherited validation mIoU "
        f"{_percent(result.miou)} ({result.seconds:.0f} s)"
    )


@app.command("profile-latency")
def profile_latency(
    target: Annotated[Path, typer.Option("--target", help="Target file of this device.")],
    output: OutputDir,
    classes: Annotated[
        int, typer.Option("--num-classes", help="Classes of the head, background included.")
    ] = 4,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records",
            help="Use the forward times of supernet training (records.parquet) instead of measuring.",
        ),
    ] = None,
    execution: Execution = None,
    params: Params = None,
    set: Set = None,
) -> None:
    """Measure what every operator costs on the target."""
    from autonad import steps
    from autonad.console import console

    with console() as screen:
        result = steps.profile_latency(
            _config(params, set), target=target, output=output, num_classes=classes, records=records,
            execution=execution, console=screen,
        )  # fmt: skip
    checked = (
        "not compared with whole networks"
        if result.rank_correlation is None
        else f"whole networks are predicted with rank correlation {result.rank_correlation:.2f} and an "
        f"error of {_percent(result.error)}"
    )
    print(f"{output}: {result.rows} costs; {checked} ({result.seconds:.0f} s)")


@app.command()
def search(
    dataset: DatasetDir,
    supernet: Annotated[Path, typer.Option("--supernet", help="Supernet folder.")],
    latency: Annotated[Path, typer.Option("--latency", help="Latency folder.")],
    output: OutputDir,
    pin: PinDir = None,
    resume: Resume = False,
    restart: ResumeOrRestart = False,
    execution: Execution = None,
    params: Params = None,
    set: Set = None,
) -> None:
    """Evolve the best architecture under the target's latency."""
    from autonad import steps
    from autonad.console import console

    with console() as screen:
        result = steps.search(
            _config(params, set), dataset=dataset, supernet=supernet, latency=latency, output=output,
            pin=pin, resume="or-restart" if restart else resume, execution=execution, console=screen,
        )  # fmt: skip
    print(
        f"{output}: architecture {result.key}, {result.parameters:,} parameters, inherited validation mIoU "
        f"{_percent(result.miou)}, {result.measured_ms:.2f} ms measured ({result.predicted_ms:.2f} ms "
        f"predicted), {result.evaluations} evaluated ({result.seconds:.0f} s)"
    )


@app.command()
def retrain(
    dataset: DatasetDir,
    search: Annotated[Path, typer.Option("--search", help="Search folder.")],
    output: OutputDir,
    resume: Resume = False,
    restart: ResumeOrRestart = False,
    execution: Execution = None,
    params: Params = None,
    set: Set = None,
) -> None:
    """Retrain the searched architecture from its inherited weights."""
    from autonad import steps
    from autonad.console import console

    with console() as screen:
        result = steps.retrain(
            _config(params, set), dataset=dataset, search=search, output=output,
            resume="or-restart" if restart else resume, execution=execution, console=screen,
        )  # fmt: skip
    print(
        f"{output}: {result.parameters:,} parameters, validation mIoU {_percent(result.miou)} after epoch "
        f"{result.best_epoch} ({result.seconds:.0f} s)"
    )


@app.command()
def evaluate(
    dataset: DatasetDir,
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    output: OutputDir,
    search: Annotated[Path | None, typer.Option("--search", help="Search folder, for the report.")] = None,
    latency: Annotated[Path | None, typer.Option("--latency", help="Latency folder, for the report.")] = None,
    execution: Execution = None,
    params: Params = None,
    set: Set = None,
) -> None:
    """Evaluate a model on the test split and write the report."""
    from autonad import steps
    from autonad.console import console

    with console() as screen:
        result = steps.evaluate(
            _config(params, set), dataset=dataset, model=model, output=output, search=search, latency=latency,
            execution=execution, console=screen,
        )  # fmt: skip
    print(
        f"{output}: test mIoU {_percent(result.miou)}{_interval(result.interval)}, mF1 "
        f"{_percent(result.mf1)}; open {result.report}"
    )


@app.command()
def export(
    model: Annotated[Path, typer.Option("--model", help="Model folder.")],
    dataset: DatasetDir,
    evaluation: Annotated[Path, typer.Option("--evaluation", help="Evaluation folder.")],
    output: OutputDir,
    execution: Execution = None,
    params: Params = None,
    set: Set = None,
) -> None:
    """Export a model to ONNX, check it against torch and measure it."""
    from autonad import steps
    from autonad.console import console

    with console() as screen:
        result = steps.export(
            _config(params, set), model=model, dataset=dataset, evaluation=evaluation, output=output,
            execution=execution, console=screen,
        )  # fmt: skip
    print(
        f"{result.path}: {result.megabytes:.1f} MB, at most {result.max_difference:.1e} from torch, "
        f"{result.p50_ms:.2f} ms median and {result.p95_ms:.2f} ms p95 on this machine"
    )


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", help="Folder to write.")] = Path("runs/demo"),
    execution: Execution = None,
    set: Set = None,
) -> None:
    """Generate a dataset and run the whole chain on it."""
    import datetime

    from autonad.console import console
    from autonad.steps.demo import demo, demo_config

    config = demo_config(tuple(set or ()))
    name = execution or f"demo-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    with console() as screen:
        result = demo(config, output=output, execution=name, console=screen)
    rows = [
        ("test mIoU", f"{_percent(result.miou)}{_interval(result.interval)}"),
        ("test mF1", _percent(result.mf1)),
        ("inherited validation mIoU", _percent(result.inherited_miou)),
        ("parameters", f"{result.parameters:,}"),
        ("latency, median", f"{result.p50_ms:.2f} ms (ONNX Runtime, batch 1, this machine)"),
        ("latency, p95", f"{result.p95_ms:.2f} ms"),
        *((f"time, {step}", f"{seconds:.1f} s") for step, seconds in result.seconds.items()),
        ("time, all", f"{sum(result.seconds.values()):.1f} s"),
    ]
    print()
    for label, value in rows:
        print(f"{label:<28}{value}")
    print(f"\nreport   {result.report}\nmodel    {result.model}")
    if config.tracking.enabled:
        mlflow = shutil.which("mlflow") or Path(sys.executable).with_name("mlflow")
        print(f"MLflow   {mlflow} ui --backend-store-uri {config.tracking.uri}   (execution {name})")


cli_data.add_to(app)
cli_mlflow.add_to(app)
cli_pipeline.add_to(app)


def main() -> None:
    """Run the command line; a user's mistake is one line and an exit code, never a traceback."""
    # Else albumentations asks a server for its newest version and waits for the answer.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        # Typer turns an interrupt (130) or an `Exit` of a verb into a returned code; verbs return nothing.
        code = app(standalone_mode=False)
    except AutonadError as error:
        print(f"{'note' if isinstance(error, FaultyItems) else 'error'}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except ModuleNotFoundError as error:
        if not error.name or error.name.startswith("autonad"):
            raise
        print(
            f"error: this verb needs {error.name}, which is not installed; install everything with: "
            'pip install "autonad[full]"',
            file=sys.stderr,
        )
        sys.exit(2)
    except Exception as error:
        _usage_error(error)
    if code == INTERRUPTED:
        print("interrupted; what was written is kept", file=sys.stderr)
    sys.exit(code)


def _usage_error(error: Exception) -> NoReturn:
    """Show click's usage errors as click does, and the rest as the faults of ours that they are."""
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    sys.exit(getattr(error, "exit_code", 2))


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{100 * fraction:.1f} %"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})"


if __name__ == "__main__":
    main()
