"""What every test gets: no network, one thread."""

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "helpers")]


@pytest.fixture(scope="module")
def committed(request):
    """The committed metrics of a test module's ``REFERENCE``: section, preset, source."""
    from collapse_utils.evidence import results

    return results.read(*request.module.REFERENCE)


@pytest.fixture(scope="module")
def folder(request):
    """The folder of the same."""
    from collapse_utils.evidence import results

    return results.folder(*request.module.REFERENCE)
