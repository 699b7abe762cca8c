"""The number of threads of the numerical libraries."""

from __future__ import annotations

import os
import sys


def use_threads(threads: int) -> None:
    """Set the number of threads of the numerical libraries; results depend on it bit by bit."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)


def use_torch_threads(threads: int) -> None:
    """Set the number of threads of torch if it is loaded; does not import it."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
