"""The command line's options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
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
Replace = Annotated[
    bool, typer.Option("--replace", help="Delete what the output folder holds, if it is of the same kind.")
]
Source = Annotated[str, typer.Option("--source", help="Folder, or s3://bucket/prefix.")]
Classes = Annotated[
    str | None, typer.Option("--classes", help="Defect classes, comma separated, for voc and masks.")
]


@dataclass(frozen=True)
class Settings:
    """The parameters that --params and --set ask for."""

    params: Params = None
    set: Set = None

    @contextmanager
    def context(self, execution: str | None = None) -> Iterator[Context]:
        """What a step is called with: the configuration, and this terminal."""
        from autonad.config.context import Context
        from autonad.console import open_console

        config = read_config(self.params, self.set)
        with open_console() as screen:
            yield Context(config, execution, screen)


@dataclass(frozen=True)
class Call:
    """What every step is called with: its execution, and the parameters."""

    execution: Execution = None
    params: Params = None
    set: Set = None

    def context(self) -> AbstractContextManager[Context]:
        """See `Settings.context`."""
        return Settings(self.params, self.set).context(self.execution)


@dataclass(frozen=True)
class Resuming:
    """Whether a step goes on from what it left; see `autonad.steps.step.Resume`."""

    resume: Resume = False
    restart: ResumeOrRestart = False

    @property
    def wanted(self) -> Resumption:
        """What is asked for; the second option wins."""
        return "or-restart" if self.restart else self.resume


def read_config(params: Path | None, overrides: list[str] | None) -> Config:
    """The configuration that --params and --set ask for."""
    from autonad.config import load_config

    default = Path("params.yaml")
    return load_config(params or (default if default.is_file() else None), overrides or ())
