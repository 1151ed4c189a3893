"""What the C allocator does with large blocks, and with memory that was freed."""

from __future__ import annotations

import ctypes
import gc

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE_BYTES = 2**20
_KEPT_FREE_BYTES = 8 * 2**20


def map_large_blocks() -> None:
    """Have large blocks, such as weights, go back to the system the moment they are freed.

    glibc raises its limit for what it maps apart with every such block that is freed, up to 32 MiB.
    A model loaded after that lies in a thread's heap, whose free end `malloc_trim` leaves alone.
    Elsewhere there is nothing to do.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE_BYTES)
        set_option(_TRIM_THRESHOLD, _KEPT_FREE_BYTES)


def give_back_heap() -> None:
    """Return freed memory to the system after a model was unloaded.

    glibc keeps what was freed, for whole models that were read through the heap; elsewhere there is
    nothing to do.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
