"""The verbs about datasets and production batches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from autonad.cli.fault_lines import causes_printed, print_faults
from autonad.cli.option_groups import grouped
from autonad.cli.options import (
    Call,
    Classes,
    DatasetDir,
    Format,
    Groups,
    OutputDir,
    Parts,
    PixelsRead,
    Replace,
    Source,
)
from autonad.cli.output_options import held
from autonad.console import tell
from autonad.errors import FaultyItems


def add_to(app: typer.Typer) -> None:
    """Add these verbs to the command line."""
    verbs: dict[str, Callable[..., None]] = {
        "import-data": import_data,
        "synthesize": synthesize,
        "audit": audit,
        "export-data": export_data,
        "ingest": ingest,
        "select": select,
        "publish": publish,
        "decide": decide,
    }
    for name, verb in verbs.items():
        app.command(name)(grouped(verb))


def import_data(
    *,
    source: Annotated[
        Path, typer.Option("--source", help="Folder of images and annotations; or a csv file.")
    ],
    output: OutputDir,
    replace: Replace = False,
    format: Format = "auto",
    groups: Groups = None,
    classes: Classes = None,
    pixels: PixelsRead,
    parts: Parts,
    call: Call,
) -> None:
    """Import images with their annotations as a dataset, split by physical part."""
    from autonad import steps

    with held(output), causes_printed(), call.context() as context:
        result = steps.import_data(
            context,
            format=format,
            source=source,
            output=output,
            replace=replace,
            groups_csv=groups,
            classes=_names(classes),
            pixels=pixels.options,
            parts=parts.wanted,
        )
    _print_reading(result.reading)
    print_faults(result.faults, result.listed)
    tell(f"{output}: {result.text}; open {output / 'audit.html'}")
    if result.num_errors:
        raise FaultyItems(_faulty(result.num_errors, result.quarantined, output))


def synthesize(*, output: OutputDir, replace: Replace = False, call: Call) -> None:
    """Generate a dataset of surfaces with defects."""
    from autonad import steps

    with held(output), call.context() as context:
        result = steps.synthesize(context, output=output, replace=replace)
    tell(f"{output}: {result.text}")


def audit(
    *,
    dataset: Annotated[Path | None, typer.Option("--dataset", help="Dataset folder.")] = None,
    source: Annotated[Path | None, typer.Option("--source", help="Folder to look at before import.")] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="Its format, as for import-data.", show_default="auto")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="Folder for audit.html and faults.csv.")
    ] = None,
    replace: Replace = False,
    groups: Groups = None,
    classes: Classes = None,
    pixels: PixelsRead,
    parts: Parts,
    call: Call,
) -> None:
    """Look for faults in a dataset, or in a layout before it is imported."""
    from autonad import steps

    with held(output) if output else nullcontext(), causes_printed(), call.context() as context:
        result = steps.audit(
            context,
            dataset=dataset,
            format=format,
            source=source,
            output=output,
            replace=replace,
            groups_csv=groups,
            classes=_names(classes),
            pixels=pixels.options,
            parts=parts.wanted,
        )
    faults = result.faults
    _print_reading(result.reading)
    print_faults(faults, result.listed)
    errors = int((faults["severity"] == "error").sum())
    page = f"; open {output / 'audit.html'}" if output else ""
    tell(f"{errors} errors, {len(faults) - errors} warnings{page}")
    if errors:
        raise FaultyItems(f"{errors} faults must be mended; they are named above")


def export_data(
    *,
    dataset: DatasetDir,
    format: Annotated[str, typer.Option("--format", help="coco, labelme or masks.")],
    output: OutputDir,
    split: Annotated[
        str | None, typer.Option("--split", help="Only images of this split.", show_default="all")
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Also images that wait for a mask.")
    ] = False,
    call: Call,
) -> None:
    """Write a dataset as annotations, for correcting labels in a labelling tool."""
    from autonad import steps

    with held(output), call.context() as context:
        done = steps.export_data(
            context, dataset=dataset, format=format, output=output, split=split, include_unlabelled=unlabelled
        )
    without = f" and {done.unlabelled} without a mask" if done.unlabelled else ""
    shapes = f"; {done.shapes} shapes" if done.shapes else ""
    tell(f"{output}: {done.images} images with masks{without} as {format}{shapes}")


def select(
    *,
    source: Annotated[
        str, typer.Option("--source", help="What `detect --keep` was given: a folder, or s3://…")
    ],
    output: OutputDir,
    count: Annotated[int, typer.Option("--count", help="Images wanted.", min=1)],
) -> None:
    """Choose, of the images that the line kept, those whose labels teach most."""
    from autonad import steps
    from autonad.console import open_console

    with held(output), open_console() as screen:
        done = steps.select(screen, source=source, output=output, count=count)
    tell(f"{output}: {len(done.chosen)} of {done.available} images, the most informative first")
    if done.problems:
        shown = "; ".join(done.problems[:3]) + ("; …" if len(done.problems) > 3 else "")
        raise FaultyItems(f"{len(done.problems)} kept images were left out: {shown}")


def ingest(
    *,
    source: Source,
    dataset: DatasetDir,
    format: Annotated[
        str, typer.Option("--format", help="Layout of the batch, as for import-data.")
    ] = "masks",
    batch: Annotated[
        str | None, typer.Option("--batch", help="Name of the batch.", show_default="the date")
    ] = None,
    groups: Groups = None,
    classes: Classes = None,
    pixels: PixelsRead,
    parts: Parts,
    call: Call,
) -> None:
    """Extend a dataset by what is new in a production batch."""
    from autonad import steps

    with call.context() as context:
        result = steps.ingest(
            context,
            source=source,
            dataset=dataset,
            format=format,
            batch=batch,
            groups_csv=groups,
            classes=_names(classes),
            pixels=pixels.options,
            parts=parts.wanted,
        )
    _print_reading(result.reading)
    print_faults(result.faults, result.listed)
    tell(f"{dataset}: {result.text}")
    if result.num_errors:
        raise FaultyItems(_faulty(result.num_errors, result.quarantined, dataset))


def publish(
    *,
    dataset: DatasetDir,
    branch: Annotated[
        str, typer.Option("--branch", help="Branch that schedules of pipelines follow.")
    ] = "main",
) -> None:
    """Push the version that DVC recorded, and let a branch mean it for pipelines."""
    from autonad import steps

    done = steps.publish(dataset=dataset, branch=branch)
    state = "means" if done.moved else "means already"
    pointer = done.pointer
    tell(
        f"{dataset}: branch {done.branch} of {done.name} in {done.remote} {state} version {pointer.md5}: "
        f"{pointer.images} images; classes {', '.join(pointer.classes)}"
    )
    tell(f"targets beside it: {', '.join(done.targets) or 'none'}")


def decide(
    *,
    dataset: DatasetDir,
    pin: Annotated[Path, typer.Option("--pin", help="Pin folder; written when the pin moves.")],
    target: Annotated[Path, typer.Option("--target", help="Target file.")],
    output: OutputDir,
    search: Annotated[
        Path | None, typer.Option("--search", help="Search folder of the last search, where there was one.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="ONNX file of the champion, for batches without masks.")
    ] = None,
    call: Call,
) -> None:
    """Decide whether the last search still holds, and pin the images of the next one."""
    from autonad import steps

    with held(output), held(pin), call.context() as context:
        result = steps.decide(
            context, dataset=dataset, pin=pin, target=target, output=output, search=search, model=model
        )
    for note in result.notes:
        tell(f"note     {note}")
    for reason in result.reasons:
        tell(f"reason   {reason}")
    pinned = f"pin {result.pin_key} {'is new' if result.moved else 'stays'}"
    tell(f"{output}: action {result.action}; {pinned}; open {result.page}")


def _faulty(errors: int, quarantined: int, dataset: Path) -> str:
    kept = f"{quarantined} files of them are in {dataset / 'quarantine'}" if quarantined else "none is kept"
    return f"{errors} errors were found, named above; {kept}"


def _names(text: str | None) -> tuple[str, ...] | None:
    return tuple(name.strip() for name in text.split(",")) if text else None


def _print_reading(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        tell(f"read     {sentence}")
