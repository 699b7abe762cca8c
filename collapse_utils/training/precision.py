"""The precision of training: float32, or faster arithmetic on accelerators that have it.

    float32    all numbers and products
    tf32       float32 numbers, rounded to 10 bits in matrix products (NVIDIA, from Ampere)
    bfloat16   products and activations; weights, losses and the optimiser are float32
    float16    like bfloat16, but with a scaled loss; for cards without bfloat16, such as a T4

Evaluation and the saved weights are float32 in all four cases.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@contextlib.contextmanager
def products(name: str, device: torch.device) -> Iterator[None]:
    """Set, inside the block, whether a GPU may round the factors of float32 products."""
    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = name == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32 = before[1]


def forward(name: str, device: torch.device) -> contextlib.AbstractContextManager:
    """The context manager of a forward pass; it does nothing for float32 and tf32."""
    if name not in HALF:
        return contextlib.nullcontext()
    return torch.autocast(device.type, HALF[name])


def scaler(name: str, device: torch.device) -> torch.amp.GradScaler:
    """Scales the loss of float16, whose small gradients would round to zero; else disabled."""
    return torch.amp.GradScaler(device.type, enabled=name == "float16")
