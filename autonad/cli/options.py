"""The command line's options that several verbs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autonad.errors import ConfigError

if TYPE_CHECKING:
    from autonad.config import Config
    from autonad.config.context import Context
    from autonad.data.ingest.settings import PartOptions
    from autonad.data.pixels.pixel_options import PixelOptions

DEFAULT_PARAMS = Path("params.yaml")

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
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        help="Go on with what is there, also with a finished search; an interrupted run does so by itself.",
    ),
]
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
BudgetMs = Annotated[
    list[float] | None,
    typer.Option(
        "--budget-ms",
        help="Latency that must not be exceeded, ms. Repeatable: a detector for each.",
        show_default="search.latency_budget_ms",
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
Format = Annotated[
    str,
    typer.Option(
        "--format",
        help="auto, masks, table, labelme, coco, yolo, cvat, label-studio, supervisely, voc, mvtec, ksdd2, "
        "severstal, neu, neu-seg, mt or msd.",
    ),
]
Source = Annotated[str, typer.Option("--source", help="Folder, or s3://bucket/prefix.")]
Classes = Annotated[
    str | None,
    typer.Option("--classes", help="Defect classes, comma separated, where the source names none."),
]

MaskValues = Annotated[
    str | None,
    typer.Option(
        "--mask-values",
        help="What values in the masks mean, such as 0=background,255=defect,128=ignore or #ff0000=crack.",
        show_default="told from all masks",
    ),
]
BitDepth = Annotated[
    str | None,
    typer.Option(
        "--bit-depth",
        help="Of images of more than 8 bits: 8, 10, 12, 14, 16, or float for 0 to 1.",
        show_default="told from all images",
    ),
]
Page = Annotated[
    int | None,
    typer.Option("--page", help="Which page of files with several is read, from 1. Default: none."),
]


@dataclass(frozen=True)
class PixelsRead:
    """What is stated about pixels, where a set cannot tell or tells it wrong."""

    mask_values: MaskValues = None
    bit_depth: BitDepth = None
    page: Page = None

    @property
    def options(self) -> PixelOptions:
        """The options, checked."""
        from autonad.data.pixels.pixel_options import PixelOptions

        return PixelOptions.parse(self.mask_values, self.bit_depth, self.page)


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
        from autonad.steps.new_folder import version_note

        config = read_config(self.params, self.set)
        with open_console() as screen:
            if note := version_note(Path()):
                screen.report(note)
            yield Context(config, execution, screen, parameters=self._told(config))

    def _told(self, config: Config) -> str:
        """That the defaults hold, where a parameter file was perhaps expected; else nothing."""
        if self.params is not None or DEFAULT_PARAMS.is_file():
            return ""
        size = f"{config.input.width} × {config.input.height} px"
        return (
            f"no {DEFAULT_PARAMS} in {Path.cwd()}, so the defaults hold (space {config.space.preset}, input "
            f"{size}); --params names another file"
        )


@dataclass(frozen=True)
class Call:
    """What every step is called with: its execution, and the parameters."""

    execution: Execution = None
    params: Params = None
    set: Set = None

    def context(self) -> AbstractContextManager[Context]:
        """See `Settings.context`."""
        return Settings(self.params, self.set).context(self.execution)

    def with_budgets(self, budgets_ms: list[float] | None) -> Call:
        """The same with these latency budgets, ms, if there are any.

        Raises:
            ConfigError: One is no latency, or is there twice; or `--set` names others.
        """
        if not budgets_ms:
            return self
        for budget in budgets_ms:
            if budget <= 0:
                raise ConfigError(f"--budget-ms is {budget:g}; give milliseconds above 0")
            if [f"{one:g}" for one in budgets_ms].count(f"{budget:g}") > 1:
                raise ConfigError(f"--budget-ms {budget:g} is given twice; name each budget once")
        if any(one.startswith("search.latency_budget_ms=") for one in self.set or ()):
            raise ConfigError("--budget-ms and --set search.latency_budget_ms are both given; leave one out")
        wanted = budgets_ms[0] if len(budgets_ms) == 1 else budgets_ms
        return replace(self, set=[*(self.set or ()), f"search.latency_budget_ms={wanted}"])


class SplitChoice(StrEnum):
    """Whose split a dataset gets."""

    NEW = "new"
    OWN = "own"


@dataclass(frozen=True)
class Parts:
    """How parts are found and split; see `autonad.data.ingest.settings.PartOptions`."""

    split: Annotated[
        SplitChoice,
        typer.Option("--split", help="new: by part. own: the source's train, val and test are kept."),
    ] = SplitChoice.NEW
    trust_groups: Annotated[
        bool, typer.Option("--trust-groups", help="Join nothing to the groups that groups.csv states.")
    ] = False
    no_near_duplicates: Annotated[
        bool, typer.Option("--no-near-duplicates", help="Search for no images that repeat one another.")
    ] = False

    @property
    def wanted(self) -> PartOptions:
        """What is asked for."""
        from autonad.data.ingest.settings import PartOptions

        return PartOptions(self.split.value, self.trust_groups, not self.no_near_duplicates)


def read_config(params: Path | None, overrides: list[str] | None) -> Config:
    """The configuration that --params and --set ask for."""
    from autonad.config import load_config

    return load_config(params or (DEFAULT_PARAMS if DEFAULT_PARAMS.is_file() else None), overrides or ())


def without_effect(given: Mapping[str, bool], why: str) -> None:
    """Refuse options that would change nothing.

    Raises:
        ConfigError: One is given.
    """
    names = [name for name, there in given.items() if there]
    if names:
        raise ConfigError(
            f"{' and '.join(names)} would change nothing here: {why}; leave out what has no effect"
        )


def one_of(given: Mapping[str, Path | None]) -> None:
    """Refuse several ways to the same table.

    Raises:
        ConfigError: There are two.
    """
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise ConfigError(f"{' and '.join(names)} exclude each other; give one of them")
