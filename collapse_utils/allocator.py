"""Let the C library keep the memory it has.

glibc hands large blocks back to the kernel when they are freed and maps them anew for the next tensor of the same size,
so a loop over small models pays for page faults at every step: up to 46% of a training step was measured.  Three
parameters of ``mallopt`` stop that for the whole process.
"""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from malloc.h


@functools.cache
def keep_memory() -> bool:
    """Keep freed memory in the process instead of returning it; True where that was possible (Linux with glibc).

    Safe to call often and on any system; results never depend on it, only speed does.  Call it before the first large
    allocation: what is mapped already stays as it is.
    """
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version  # noqa: B018  (an attribute error here means another C library)
        mallopt = libc.mallopt
    except (OSError, AttributeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 64 << 20))
    accepted = [mallopt(name, value) == 1 for name, value in settings]  # all three are tried, whatever one says
    return all(accepted)
