"""The chain done the plain way: one ``numpy.linalg.lstsq`` per repeat and iteration.

Slow and obvious.  What ``simulation.py`` is tested and timed against.
"""

from __future__ import annotations

import numpy as np

from .. import regimes
from .config import Linear, covariance_factor
from .draws import Draws, block_list


def errors(config: Linear, regime: str, draws: Draws, *, average: bool = False) -> np.ndarray:
    """Test error of every fit, shape (R, iterations).

    ``average``: where the blocks of a training set share their rows, fit once to the mean of their
    labels instead of to all the rows; the same fit from T rows in place of n T (least squares, same
    x, a regime that uses whole blocks).
    """
    R = len(draws.w_star)
    blocks, L = block_list(regime, config.iterations), covariance_factor(config)
    result = np.empty((R, config.iterations))
    for r in range(R):
        w = [draws.w_star[r]]  # w[g] labels generation g
        y: dict[regimes.Block, np.ndarray] = {}
        x = {block: draws.x[r, b if draws.x.shape[1] > 1 else 0] for b, block in enumerate(blocks)}
        for n in range(1, config.iterations + 1):
            trains = regimes.trains_on(regime, n)
            for b, block in enumerate(blocks):
                if block.generation == n - 1:
                    y[block] = x[block] @ w[n - 1] + np.sqrt(config.sigma2) * draws.noise[r, b]
            if average:
                X, Y = x[trains[0]], np.mean([y[block] for block in trains], axis=0)
            else:
                X = np.concatenate([x[block] for block in trains])
                Y = np.concatenate([y[block] for block in trains])
            if draws.picks is not None:
                X, Y = X[draws.picks[n - 1][r]], Y[draws.picks[n - 1][r]]
            w.append(np.linalg.lstsq(X, Y, rcond=None)[0])
            result[r, n - 1] = np.sum((L.T @ (w[n] - w[0])) ** 2)
    return result
