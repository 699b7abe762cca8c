"""Let the C library keep the memory it has.

glibc hands large blocks back to the kernel when they are freed and maps them anew for the next
tensor of the same size, so a loop over small models pays for page faults at every step: up to 46%
of a training step was measured.  Three parameters of ``mallopt`` stop that for the whole process.
And a table of many megabytes that is read all over, such as a cache of keys and values, costs an
address translation for every 4 kB: :func:`large_zeros` asks for pages of 2 MB.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import mmap
import sys

import torch

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # from malloc.h


@functools.cache
def keep_memory() -> bool:
    """Keep freed memory in the process; True where that is possible (Linux with glibc).

    Safe to call often and on any system; results never depend on it, only speed does.  Call it
    before the first large allocation: what is mapped already stays as it is.
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
    # all three are tried, whatever one says
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)


def large_zeros(*shape: int) -> torch.Tensor:
    """A float32 tensor of zeros on the CPU, on pages of 2 MB where possible, for speed."""
    size = math.prod(shape)
    if not hasattr(mmap, "MADV_HUGEPAGE") or size < 2**19:
        return torch.zeros(shape)
    # Private and anonymous memory: the kernel hands out zeros, and only what is touched.
    memory = mmap.mmap(-1, 4 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)
