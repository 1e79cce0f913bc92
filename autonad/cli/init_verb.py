"""The verb that makes a folder to work in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autonad.console import tell


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder to write into.")] = Path(),
) -> None:
    """Make a folder to work in: params.yaml, and the pipeline of DVC, with nothing cloned."""
    from autonad.steps.new_folder import new_folder

    made = new_folder(folder)
    tell(f"{folder}: {', '.join(made.written)} written")
    if made.extended:
        tell(f"{folder}: lines added to {', '.join(made.extended)}")
    tell("next, in that folder:")
    for command, what in (
        ("autonad run --source IMAGES", "a detector for a folder of images and masks"),
        ("git init && dvc init", "or the pipeline that also takes later batches:"),
        ("autonad import-data --source IMAGES --output data/current", ""),
        ("autonad describe-target --output targets/line.json", ""),
        ("dvc add data/current && dvc repro", ""),
    ):
        tell(f"  {command:<60}{what}".rstrip())
