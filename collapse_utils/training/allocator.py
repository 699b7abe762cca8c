"""Faster memory on the CPU: freed memory stays in the process, and large tables use huge pages.

glibc returns large blocks to the kernel when they are freed and maps new ones for the next tensor
of the same size.  A loop over small models therefore has page faults at every step, which took up
to 46% of a training step.  :func:`keep_memory` prevents this for the whole process by three
parameters of ``mallopt``.

Random access to a table of many megabytes, such as a cache of keys and values, costs an address
translation for every 4 kB.  :func:`large_zeros` asks for pages of 2 MB instead.
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
    """Keep freed memory in the process; returns whether that is possible (Linux with glibc).

    It can be called often and on any system, and changes only the speed.  Call it before the first
    large allocation, because it does not affect memory that is mapped already.
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
    # a list, so that all three are set even if one is refused
    accepted = [mallopt(name, value) == 1 for name, value in settings]
    return all(accepted)


def large_zeros(*shape: int) -> torch.Tensor:
    """A float32 tensor of zeros on the CPU, on pages of 2 MB if possible, for speed."""
    size = math.prod(shape)
    if not hasattr(mmap, "MADV_HUGEPAGE") or size < 2**19:
        return torch.zeros(shape)
    # private, anonymous memory: the kernel provides zeros, and only for the pages that are used
    memory = mmap.mmap(-1, 4 * size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with contextlib.suppress(OSError):  # a kernel without huge pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return torch.frombuffer(memory, dtype=torch.float32).view(shape)
