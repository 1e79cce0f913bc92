"""The command line's options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from autonad.config import Config
    from autonad.config.context import Context
    from autonad.storage.checkpoints import Resume as Resumption

Params = Annotated[
    Path | None,
    typer.Option("--params", help="Parameter file.", show_default="params.yaml where there is one"),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a parameter: section.key=value. Repeatable.", metavar="KEY=VALUE"),
]
DatasetDir = Annotated[Path, typer.Option("--dataset", help="Dataset folder.")]
OutputDir = Annotated[Path, typer.Option("--output", help="Folder to write.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue from the output folder's checkpoint.")]
ResumeOrRestart = Annotated[
    bool,
    typer.Option(
        "--resume-or-restart",
        help="Continue from a checkpoint of the same configuration, start over from any other.",
    ),
]
PinDir = Annotated[
    Path | None,
    typer.Option("--pin", help="Pin folder: the images of the search. Default: the whole dataset."),
]
Execution = Annotated[
    str | None,
    typer.Option(
        "--execution",
        envvar="AUTONAD_EXECUTION",
        help="Name of the execution; steps with one name share a parent run in MLflow.",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups", help="CSV of image,group: which images show one part. Default: SOURCE/groups.csv."
    ),
]
Source = Annotated[str, typer.Option("--source", help="Folder, or s3://bucket/prefix.")]
Classes = Annotated[
    str | None, typer.Option("--classes", help="Defect classes, comma separated, for voc and masks.")
]


@contextmanager
def called(
    params: Path | None, overrides: list[str] | None, execution: str | None = None
) -> Iterator[Context]:
    """What a step is called with: the configuration of --params and --set, and this terminal."""
    from autonad.config.context import Context
    from autonad.console import open_console

    config = read_config(params, overrides)
    with open_console() as screen:
        yield Context(config, execution, screen)


def resumption(resume: bool, restart: bool) -> Resumption:
    """What --resume and --resume-or-restart ask a step for; the second wins."""
    return "or-restart" if restart else resume


def read_config(params: Path | None, overrides: list[str] | None) -> Config:
    """The configuration that --params and --set ask for."""
    from autonad.config import load_config

    default = Path("params.yaml")
    return load_config(params or (default if default.is_file() else None), overrides or ())
