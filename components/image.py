"""The image that tasks run in, the only place that names one, and the command that runs them.

`AUTONAD_IMAGE` overrides it when a pipeline is compiled; deploy by digest or by a tag that never moves, so
that it is known what has run.
"""

import os
from collections.abc import Callable
from typing import Any

from kfp import dsl

from autonad import __version__

IMAGE = os.environ.get("AUTONAD_IMAGE") or f"autonad:{__version__}"
EXECUTOR = "-m kfp.dsl.executor_main"


def component(function: Callable[..., Any]) -> Any:
    """A component of a function, under supervision; kfp is in the image: no task begins with pip."""
    made = dsl.component(function, base_image=IMAGE, install_kfp_package=False)
    container = made.component_spec.implementation.container
    supervised = EXECUTOR.replace("-m ", "-m autonad.kubeflow.supervisor ")
    container.command = [part.replace(EXECUTOR, supervised) for part in container.command]
    return made
