"""Where a result comes from: versions, machine, threads, time and memory."""

from __future__ import annotations

import datetime
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

from .. import __version__
from .code import SOURCE_TREE, installed

PACKAGES = ("numpy", "torch", "transformers", "tokenizers", "datasets", "rdkit")


def peak_memory_mb() -> float:
    """The largest resident memory of this process so far, in MB (1e6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def commit() -> str | None:
    """The commit of the package's source tree; None for an installed wheel, or without git."""
    if not (SOURCE_TREE / ".git").exists():
        return None
    command = ["git", "rev-parse", "HEAD"]
    try:
        git = subprocess.run(command, cwd=SOURCE_TREE, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return git.stdout.strip() or None


def device() -> str:
    """The accelerator that torch uses, or ``cpu``; does not import torch."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return "cpu"


def processor() -> str:
    """The name of the CPU and the instruction set that torch uses, on which rounding depends."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    torch = sys.modules.get("torch")
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})" if torch is not None else name


def precision() -> str:
    """The floating-point precision of this process: that of torch if it is loaded, else NumPy's."""
    torch = sys.modules.get("torch")
    if torch is None:
        return "float64"
    name = str(torch.get_default_dtype()).removeprefix("torch.")
    if torch.cuda.is_available():
        name += f" (matrix products: {torch.get_float32_matmul_precision()})"
    return name


def collect(threads: int, *, wall_s: float) -> dict:
    """The software, the machine and the cost of a run, as a dict for JSON."""
    return {
        "package_version": __version__,
        "commit": commit(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := installed(name))},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "device": device(),
        "threads": threads,
        "precision": precision(),
        "wall_s": round(wall_s, 1),
        "peak_memory_mb": round(peak_memory_mb()),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
