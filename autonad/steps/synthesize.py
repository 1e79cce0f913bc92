"""Generate a dataset."""

from __future__ import annotations

from pathlib import Path

from autonad.config.context import Context
from autonad.steps.dataset_result import DataResult, dataset_result, log_dataset
from autonad.steps.step import begin


def synthesize(context: Context, *, output: Path, replace: bool = False) -> DataResult:
    """Generate a dataset.

    Args:
        context: Section `synthesize` decides how it looks.
        output: Dataset folder to write.
        replace: A dataset there is replaced; else it is refused.
    """
    config = context.config
    from autonad.data.faults import fault_table
    from autonad.data.synthetic.generator import Appearance, synthesize
    from autonad.data.writer import require_free

    require_free(output, replace=replace)

    settings = config.synthesize
    appearance = Appearance(
        contrast=settings.contrast,
        size=settings.defect_size,
        brightness=settings.brightness,
        blur=settings.blur,
        noise=settings.noise,
    )
    params = {"synthesize": settings.model_dump()}
    with begin("synthesize", context, params=params, learns=False) as step:
        dataset = synthesize(
            output,
            num_images=settings.num_images,
            size=(settings.image_side, settings.image_side),
            materials=settings.materials,
            classes=settings.classes,
            seed=settings.seed,
            appearance=appearance,
            defect_free=settings.defect_free,
            fractions=config.data.fractions,
        )
        result = dataset_result(dataset, fault_table([]))
        log_dataset(step, result, dataset)
        return result
