"""Memory that a training step gives back, kept for the next step."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's names for them
_KEPT = 512 * 2**20  # bytes at the top of the heap that are not returned
_OWN_MAPPING = 32 * 2**20  # blocks above this are mapped and returned one by one; glibc allows no more


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks for the next step; elsewhere this does nothing.

    A step asks for the same blocks as the step before. If they go back to the system in between, every page of them
    costs a page fault: a tenth of the time of a step of the Boulder lab's networks (docs/decisions.md).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _OWN_MAPPING)
