"""Datasets, targets and latency folders as a pipeline names them, and the versions that DVC keeps of them.

In the order in which a version passes:

    remote.py         the DVC remote of a folder: which it is, and what it keeps
    branches.py       pointers beside the remote: the version that a branch means now
    publishing.py     push a version, then move the pointer: `autonad publish`
    resolving.py      a dataset as it is entered → one version, whose content is fixed
    fetching.py       content into a folder, without git
    named_targets.py  target files by name
"""

from autonad.data.versions.branches import Pointer
from autonad.data.versions.fetching import fetch_folder, pull
from autonad.data.versions.named_targets import find_target, read_target
from autonad.data.versions.publishing import Published, publish_folder
from autonad.data.versions.resolving import GENERATED, DatasetVersion, Followed, follow, from_folder, resolve

__all__ = [
    "GENERATED",
    "DatasetVersion",
    "Followed",
    "Pointer",
    "Published",
    "fetch_folder",
    "find_target",
    "follow",
    "from_folder",
    "publish_folder",
    "pull",
    "read_target",
    "resolve",
]
