"""Are the files of a dataset those that its manifest names? Found out cheaply, before they are read."""

from __future__ import annotations

import os

import pandas as pd

from autonad.data.dataset import MANIFEST, Dataset
from autonad.errors import DatasetError
from autonad.files import sha256_file

_NAMED = (("image", "sha256"), ("mask", "mask_sha256"))
# Of this process: files whose content was compared, and as what.
_seen: set[tuple[str, int, int, int]] = set()


def require_unchanged(dataset: Dataset, rows: pd.DataFrame) -> None:
    """Make sure that a fingerprint means what is read.

    The manifest is what is written last into a dataset. So a file whose inode has not changed since is the
    one that was written then; of every other one, as after `dvc checkout`, the content is compared, once.

    Args:
        dataset: Where the files are.
        rows: Those rows of its manifest that are read.

    Raises:
        DatasetError: A file is another than the manifest names; says which, and how many.
    """
    written = _changed_ns(os.stat(dataset.root / MANIFEST))
    others = []
    for file, named in _NAMED:
        for name, sha256 in zip(rows[file], rows[named], strict=True):
            path = dataset.root / name
            if not (name and sha256) or not path.is_file():
                continue  # Reading it says what is wrong.
            state = os.stat(path)
            key = (str(path), state.st_size, state.st_mtime_ns, state.st_ctime_ns)
            if _changed_ns(state) < written or key in _seen:
                continue
            if sha256_file(path) != sha256:
                others.append(name)
            else:
                _seen.add(key)
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise DatasetError(
            f"{others[0]}{more} in dataset {dataset.root} is not the file that {MANIFEST} names (its sha256 "
            "differs), so a result would carry the fingerprint of other images; restore it (`dvc checkout`), "
            "or import the corrected data again"
        )


def _changed_ns(state: os.stat_result) -> int:
    """When content, links or permissions changed last, ns; nobody can set that, unlike the first alone."""
    return max(state.st_mtime_ns, state.st_ctime_ns)
