"""What the process does with memory that a training step gives back."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # mallopt's names for them
_KEPT = 512 * 2**20  # bytes at the top of the heap that are not returned
_OWN_MAPPING = 32 * 2**20  # blocks above this are mapped and returned one by one; glibc allows no more


def keep_freed_memory() -> None:
    """Ask glibc to keep freed blocks for the next step; elsewhere this does nothing.

    A step asks for the same blocks as the step before. Where they went back to the system in between, every page of
    them costs a fault: a tenth of a step of the Boulder lab's networks (docs/decisions.md).
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _OWN_MAPPING)
