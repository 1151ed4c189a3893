"""Freed memory that the C allocator still holds."""

from __future__ import annotations

import ctypes
import gc


def give_back_heap() -> None:
    """Return freed memory to the system after a model was unloaded.

    glibc keeps what was freed, for whole models that were read through the heap; elsewhere there is
    nothing to do.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
