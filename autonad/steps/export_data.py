"""Write a dataset as annotations for a labelling tool."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from autonad.config.context import Context
from autonad.steps.step import begin

if TYPE_CHECKING:
    from autonad.data.annotations.exporting import Exported


def export_data(
    context: Context,
    *,
    dataset: Path,
    format: str,
    output: Path,
    split: str | None = None,
    include_unlabelled: bool = False,
) -> Exported:
    """Write images and annotations that a labelling tool opens, so that labels can be corrected there.

    Args:
        context: What the step is called with.
        dataset: Dataset folder.
        format: coco, labelme or masks.
        output: Folder to write, which must be empty or not exist.
        split: Only images of this split.
        include_unlabelled: Also images that wait for a mask.
    """
    from autonad.data.annotations.exporting import export_annotations
    from autonad.data.dataset import Dataset

    params = {"format": format, "split": split, "unlabelled": include_unlabelled}
    with begin("export-data", context, params=params, learns=False) as step:
        opened = Dataset.open(dataset)
        step.uses(opened, "exported")
        done = export_annotations(
            opened,
            output,
            format,
            split=split,
            include_unlabelled=include_unlabelled,
            advance=step.console.advance,
        )
        step.run.log({"data/images": done.images + done.unlabelled})
        step.headline(f"{done.images} images with {done.shapes} shapes as {format}")
        return done
