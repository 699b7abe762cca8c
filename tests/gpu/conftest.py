"""Tests that need an NVIDIA GPU: ``make gpu``.  Elsewhere they are skipped."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _needs_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU (make gpu)")
