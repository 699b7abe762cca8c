"""How many threads the numerical libraries use."""

from __future__ import annotations

import os


def use_threads(threads: int) -> None:
    """Set the number of threads of the numerical libraries; results depend on it bit by bit."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(threads)
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
