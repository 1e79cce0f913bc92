"""The image that tasks run in: the only place that names one.

`AUTONAD_IMAGE` overrides it when a pipeline is compiled; deploy by digest or by a tag that never moves,
because Kubeflow's cache looks at the name alone.
"""

import os
from functools import partial

from kfp import dsl

from autonad import __version__

IMAGE = os.environ.get("AUTONAD_IMAGE") or f"autonad:{__version__}"

component = partial(dsl.component, base_image=IMAGE, install_kfp_package=False)
"""Makes a component of a function; kfp is in the image, so no task begins with pip."""
