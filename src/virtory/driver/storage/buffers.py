"""Memory for packets: kept by the process while volumes are streamed, given back afterwards.

The rule kept here: tuning only; without glibc nothing is done. (Measured: by default glibc asks the
kernel for each packet's memory anew, which zeroes it page by page; that took three quarters of an
upload's processor time.)
"""

from __future__ import annotations

import functools
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # numbers of mallopt(3)
_KEPT = 32 << 20
_LARGEST_PACKET = 4 << 20

_open = 0


def needed() -> None:
    """A stream is opened."""
    global _open
    _open += 1
    if _open == 1 and (library := _library()) is not None:
        library.mallopt(_MMAP_THRESHOLD, _LARGEST_PACKET)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)


def not_needed() -> None:
    """A stream is closed; with the last one what is free goes back to the host."""
    global _open
    _open -= 1
    if _open == 0 and (library := _library()) is not None:
        library.malloc_trim(0)


@functools.cache
def _library() -> Any:
    import ctypes

    library = ctypes.CDLL(None)
    return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
