"""Configuration of the linear section, for the chain and for the simulation alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import seeds
from ..presets import Config, setting
from .theory import check_rows

DEFAULT_SOURCE = "gaussian"


@dataclass(frozen=True)
class Linear(Config):
    """Linear regression on Gaussian x (Section 3); T >= d + 2 is required."""

    iterations: int = setting(50, "number N of model-fitting iterations", at_least=1)
    d: int = setting(32, "number of features", at_least=1)
    T: int = setting(100, "number of rows (x, y) in one generation", at_least=1)
    sigma2: float = setting(1.0, "variance of the noise of y", above=0)
    repeats: int = setting(1000, "independent repeats that run side by side", at_least=2)
    x: str = setting(
        "same",
        "rows that a generation relabels: the same x (the theorems) or fresh x",
        choices=("same", "fresh"),
    )
    signal: float = setting(1.0, "length of w*; the errors do not depend on it", at_least=0)
    condition: float = setting(
        1.0, "largest over smallest eigenvalue of S, the covariance of x; 1 is S = I", at_least=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_rows(self.d, self.T)


# The theorems hold at any size, so every preset shows the same curves; larger ones have more
# iterations. A generation takes T repeats (d + 1) 8 bytes on disk, and
# replace_multiple keeps N^2 / 2 of them.
PRESETS = {
    "smoke": Linear(iterations=10, d=16, T=64, repeats=100),
    "cpu": Linear(iterations=20, repeats=100),
    "colab": Linear(iterations=30, repeats=100),
    "paper": Linear(iterations=50, repeats=100),
}


def covariance_factor(config: Linear) -> np.ndarray:
    """L with S = L L', (d, d): geometrically spaced eigenvalues and a fixed random rotation."""
    if config.condition == 1:
        return np.eye(config.d)
    rotation, _ = np.linalg.qr(
        seeds.generator(0, "linear", "covariance", config.d).standard_normal((config.d, config.d))
    )
    return rotation * config.condition ** (np.linspace(0, 1, config.d) / 2)
