"""What this machine can do at most, and how much of it a measurement uses.

Two limits: the rate of matrix products, and the rate at which memory is read.  A share of 100% of
either cannot be exceeded.  Small models stay below, since their products are small, and since what
lies between two products (norms, activations, attention) counts for neither.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch

SIDE = 1024  # rows and columns of the products
BYTES = 2**28  # read at once: many times the caches


def _median_s(work: Callable[[], object], repeats: int = 9) -> float:
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def product_rate(threads: int, dtype: torch.dtype = torch.float32) -> float:
    """Floating-point operations per second of products of 1024 x 1024 matrices in torch."""
    torch.set_num_threads(threads)
    a, b = torch.randn(2, SIDE, SIDE, dtype=dtype)
    return 2 * SIDE**3 / _median_s(lambda: a @ b)


def memory_rate(threads: int) -> float:
    """Bytes per second read by a sum."""
    torch.set_num_threads(threads)
    numbers = torch.ones(BYTES // 4)
    return BYTES / _median_s(numbers.sum)


def operations(step: Callable[[], object]) -> int:
    """Floating-point operations of the matrix products and convolutions in ``step``."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def matrix_parameters(model: torch.nn.Module) -> int:
    """Parameters that a language model multiplies every token by: all matrices but look-ups."""
    matrices = {p for name, p in model.named_parameters() if p.dim() == 2}
    looked_up = {
        module.weight for module in model.modules() if type(module).__name__ == "Embedding"
    }
    head = model.get_output_embeddings().weight
    return sum(p.numel() for p in (matrices - looked_up) | {head})
