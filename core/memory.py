"""Keeping the memory of a process with many threads flat."""

import ctypes
from typing import Final

ARENAS: Final = 2
"""Threads of one process share so many heaps of glibc."""

_M_ARENA_MAX: Final = -8
"""Of mallopt(3)."""


def share_heaps() -> bool:
    """Let threads share few heaps; to be called before they start. Returns whether this libc can.

    glibc gives threads heaps of their own, eight for each core, and each keeps the size of the
    largest photo that its threads ever decoded. Over 5,000 photos a worker grew by 6 % with them.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_ARENA_MAX, ARENAS))
