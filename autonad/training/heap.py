"""How the C library hands out the memory of feature maps."""

from __future__ import annotations

import ctypes
import sys

# Of mallopt(3), in malloc.h.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
TOP_PAD = 64 * 2**20  # bytes by which the heap grows at least


def keep_freed_memory() -> bool:
    """Let freed feature maps be used again instead of being given back and asked for anew.

    By default glibc maps every large block by itself and unmaps it when it is freed: each feature map of each
    step is then cleared by the kernel page by page, which takes longer than what most operators do with it.
    The process keeps its peak of memory instead, which training needs again in the next step.

    Returns:
        Whether the C library could be told; only glibc can.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1), (M_TOP_PAD, TOP_PAD))
    return all(mallopt(name, value) == 1 for name, value in settings)
